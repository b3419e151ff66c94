"""Waits: honest ranges that only grow with what is ahead, and durations that learn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelbot.domain.waiting import UNKNOWN_MEAN_S, Duration, updated, wait

DURATIONS = st.builds(Duration, mean_s=st.floats(0.01, 600), deviation_s=st.floats(0, 600))
QUEUES = st.lists(DURATIONS, max_size=20)
BUSY = st.lists(st.tuples(DURATIONS, st.floats(0, 1000)), max_size=5)


@given(DURATIONS, QUEUES, BUSY, st.integers(1, 8))
def test_a_range_is_in_order_and_never_in_the_past(
    own: Duration, ahead: list[Duration], busy: list[tuple[Duration, float]], slots: int
) -> None:
    found = wait(own, ahead, busy, slots)

    assert found.start_low_s is not None
    assert found.start_high_s is not None
    assert found.finish_low_s is not None
    assert found.finish_high_s is not None
    assert 0 <= found.start_low_s <= found.start_high_s
    assert found.start_low_s <= found.finish_low_s <= found.finish_high_s
    assert found.start_high_s <= found.finish_high_s
    assert (found.position, found.ahead) == (len(ahead) + 1, len(ahead))


@given(DURATIONS, QUEUES, BUSY, st.integers(1, 8), DURATIONS)
def test_one_more_ahead_never_promises_an_earlier_start(
    own: Duration,
    ahead: list[Duration],
    busy: list[tuple[Duration, float]],
    slots: int,
    more: Duration,
) -> None:
    less, longer = wait(own, ahead, busy, slots), wait(own, [*ahead, more], busy, slots)

    assert less.start_low_s is not None
    assert longer.start_low_s is not None
    assert less.start_high_s is not None
    assert longer.start_high_s is not None
    assert longer.start_low_s >= less.start_low_s - 1e-6
    assert longer.start_high_s >= less.start_high_s - 1e-6


@given(DURATIONS, QUEUES, BUSY)
def test_without_a_live_worker_there_is_a_place_but_no_time(
    own: Duration, ahead: list[Duration], busy: list[tuple[Duration, float]]
) -> None:
    found = wait(own, ahead, busy, 0)

    assert found.position == len(ahead) + 1
    assert found.start_low_s is found.start_high_s is None
    assert found.finish_low_s is found.finish_high_s is None


def test_a_free_slot_means_now() -> None:
    found = wait(Duration(mean_s=10, deviation_s=1), [], [(Duration(mean_s=9), 1.0)], 2)

    assert (found.start_low_s, found.start_high_s) == (0.0, 0.0)


def test_what_runs_longer_than_usual_does_not_make_the_wait_negative() -> None:
    slow = Duration(mean_s=5, deviation_s=0)
    found = wait(slow, [slow], [(slow, 500.0)], 1)

    assert found.start_low_s == pytest.approx(5.0)


def test_a_leaderboard_nobody_has_run_gets_a_wide_range() -> None:
    found = wait(Duration(), [Duration()], [], 1)

    assert found.start_high_s is not None
    assert found.start_low_s is not None
    assert found.start_high_s - found.start_low_s > UNKNOWN_MEAN_S


@given(st.floats(0.1, 1000), st.floats(0.1, 1000))
def test_durations_converge_to_what_runs_take_now(first: float, then: float) -> None:
    known = updated(Duration(), first)
    for _ in range(400):
        known = updated(known, then)

    assert known.mean_s == pytest.approx(then, rel=0.02, abs=0.02 * first)
    assert known.count == 401


@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=50))
def test_the_mean_stays_within_what_was_seen_and_the_deviation_is_real(seen: list[float]) -> None:
    known = Duration()
    for seconds in seen:
        known = updated(known, seconds)

    assert min(seen) - 1e-6 <= known.mean_s <= max(seen) + 1e-6
    assert known.deviation_s >= 0
