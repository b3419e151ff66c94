"""The estimate, its error, and the rules by which sampling stops."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelbot.judge import stats, timing
from kernelbot.judge.timing import Overhead, Plan

positive = st.lists(st.floats(min_value=1.0, max_value=1e12), min_size=1, max_size=100)


@pytest.mark.parametrize(
    ("p", "freedom", "expected"),
    [(0.975, 1, 12.7062), (0.975, 2, 4.30265), (0.975, 3, 3.18245), (0.975, 10, 2.22814),
     (0.975, 100, 1.98397), (0.99375, 5, 3.81), (0.99375, 47, 2.6)],
)  # fmt: skip
def test_t_quantiles_agree_with_the_printed_tables(p: float, freedom: int, expected: float) -> None:
    assert stats.t_quantile(p, freedom) == pytest.approx(expected, rel=0.005)


@pytest.mark.parametrize(("p", "freedom"), [(0.5, 3), (1.0, 3), (0.9, 0)])
def test_a_t_quantile_that_does_not_exist_is_refused(p: float, freedom: int) -> None:
    with pytest.raises(ValueError, match="no t quantile"):
        stats.t_quantile(p, freedom)


@given(positive)
def test_an_estimate_lies_between_the_smallest_and_the_largest_sample(samples: list[float]) -> None:
    found = stats.estimate(samples)
    assert min(samples) * (1 - 1e-9) <= found.center <= max(samples) * (1 + 1e-9)
    assert found.stderr >= 0


@given(positive, st.floats(min_value=0.01, max_value=100))
def test_an_estimate_scales_with_its_samples(samples: list[float], factor: float) -> None:
    plain, scaled = stats.estimate(samples), stats.estimate([factor * x for x in samples])
    assert scaled.center == pytest.approx(factor * plain.center)


def test_a_few_outliers_do_not_move_the_estimate() -> None:
    generator = random.Random(7)
    samples = [100 * math.exp(generator.gauss(0, 0.01)) for _ in range(60)]
    spoiled = samples[:50] + [100_000.0] * 10
    assert stats.estimate(spoiled).center == pytest.approx(100, rel=0.02)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    generator = random.Random(11)
    hits = 0
    for _ in range(400):
        samples = [100 * math.exp(generator.gauss(0, 0.05)) for _ in range(24)]
        found = stats.estimate(samples)
        hits += abs(found.center - 100) <= found.half_width()
    assert hits >= 0.92 * 400


def test_drift_widens_the_error() -> None:
    generator = random.Random(3)
    steady = [100 * math.exp(generator.gauss(0, 0.01)) for _ in range(64)]
    drifting = [x * (1.1 if at >= 32 else 1.0) for at, x in enumerate(steady)]
    shuffled = random.Random(5).sample(drifting, len(drifting))
    assert stats.estimate(drifting).stderr > stats.estimate(shuffled).stderr


@pytest.mark.parametrize("samples", [[], [0.0], [-1.0], [math.nan], [math.inf]])
def test_samples_that_are_no_times_are_refused(samples: list[float]) -> None:
    with pytest.raises(ValueError, match="positive and finite"):
        stats.estimate(samples)


def test_sampling_stops_at_a_look_when_the_interval_is_narrow() -> None:
    plan = Plan()
    assert not timing.enough([100.0] * 7, plan, 0.1)
    assert timing.enough([100.0] * 8, plan, 0.1)
    assert not timing.enough([50.0, 150.0] * 4, plan, 0.1)


def test_an_interval_that_is_narrow_enough_in_nanoseconds_ends_sampling() -> None:
    samples = [3_000.0, 3_100.0] * 8
    plan = Plan(looks=(16, 32), target=0.004)
    assert not timing.enough(samples, plan, 0.1)
    assert timing.enough(samples, replace(plan, finest_ns=80.0), 0.1)
    assert not timing.enough(samples, replace(plan, finest_ns=20.0), 0.1)


def test_sampling_between_looks_goes_on_however_narrow_the_interval() -> None:
    assert not timing.enough([100.0] * 9, Plan(), 0.1)


def test_a_slow_kernel_gets_few_samples_but_never_fewer_than_three() -> None:
    plan = Plan(wall_s=1.0)
    assert not timing.enough([1e9, 2e9], plan, 60.0)
    assert timing.enough([1e9, 2e9, 1e9], plan, 3.0)


def test_sampling_ends_at_the_last_look() -> None:
    assert timing.enough([50.0, 150.0] * 32, Plan(), 0.1)


def test_the_overhead_of_an_empty_call_is_subtracted() -> None:
    found = timing.measurement([1000.0] * 16, Overhead(ns=200.0, resolution_ns=5.0))
    assert found.ns == pytest.approx(800)
    assert found.low_ns <= found.ns <= found.high_ns
    assert found.samples == 16


@given(positive, st.floats(min_value=0, max_value=1e12))
def test_a_measurement_is_never_zero_or_negative(samples: list[float], overhead: float) -> None:
    found = timing.measurement(samples, Overhead(ns=overhead))
    assert found.ns > 0
    assert found.low_ns > 0
    assert found.best_ns > 0


def test_a_time_below_the_resolution_says_so() -> None:
    found = timing.measurement([1000.0] * 16, Overhead(ns=999.0, resolution_ns=50.0))
    assert found.ns == 50
    assert any("resolve" in warning for warning in found.warnings)


def test_device_events_count_only_where_the_outside_clock_agrees() -> None:
    outside = timing.measurement([100_000.0] * 16, Overhead())
    near = timing.measurement([99_000.0] * 16, Overhead(), clock="device")
    far = timing.measurement([50_000.0] * 16, Overhead(), clock="device")
    assert timing.agree(near, outside, gated=True)
    assert not timing.agree(far, outside, gated=True)


def test_without_a_gate_events_are_bounded_from_outside() -> None:
    outside = timing.measurement([10_000_000.0] * 16, Overhead())
    hidden = timing.measurement([1_000.0] * 16, Overhead(), clock="device")
    plausible = timing.measurement([9_000_000.0] * 16, Overhead(), clock="device")
    assert not timing.agree(hidden, outside, gated=False)
    assert timing.agree(plausible, outside, gated=False)
