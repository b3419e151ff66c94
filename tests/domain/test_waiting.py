"""Durations that learn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelbot.domain.waiting import Duration, updated


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
