"""Waits: honest ranges that only grow with what is ahead, by the order in which the queue will go."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from kernelbot.domain.fairness import Group, Lanes, Queue
from kernelbot.domain.forecast import MOST, forecast
from kernelbot.domain.waiting import UNKNOWN_MEAN_S, Duration
from kernelbot.judge.protocol import Mode

DURATIONS = st.builds(
    Duration, mean_s=st.floats(0.01, 600), deviation_s=st.floats(0, 600), count=st.just(9)
)
USUAL = Duration(mean_s=10.0, deviation_s=2.0, count=50)


def group(account: int, *places: int, **more: object) -> Group:
    values: dict[str, object] = {"mode": Mode.RANKED, "expected": USUAL, **more}
    return Group(account=account, places=places, **values)  # type: ignore[arg-type]


@settings(max_examples=40)
@given(
    st.lists(DURATIONS, min_size=1, max_size=20),
    st.lists(st.tuples(DURATIONS, st.floats(0, 1000)), max_size=5),
    st.integers(1, 8),
)
def test_a_range_is_in_order_and_never_in_the_past(
    waiting: list[Duration], running: list[tuple[Duration, float]], slots: int
) -> None:
    groups = [group(number, number, expected=item) for number, item in enumerate(waiting)]
    busy = [group(100 + n, expected=item).begun(so_far) for n, (item, so_far) in enumerate(running)]
    told = forecast(Queue(waiting=groups, running=busy, slots=max(slots, len(busy))))

    seen = []
    for item in groups:
        found = told.of(item.places[0], item)
        seen.append(found.position)
        assert found.start_low_s is not None
        assert found.start_high_s is not None
        assert found.finish_low_s is not None
        assert found.finish_high_s is not None
        assert 0 <= found.start_low_s <= found.start_high_s <= found.finish_high_s
        assert found.start_low_s <= found.finish_low_s <= found.finish_high_s
    assert sorted(seen) == list(range(1, len(groups) + 1))


def test_the_place_is_the_one_by_which_the_queue_goes() -> None:
    longer = Duration(mean_s=40.0, deviation_s=2.0, count=50)
    flood, newcomer = group(1, *range(50), expected=longer), group(2, 99, expected=longer)
    told = forecast(Queue(waiting=[flood, newcomer], slots=1))

    assert told.of(99, newcomer).ahead == 1
    assert [told.of(place, flood).ahead for place in (0, 1, 49)] == [0, 2, 50]


def test_one_that_came_after_the_forecast_is_told_by_its_like() -> None:
    flood = group(1, *range(50))
    told = forecast(Queue(waiting=[flood], used={1: 500.0, 3: 5000.0}, slots=1))

    assert told.of(100, group(2, 100)).ahead == 0
    assert told.of(100, group(1, 100)).ahead == 50
    assert told.of(100, group(3, 100)).ahead > 40


def test_more_than_is_played_forward_has_a_place_and_a_range_too() -> None:
    many = group(1, *range(3 * MOST))
    told = forecast(Queue(waiting=[many], slots=4))

    last = told.of(3 * MOST - 1, many)
    first = told.of(MOST // 2, many)
    assert last.ahead >= MOST
    assert last.start_low_s is not None
    assert first.start_high_s is not None
    assert last.start_low_s > first.start_high_s


def test_without_a_live_worker_there_is_a_place_but_no_time() -> None:
    waiting = group(1, 1, 2, 3)
    found = forecast(Queue(waiting=[waiting], slots=0)).of(3, waiting)

    assert found.position == 3
    assert found.start_low_s is found.start_high_s is None
    assert found.finish_low_s is found.finish_high_s is None


def test_a_free_gpu_means_now() -> None:
    mine = group(1, 1)
    busy = [group(2).begun(1.0)]
    found = forecast(Queue(waiting=[mine], running=busy, slots=2)).of(1, mine)

    assert (found.start_low_s, found.start_high_s) == (0.0, 0.0)


def test_what_runs_longer_than_usual_does_not_make_the_wait_negative() -> None:
    mine = group(1, 1)
    found = forecast(Queue(waiting=[mine], running=[group(2).begun(500.0)], slots=1)).of(1, mine)

    assert found.start_low_s is not None
    assert 0 <= found.start_low_s < 5


def test_a_leaderboard_nobody_has_run_gets_a_wide_range() -> None:
    first, mine = group(1, 1, expected=Duration()), group(2, 2, expected=Duration())
    found = forecast(Queue(waiting=[first, mine], slots=1)).of(2, mine)

    assert found.start_high_s is not None
    assert found.start_low_s is not None
    assert found.start_high_s - found.start_low_s > UNKNOWN_MEAN_S


def test_who_is_to_come_and_goes_first_makes_the_range_wider() -> None:
    flood = group(1, *range(100))
    queue = Queue(waiting=[flood], slots=4)
    quiet = forecast(queue).of(99, flood)
    busy = forecast(replace(queue, sent={2: 600.0})).of(99, flood)

    assert quiet.start_high_s is not None
    assert busy.start_high_s is not None
    assert busy.start_high_s > 1.5 * quiet.start_high_s


def test_runs_that_end_at_the_same_moment_are_told_apart() -> None:
    busy = [group(number).begun(0.0) for number in range(3)]
    waiting = group(9, 0, 1, 2, 3, 4, 5)
    told = forecast(Queue(waiting=[waiting], running=busy, slots=4))

    assert [told.of(place, waiting).ahead for place in range(6)] == list(range(6))


def test_a_long_run_is_told_that_the_free_gpu_is_kept_from_it_and_a_short_one_is_not() -> None:
    longer = Duration(mean_s=120.0, deviation_s=20.0, count=50)
    mine, other = group(50, 99, expected=longer), group(51, 100, expected=longer)
    test = group(52, 101, mode=Mode.TEST, expected=Duration(mean_s=2.0, deviation_s=0.5, count=50))
    told = forecast(
        Queue(
            waiting=[mine, test],
            running=[group(number, expected=longer).begun(5.0) for number in range(7)],
            slots=8,
            lanes=Lanes(total_s=1000.0, tests_s=50.0),
        )
    )

    found = told.of(99, mine)
    assert found.start_low_s is not None
    assert found.start_high_s is not None
    assert 30 < found.start_low_s < found.start_high_s
    late = told.of(100, other)
    assert late.start_low_s is not None
    assert late.start_low_s >= found.start_low_s
    assert told.of(101, test).start_high_s == 0
