"""Scores: the three ways to make one of many times, their errors, and pooling of repeats."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelbot.domain.scoring import ERROR_FLOOR, Score, Scoring, apart, pool, score, share
from tests.factories import make_measurement

TIMES = st.lists(st.floats(1, 1e12), min_size=1, max_size=12)
SCORES = st.lists(
    st.builds(Score, seconds=st.floats(1e-9, 1e4), error=st.floats(ERROR_FLOOR, 0.5)),
    min_size=1,
    max_size=12,
)


def test_geom_is_the_geometric_mean_in_seconds() -> None:
    found = score([make_measurement(1e6), make_measurement(4e6)], Scoring.GEOM)

    assert found.seconds == pytest.approx(2e-3)


def test_mean_is_the_arithmetic_mean() -> None:
    found = score([make_measurement(1e6), make_measurement(4e6)], Scoring.MEAN)

    assert found.seconds == pytest.approx(2.5e-3)


def test_last_is_the_last_case_alone() -> None:
    cases = [make_measurement(1e6, error=0.3), make_measurement(4e6, error=0.01)]
    found = score(cases, Scoring.LAST)

    assert found.seconds == pytest.approx(4e-3)
    assert found.error == pytest.approx(0.01)


@given(TIMES, st.sampled_from(Scoring))
def test_a_score_lies_between_the_fastest_and_the_slowest_case(
    times: list[float], scoring: Scoring
) -> None:
    found = score([make_measurement(ns) for ns in times], scoring)

    assert min(times) * 1e-9 * (1 - 1e-9) <= found.seconds <= max(times) * 1e-9 * (1 + 1e-9)
    assert found.low <= found.seconds <= found.high


@given(TIMES, st.sampled_from(Scoring), st.floats(0, 1))
def test_an_error_is_never_below_what_processes_differ_by_nor_above_the_worst_case(
    times: list[float], scoring: Scoring, error: float
) -> None:
    found = score([make_measurement(ns, error=error) for ns in times], scoring)

    assert ERROR_FLOOR <= found.error <= max(ERROR_FLOOR, error) * (1 + 1e-9)


@given(TIMES, st.floats(1e-3, 1e3))
def test_a_machine_that_is_slower_by_a_factor_gives_scores_slower_by_that_factor(
    times: list[float], factor: float
) -> None:
    for scoring in Scoring:
        one = score([make_measurement(ns) for ns in times], scoring)
        other = score([make_measurement(ns * factor) for ns in times], scoring)
        assert other.seconds == pytest.approx(one.seconds * factor)


@pytest.mark.parametrize("ns", [0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize("scoring", list(Scoring))
def test_a_time_that_is_no_time_is_refused_wherever_it_stands(ns: float, scoring: Scoring) -> None:
    with pytest.raises(ValueError, match="not positive and finite"):
        score([make_measurement(ns), make_measurement()], scoring)


def test_a_run_without_measurements_has_no_score() -> None:
    with pytest.raises(ValueError, match="without measurements"):
        score([], Scoring.GEOM)


@given(SCORES)
def test_a_pool_lies_between_its_runs_and_counts_them(scores: list[Score]) -> None:
    found = pool(scores)

    low, high = min(item.seconds for item in scores), max(item.seconds for item in scores)
    assert low * (1 - 1e-9) <= found.seconds <= high * (1 + 1e-9)
    assert found.runs == len(scores)


@given(st.floats(1e-9, 1e4), st.floats(ERROR_FLOOR, 0.5), st.integers(1, 30))
def test_more_runs_with_the_same_time_never_widen_the_error(
    seconds: float, error: float, count: int
) -> None:
    one = Score(seconds=seconds, error=error)

    assert pool([one] * (count + 1)).error <= pool([one] * count).error * (1 + 1e-6)


def test_runs_far_apart_widen_the_error_beyond_what_each_believed() -> None:
    found = pool([Score(seconds=1e-6, error=0.0015), Score(seconds=1.2e-6, error=0.0015)])

    assert found.error > 0.05


def test_another_run_lies_as_far_off_as_both_errors_together_make_it() -> None:
    once = [Score(seconds=1.0, error=0.003)]

    assert apart(once, Score(seconds=math.exp(0.015), error=0.004)) == pytest.approx(3)
    assert apart(once, Score(seconds=math.exp(-0.015), error=0.004)) == pytest.approx(-3)


def test_another_run_may_lie_as_far_off_as_the_earlier_ones_lie_apart() -> None:
    sure = Score(seconds=1.1, error=0.0015)
    alike = [Score(seconds=seconds, error=0.0015) for seconds in (1.0, 1.0, 1.0)]
    far = [Score(seconds=seconds, error=0.0015) for seconds in (0.95, 1.0, 1.05)]

    assert apart(alike, sure) > 50
    assert apart(far, sure) < 3


def test_nothing_cannot_be_pooled() -> None:
    with pytest.raises(ValueError, match="nothing"):
        pool([])


# --- by the speed of light ------------------------------------------------------------------------

BOUNDED = st.lists(
    st.tuples(st.floats(1, 1e12), st.floats(1e-9, 1e3) | st.none()), min_size=1, max_size=12
)


@given(BOUNDED)
def test_by_speed_of_light_no_case_counts_for_less_than_its_bound(
    cases: list[tuple[float, float | None]],
) -> None:
    times, bounds = [ns for ns, _ in cases], [bound for _, bound in cases]
    found = score([make_measurement(ns) for ns in times], Scoring.SPEED_OF_LIGHT, bounds)

    held = [max(ns * 1e-9, bound or 0.0) for ns, bound in cases]
    geometric = score([make_measurement(value * 1e9) for value in held], Scoring.GEOM)
    assert found.seconds == pytest.approx(geometric.seconds)
    fraction = share(found.seconds, Scoring.SPEED_OF_LIGHT, bounds)
    assert (fraction is None) == (None in bounds)
    assert fraction is None or 0 < fraction <= 1 + 1e-9


def test_one_impossible_case_cannot_lift_the_others() -> None:
    honest = score([make_measurement(2e3), make_measurement(2e3)], Scoring.SPEED_OF_LIGHT, [1e-6, 1e-6])  # fmt: skip
    broken = score([make_measurement(1), make_measurement(2e3)], Scoring.SPEED_OF_LIGHT, [1e-6, 1e-6])  # fmt: skip

    assert share(honest.seconds, Scoring.SPEED_OF_LIGHT, [1e-6, 1e-6]) == pytest.approx(0.5)
    assert share(broken.seconds, Scoring.SPEED_OF_LIGHT, [1e-6, 1e-6]) == pytest.approx(0.5**0.5)


def test_without_bounds_the_score_by_speed_of_light_is_the_geometric_mean() -> None:
    times = [make_measurement(1e6), make_measurement(4e6)]

    assert score(times, Scoring.SPEED_OF_LIGHT) == score(times, Scoring.GEOM)
    assert share(2e-3, Scoring.SPEED_OF_LIGHT, []) is None


def test_bounds_must_be_one_for_each_case() -> None:
    with pytest.raises(ValueError, match=r"shorter|longer"):
        score([make_measurement()], Scoring.SPEED_OF_LIGHT, [1e-6, 1e-6])


@pytest.mark.parametrize(
    ("scoring", "seconds", "wanted"),
    [
        (Scoring.GEOM, 4e-3, 0.5),
        (Scoring.MEAN, 5e-3, 0.5),
        (Scoring.LAST, 8e-3, 0.5),
        (Scoring.SPEED_OF_LIGHT, 2e-3, 1.0),
    ],
)
def test_a_share_holds_a_score_against_the_bounds_scored_the_same_way(
    scoring: Scoring, seconds: float, wanted: float
) -> None:
    assert share(seconds, scoring, [1e-3, 4e-3]) == pytest.approx(wanted)


def test_a_share_needs_the_bounds_of_the_cases_that_count_and_of_no_others() -> None:
    assert share(1.0, Scoring.GEOM, [None, 0.5]) is None
    assert share(1.0, Scoring.LAST, [None, 0.5]) == 0.5
