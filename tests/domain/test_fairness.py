"""Whose run is next: by what is held and was used, whatever anybody sends; and nobody waits for ever."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelbot.domain import fairness
from kernelbot.domain.fairness import Group, Lanes, Level, Queue, Running, order
from kernelbot.domain.submission import FIRST_PRIORITY, PRIORITY, REPEAT_PRIORITY
from kernelbot.domain.waiting import Duration
from kernelbot.judge.protocol import Mode

USUAL = Duration(mean_s=20.0, deviation_s=5.0, count=50)
LONG = Duration(mean_s=300.0, deviation_s=50.0, count=50)
BUSY = Lanes(total_s=3600.0, tests_s=60.0, again_s=1800.0)


def group(account: int, *places: int, **more: object) -> Group:
    values: dict[str, object] = {"mode": Mode.RANKED, "expected": USUAL, **more}
    return Group(account=account, places=places, **values)  # type: ignore[arg-type]


def places(queue: Queue, free: int) -> list[int]:
    return [turn.place for turn in order(queue, free)]


GROUPS = st.builds(
    Group,
    account=st.integers(1, 6),
    mode=st.sampled_from(list(Mode)),
    places=st.just(()),
    expected=st.builds(
        Duration,
        mean_s=st.floats(0, 600),
        deviation_s=st.floats(0, 300),
        count=st.integers(0, 9),
    ),
    level=st.sampled_from(list(Level)),
    weight=st.floats(0.1, 10),
    waited_s=st.floats(0, 5000),
)


@st.composite
def queues(draw: st.DrawFn) -> Queue:
    groups: list[Group] = draw(st.lists(GROUPS, max_size=12))
    number, waiting = 0, []
    for item in groups:
        many = draw(st.integers(1, 5))
        waiting.append(replace(item, places=range(number, number + many)))
        number += many
    running = [item.begun(draw(st.floats(0, 900))) for item in draw(st.lists(GROUPS, max_size=6))]
    used = draw(st.dictionaries(st.integers(1, 6), st.floats(0, 1e5)))
    slots = draw(st.integers(len(running), 12))
    lanes = Lanes(
        total_s=draw(st.floats(0, 1e5)),
        tests_s=draw(st.floats(0, 1e4)),
        again_s=draw(st.floats(0, 1e4)),
    )
    return Queue(waiting=waiting, running=running, used=used, slots=slots, lanes=lanes)


@settings(max_examples=40)
@given(queues(), st.integers(0, 10), st.integers(0, 5))
def test_only_what_waits_is_chosen_each_once_and_never_more_than_asked_for(
    queue: Queue, free: int, spare: int
) -> None:
    chosen = [turn.place for turn in order(queue, free, spare)]

    assert len(chosen) == len(set(chosen)) <= free + spare
    assert set(chosen) <= {place for item in queue.waiting for place in item.places}


@settings(max_examples=40)
@given(queues(), st.integers(1, 10))
def test_of_what_is_alike_the_older_goes_first(queue: Queue, free: int) -> None:
    chosen = places(queue, free)

    for item in queue.waiting:
        mine = [place for place in chosen if place in item.places]
        assert mine == list(item.places)[: len(mine)]


@settings(max_examples=40)
@given(queues(), st.randoms())
def test_the_order_in_which_the_queue_is_told_changes_nothing(
    queue: Queue, chance: random.Random
) -> None:
    shuffled = list(queue.waiting)
    chance.shuffle(shuffled)

    assert places(replace(queue, waiting=shuffled), 5) == places(queue, 5)


@settings(max_examples=40)
@given(queues(), st.integers(1, 8))
def test_a_gpu_is_left_idle_only_for_short_runs_and_at_most_the_reserve(
    queue: Queue, free: int
) -> None:
    turns = order(queue, free)

    waiting = sum(len(item.places) for item in queue.waiting)
    idle = min(free, waiting) - len(turns)
    slots = max(queue.slots, len(queue.running) + free)
    assert idle <= max(1, slots * fairness.RESERVE_SHARE)
    if idle:
        taken = {turn.place for turn in turns}
        assert queue.slots >= fairness.RESERVE_FROM
        assert all(item.short is False for item in queue.waiting if not taken >= set(item.places))


@settings(max_examples=40)
@given(queues())
def test_what_an_administrator_puts_first_is_next(queue: Queue) -> None:
    urgent = group(9, 10_000, level=Level.FIRST, expected=LONG)
    others = [item for item in queue.waiting if item.level is not Level.FIRST]

    assert places(replace(queue, waiting=[*others, urgent]), 1) == [10_000]


def test_whoever_sends_a_thousand_does_not_go_before_who_sends_one() -> None:
    queue = Queue(waiting=[group(1, *range(1000)), group(2, 5000)], slots=2)

    assert places(queue, 2) == [0, 5000]


def test_gpus_are_dealt_evenly_among_those_who_wait() -> None:
    waiting = [group(account, *range(100 * account, 100 * account + 50)) for account in (1, 2, 3)]
    turns = order(Queue(waiting=waiting, slots=9), 9)

    assert Counter(turn.group.account for turn in turns) == {1: 3, 2: 3, 3: 3}


def test_who_holds_a_gpu_waits_for_who_holds_none() -> None:
    holding = Running(account=1, expected=USUAL, so_far_s=1.0)
    waiting = [group(1, 1), group(2, 2)]
    queue = Queue(waiting=waiting, running=[holding], used={2: 500.0}, slots=2)

    assert places(queue, 1) == [2]


def test_whoever_used_less_of_late_goes_first() -> None:
    waiting = [group(1, 1), group(2, 2), group(3, 3)]
    queue = Queue(waiting=waiting, used={1: 900.0, 2: 40.0, 3: 200.0})

    assert places(queue, 3) == [2, 3, 1]


def test_at_equal_use_what_counts_goes_first_and_use_within_a_run_is_equal() -> None:
    modes = (Mode.TEST, Mode.BENCHMARK, Mode.PROFILE, Mode.RANKED)
    waiting = [group(number, number, mode=mode) for number, mode in enumerate(modes)]
    used = {3: fairness.EQUAL_S - 1}

    assert places(Queue(waiting=waiting, used=used), 4) == [3, 1, 2, 0]


def test_whoever_has_waited_long_is_not_behind_the_modes_that_count_more() -> None:
    patient = group(1, 1, mode=Mode.TEST, waited_s=fairness.PATIENCE_S)

    assert places(Queue(waiting=[patient, group(2, 2)]), 1) == [1]


@pytest.mark.parametrize("weight", [2.0, 3.0])
def test_the_weight_of_a_competition_is_what_people_get_in_it(weight: float) -> None:
    heavy = group(1, *range(1000), weight=weight)
    light = group(2, *range(1000, 2000))
    got = _served([heavy, light], slots=1, runs=400)

    assert got[1] / got[2] == pytest.approx(weight, rel=0.1)


def test_two_who_always_have_something_waiting_share_evenly_whatever_their_runs_take() -> None:
    short = group(1, *range(1000))
    long = group(2, *range(1000, 2000), expected=LONG)
    got = _served([short, long], slots=1, runs=400)

    assert got[1] == pytest.approx(got[2], rel=0.15)


def _served(waiting: Sequence[Group], slots: int, runs: int) -> dict[int, float]:
    """GPU-seconds by account after so many runs, one after the other."""
    used: dict[int, float] = {}
    left = {item.account: list(item.places) for item in waiting}
    seconds: dict[int, float] = {}
    for _ in range(runs):
        groups = [replace(item, places=left[item.account]) for item in waiting]
        (turn,) = order(Queue(waiting=groups, used=used, slots=slots), 1)
        mine, took = turn.group.account, turn.group.expected.mean_s
        left[mine].remove(turn.place)
        seconds[mine] = seconds.get(mine, 0.0) + took
        used = {account: fairness.decayed(value, took) for account, value in used.items()}
        used[mine] = used.get(mine, 0.0) + took / turn.group.weight
    return seconds


def test_a_short_test_goes_before_a_long_run_while_tests_had_little() -> None:
    test = group(1, 2, mode=Mode.TEST)
    queue = Queue(waiting=[group(2, 1, expected=LONG), test], used={1: 5000.0}, lanes=BUSY)

    assert places(queue, 1) == [2]
    much = replace(BUSY, tests_s=BUSY.total_s * fairness.TEST_SHARE)
    assert places(replace(queue, lanes=much), 1) == [1]


def test_long_runs_leave_a_part_of_many_gpus_to_short_ones_while_people_test() -> None:
    long = Running(account=1, expected=LONG, so_far_s=5.0)
    queue = Queue(
        waiting=[group(1, *range(20), expected=LONG)], running=[long] * 6, slots=8, lanes=BUSY
    )

    assert places(queue, 2) == [0]
    assert places(replace(queue, waiting=[*queue.waiting, group(2, 90)]), 2) == [90, 0]
    assert places(replace(queue, lanes=Lanes(total_s=3600.0)), 2) == [0, 1]
    assert places(replace(queue, slots=3, running=[long]), 2) == [0, 1]


def test_what_is_measured_again_goes_last() -> None:
    again = group(1, 1, level=Level.AGAIN)

    assert places(Queue(waiting=[again, group(2, 2)], lanes=BUSY), 2) == [2, 1]


def test_what_is_measured_again_is_never_starved() -> None:
    lanes, first = Lanes(), None
    for count in range(200):
        waited_s = count * USUAL.mean_s
        again = group(999, 10_000, level=Level.AGAIN, waited_s=waited_s)
        waiting = [group(count, count), again]
        (turn,) = order(Queue(waiting=waiting, lanes=lanes), 1)
        if turn.group.level is Level.AGAIN:
            first = count
            break
        lanes = replace(lanes, total_s=lanes.total_s + USUAL.mean_s)

    assert first is not None
    assert first * USUAL.mean_s == pytest.approx(fairness.PATIENCE_S, abs=USUAL.mean_s)
    share = fairness.AGAIN_SHARE * 3600
    had = Lanes(total_s=3600, again_s=share)
    assert places(Queue(waiting=waiting, lanes=had), 1) != [10_000]


def test_what_is_measured_again_is_nobodys_turn() -> None:
    again = Running(account=1, expected=LONG, so_far_s=1.0, level=Level.AGAIN)
    queue = Queue(waiting=[group(1, 1), group(2, 2)], running=[again], slots=2)

    assert places(queue, 1) == [1]


def test_nobody_waits_for_ever_among_newcomers_who_never_end() -> None:
    """One test run of somebody who used much, and each time a run ends a newcomer with a ranked one."""
    used, now = 3000.0, 0.0
    while now < 8 * fairness.HALF_LIFE_S:
        poor = group(1, 0, mode=Mode.TEST, waited_s=now, expected=LONG)
        rich = group(2, round(now) + 1)
        left = fairness.decayed(used, now)
        if places(Queue(waiting=[poor, rich], used={1: left}), 1) == [0]:
            return
        now += USUAL.mean_s
    pytest.fail("it waits still")


def test_what_was_used_counts_half_after_a_half_life() -> None:
    assert fairness.decayed(100.0, fairness.HALF_LIFE_S) == pytest.approx(50.0)
    assert fairness.decayed(100.0, -5.0) == 100.0


def test_levels_follow_from_priorities() -> None:
    assert {fairness.level(value) for value in PRIORITY.values()} == {Level.USUAL}
    assert fairness.level(REPEAT_PRIORITY) is Level.AGAIN
    assert fairness.level(FIRST_PRIORITY) is Level.FIRST


def test_others_come_in_place_of_those_that_are_gone() -> None:
    queue = Queue(waiting=[group(1, 1, 2), group(2, 3), group(3, 4)], slots=1)

    assert [turn.place for turn in order(queue, 1, 3)] == [1, 2, 3, 4]
