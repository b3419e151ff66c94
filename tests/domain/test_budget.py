"""Allowances in GPU-seconds: an hour leaves a day after it began, and refusals say when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelbot.domain import budget
from kernelbot.errors import RateLimited

NOW = datetime(2026, 5, 2, 12, 30, tzinfo=UTC)


def hour(ago: int, seconds: float) -> tuple[datetime, float]:
    return NOW.replace(minute=0) - timedelta(hours=ago), seconds


def test_what_is_older_than_a_day_counts_no_more() -> None:
    found = budget.balance("H100", 100, [hour(24, 500), hour(23, 30), hour(0, 20)], 10, NOW)

    assert (found.used_s, found.left_s, found.more_at) == (50, 40, None)


def test_the_hour_that_frees_something_is_named() -> None:
    found = budget.balance("H100", 100, [hour(20, 10), hour(10, 60), hour(1, 90)], 0, NOW)

    assert found.left_s == 0
    assert found.more_at == NOW.replace(minute=0) + timedelta(hours=14)


def test_what_is_under_way_alone_is_waited_for() -> None:
    found = budget.balance("H100", 100, [hour(1, 10)], 240, NOW)

    assert found.more_at == NOW + timedelta(seconds=240)


@given(
    st.floats(0, 1e5), st.lists(st.tuples(st.integers(0, 40), st.floats(0, 1e4))), st.floats(0, 1e4)
)
def test_when_more_is_free_is_to_come_and_true(
    limit: float, used: list[tuple[int, float]], reserved: float
) -> None:
    hours = [hour(ago, seconds) for ago, seconds in used]
    found = budget.balance("H100", limit, hours, reserved, NOW)

    assert (found.more_at is None) == (found.used_s + found.reserved_s < limit)
    if found.more_at is not None:
        assert found.more_at > NOW
        if reserved < limit:
            later = budget.balance("H100", limit, hours, reserved, found.more_at)
            assert later.more_at is None or later.more_at > found.more_at


def test_the_refusal_says_what_why_and_when_again() -> None:
    free = budget.balance("T4", 100, [], 0, NOW)
    used_up = budget.balance("H100", 100, [hour(3, 130)], 20, NOW)
    budget.demand("spring", [free], NOW)

    with pytest.raises(RateLimited) as caught:
        budget.demand("spring", [free, used_up], NOW)

    refusal = caught.value
    assert "130 of 100 GPU-seconds that spring allows on H100" in refusal.message
    assert "2026-05-03 09:00 UTC" in refusal.message
    assert refusal.retry_after_s == int(20.5 * 3600)
    assert (refusal.code, refusal.detail["gpu"]) == ("over_gpu_seconds", "H100")


def test_a_limit_is_for_the_gpu_that_is_named_or_for_each() -> None:
    limits = {"H100": 60.0, budget.EVERY_GPU: 600.0}

    assert budget.limit(limits, "H100") == 60
    assert budget.limit(limits, "T4") == 600
    assert budget.limit({"H100": 60.0}, "T4") is None
