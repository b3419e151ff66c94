"""From what two clocks saw to a time, a warning or evidence; and how sampling and memory serve it."""

from __future__ import annotations

import hashlib
import math
import mmap
import os
import random
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from kernelbot.judge import channel, deck, stats, timing
from kernelbot.judge.deck import HostDeck, Secrets
from kernelbot.judge.inside import gates, kernels
from kernelbot.judge.inside.data import view
from kernelbot.judge.inside.driver import NoRoom
from kernelbot.judge.measuring import Decoyed, charged, room_for_us
from kernelbot.judge.page import Page, cores_beside, on_one_core, stuck, time_gated
from kernelbot.judge.process import Failure, Sample, lack, patience_ns
from kernelbot.judge.protocol import Measurement, Mode, VerdictKind
from kernelbot.judge.timing import CUDA_PLAN, Overhead, Series
from tests.judge import bench

HONEST = """
import torch
def custom_kernel(data):
    return torch.add(data[0], data[1])
"""
OUTSIDE = Overhead(ns=18_000.0, stderr_ns=50.0, resolution_ns=360.0)
CLAIMED = Overhead(ns=2_100.0, stderr_ns=5.0, resolution_ns=55.0)


def a_series(
    true_ns: float = 90_000.0,
    *,
    count: int = 24,
    claim: float = 1.0,
    jitter_ns: float = 400.0,
    outliers: float = 0.0,
    late: int = 0,
    seed: int = 1,
) -> Series:
    """An honest process, unless ``claim`` is not 1: the share of the time that its events admit."""
    chance = random.Random(seed)
    series = Series(outside_overhead=OUTSIDE, claimed_overhead=CLAIMED)
    for at in range(count):
        call = true_ns * math.exp(chance.gauss(0, 0.003))
        outside = call + OUTSIDE.ns + chance.gauss(0, jitter_ns)
        if chance.random() < outliers:
            outside += chance.uniform(5_000, 500_000)
        series.add(outside, claim * call + CLAIMED.ns, at < late)
    return series


# --- two clocks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("true_ns", [1_500.0, 20_000.0, 400_000.0])
def test_events_give_the_digits_where_the_outside_clock_agrees(true_ns: float) -> None:
    (found,) = timing.decide([a_series(true_ns)], gated=True)
    assert found.clock == "device"
    assert found.ns == pytest.approx(true_ns, rel=0.01)


@pytest.mark.parametrize("claim", [0.0, 0.5, 0.97, 1.2])
def test_the_outside_clock_decides_where_events_differ(claim: float) -> None:
    runs = [a_series(claim=claim, seed=at) for at in range(3)]
    for found in timing.decide(runs, gated=True):
        assert found.clock == "host"
        assert found.ns == pytest.approx(90_000, rel=0.01)
        assert any("disagree" in warning for warning in found.warnings)


def test_events_that_are_longer_by_the_outside_clocks_own_error_are_believed() -> None:
    series = a_series(1_400.0)
    series.outside = [outside - 600 for outside in series.outside]  # its zero is off
    (found,) = timing.decide([series], gated=True)
    assert found.clock == "device"
    assert found.ns == pytest.approx(1_400, rel=0.01)


def test_events_are_believed_where_a_busy_host_had_too_much_subtracted_from_the_outside_clock() -> (
    None
):
    series = a_series()
    series.outside = [outside - 4_500 for outside in series.outside]
    (found,) = timing.decide([series], gated=True)
    assert found.clock == "device"
    assert found.ns == pytest.approx(90_000, rel=0.01)


@pytest.mark.parametrize("claim", [1.0, math.nan])
def test_a_process_whose_empty_calls_met_a_busy_host_is_not_better_for_it(claim: float) -> None:
    runs = [a_series(claim=claim, seed=at) for at in range(3)]
    runs[1].outside_overhead = Overhead(ns=OUTSIDE.ns + 60_000, stderr_ns=9e4, resolution_ns=9e4)
    for found in timing.decide(runs, gated=True):
        assert found.ns == pytest.approx(90_000, rel=0.04)
    assert timing.contradictions([replace(run, claimed=[9_000.0] * 24) for run in runs])


def test_events_of_one_process_that_differ_cost_all_of_them_the_fine_digits() -> None:
    runs = [a_series(), a_series(claim=0.9), a_series()]
    assert {found.clock for found in timing.decide(runs, gated=True)} == {"host"}


@pytest.mark.parametrize("claim", [0.0, 0.5, 0.9])
def test_events_that_claim_less_than_the_outside_clock_allows_are_evidence(claim: float) -> None:
    runs = [a_series(claim=claim, seed=at) for at in range(3)]
    assert "hidden" in timing.contradictions(runs)


@pytest.mark.parametrize("claim", [1.0, 1.1])
def test_honest_and_slow_events_are_no_evidence(claim: float) -> None:
    assert timing.contradictions([a_series(claim=claim)]) == ""


def test_noise_that_a_submission_makes_itself_gets_no_forged_events_believed() -> None:
    runs = [a_series(claim=0.3, count=3, seed=at) for at in range(3)]
    for run in runs:
        run.outside[1] += 4 * 90_000
    for found in timing.decide(runs, gated=True):
        assert found.ns > 80_000


def test_a_host_that_becomes_busy_behind_the_first_empty_calls_accuses_nobody() -> None:
    runs = [a_series(seed=at) for at in range(3)]
    for run in runs:
        run.outside = [outside + 6_000 for outside in run.outside]
    for run in runs[1:]:
        run.outside_overhead = replace(OUTSIDE, ns=OUTSIDE.ns + 6_000)
    assert timing.contradictions(runs) == ""


def test_noise_of_the_outside_clock_alone_never_accuses_anybody() -> None:
    for seed in range(300):
        noisy = a_series(3_000.0, jitter_ns=1_500.0, outliers=0.5, seed=seed)
        assert noisy.contradiction() == ""


def test_noise_accuses_nobody_of_three_processes_with_the_fewest_samples() -> None:
    for seed in range(0, 900, 3):
        fewest = [
            a_series(3_000.0, jitter_ns=1_500.0, outliers=0.5, seed=at, count=timing.PROOF_SAMPLES)
            for at in range(seed, seed + 3)
        ]
        assert timing.contradictions(fewest) == ""


def test_processes_that_differ_ask_for_another_unless_they_wait_for_the_host() -> None:
    def wanted(late: int) -> bool:
        runs = [[a_series(ns, late=late) for ns in (60_000.0, 90_000.0, 150_000.0)]]
        return timing.unsure(runs, timing.CUDA_PLAN, gated=True)

    assert wanted(late=0)
    assert not wanted(late=20)


@pytest.mark.parametrize(("claim", "accused"), [(0.92, False), (0.5, True)])
def test_ranks_that_begin_at_different_times_accuse_nobody(claim: float, accused: bool) -> None:
    runs = [replace(a_series(claim=claim, seed=at), skew_ns=timing.SKEW_NS) for at in range(3)]
    assert bool(timing.contradictions(runs)) is accused
    assert timing.contradictions([replace(run, skew_ns=0.0) for run in runs])


def test_one_process_alone_accuses_nobody_of_three() -> None:
    runs = [a_series(claim=0.5), a_series(), a_series()]
    assert timing.contradictions(runs) == ""


def test_what_one_process_of_three_says_is_told_to_who_looks_at_the_run() -> None:
    honest, lying = [a_series(seed=at) for at in range(2)], a_series(claim=0.5)
    assert "are hidden" in timing.doubts([*honest, lying])
    assert timing.doubts(honest) == ""


@pytest.mark.parametrize("claim", [math.nan, 0.0])
def test_a_clock_that_falls_silent_once_the_submission_runs_is_evidence(claim: float) -> None:
    runs = [a_series(seed=at) for at in range(3)]
    for run in runs:
        run.claimed[7] = claim
    assert "no time in 1 of 24 calls" in timing.contradictions(runs)
    for run in runs:
        run.claimed_overhead = Overhead()  # it never spoke
    assert timing.contradictions(runs) == ""


def test_few_samples_accuse_nobody() -> None:
    assert a_series(claim=0.0, count=timing.PROOF_SAMPLES - 1).contradiction() == ""


def test_calls_that_wait_for_the_host_are_timed_from_outside_and_accuse_nobody() -> None:
    bound = a_series(claim=0.5, late=20)
    (found,) = timing.decide([bound], gated=True)
    assert found.clock == "host"
    assert any("host-bound: 20 of 24" in warning for warning in found.warnings)
    assert timing.contradictions([bound]) == ""


# --- calls whose input came late ------------------------------------------------------------------


def with_decoys(extra_ns: float, count: int, **changes: Any) -> timing.Series:
    series = a_series(**changes)
    usual = series.outside[: count or 1]
    series.revealed = [(ns + extra_ns, series.host_bound) for ns in usual[:count]]
    return series


@pytest.mark.parametrize("extra_ns", [-3_000.0, 0.0, 2_000.0])
def test_calls_that_take_no_longer_when_their_input_comes_late_accuse_nobody(
    extra_ns: float,
) -> None:
    assert timing.foresights([with_decoys(extra_ns, timing.REVEALED)] * 3) == ""


def test_calls_that_all_take_longer_when_their_input_comes_late_are_evidence_of_any_process() -> (
    None
):
    runs = [with_decoys(0, 2), with_decoys(60_000.0, timing.REVEALED), with_decoys(0, 2)]
    assert "given their input as the clock started" in timing.foresights(runs)


def test_one_quick_call_whose_input_came_late_clears_all_others() -> None:
    series = with_decoys(60_000.0, timing.REVEALED)
    series.revealed[3] = (series.outside[0], False)
    assert timing.foresights([series]) == ""


@pytest.mark.parametrize("true_ns", [3_000.0, 50_000.0])
def test_a_host_that_was_busy_as_empty_calls_were_timed_accuses_nobody(true_ns: float) -> None:
    series = a_series(true_ns, jitter_ns=100.0)
    series.outside_overhead = replace(OUTSIDE, ns=OUTSIDE.ns + 220_000)
    series.revealed = [(ns + 1_500, False) for ns in series.outside[: timing.REVEALED]]
    assert series.foresight() == ""


def test_fewer_than_several_such_calls_ask_for_more_and_accuse_nobody() -> None:
    series = with_decoys(60_000.0, timing.REVEALED - 1)
    assert series.foreseen() > 0
    assert timing.foresights([series]) == ""


def test_calls_that_wait_for_the_host_are_compared_with_their_like() -> None:
    assert with_decoys(0, timing.REVEALED, late=24).foresight() == ""
    assert with_decoys(200_000.0, timing.REVEALED, late=24).foresight()


def test_calls_that_are_late_now_and_then_hide_no_head_start_of_the_others() -> None:
    series = a_series(late=10)
    for at in range(10, len(series.outside)):
        series.outside[at] -= 60_000
    series.revealed = [(series.outside[at], True) for at in range(3)]
    series.revealed += [(ns, False) for ns, _ in series.revealed]
    kept = series.without_late(CUDA_PLAN.min_samples)
    assert kept.foreseen() or kept.by_outside().ns > 80_000


def test_a_head_start_in_fewer_than_half_of_the_calls_is_evidence_too() -> None:
    series = with_decoys(0.0, timing.REVEALED)
    for at in range(timing.REVEALED, timing.REVEALED + 11):
        series.outside[at] -= 60_000
    assert series.foresight()


def test_what_a_device_takes_to_run_again_is_held_against_empty_calls_and_bounded() -> None:
    assert timing.longest_lag([110_000, 120_000, 140_000]) == 140_000 + timing.LAG_NS
    # One that met a busy host excuses nothing.
    assert timing.longest_lag([140_000, 140_000, 9_400_000]) == (
        timing.LAG * 140_000 + timing.LAG_NS
    )
    assert timing.longest_lag([10**9]) == timing.LONGEST_LAG_NS + timing.LAG_NS


def test_calls_that_are_late_whenever_their_input_is_are_evidence() -> None:
    series = a_series(late=2)
    series.revealed = [(series.outside[0], True)] * timing.MOST_REVEALED
    assert "not enqueued" in series.foresight()
    series.revealed = [(series.outside[0], False)] * timing.MOST_REVEALED
    assert series.foresight() == ""


def test_calls_that_are_late_but_where_their_input_is_are_evidence() -> None:
    series = a_series(late=24)
    series.revealed = [(series.outside[0], False)] * timing.MOST_REVEALED
    assert "were enqueued by then" in series.foresight()
    assert "were enqueued by then" in series.without_late(CUDA_PLAN.min_samples).foresight()
    # Of those that are late in a third of all calls hardly any may be, by chance.
    some = a_series(late=8)
    some.revealed = [(90_000.0, at < 3) for at in range(timing.MOST_REVEALED)]
    assert some.host_bound
    assert some.without_late(CUDA_PLAN.min_samples).foresight() == ""


def test_calls_that_are_late_now_and_then_are_given_twice_as_many_decoys() -> None:
    series, tried = a_series(late=8), 0
    decoyed = Decoyed(timing.CUDA_PLAN, series)
    while decoyed.due(0.1):
        if decoyed.drawn(0.1):
            series.revealed.append((series.outside[0] + 60_000.0, tried % 10 == 0))
            tried += 1
    assert tried == 2 * timing.MOST_REVEALED
    assert len(series.comparable) == 5


def test_time_is_not_up_before_a_decoy_has_been_seen_to_make_no_difference() -> None:
    series = a_series()
    decoyed = Decoyed(timing.CUDA_PLAN, series)
    assert not decoyed.clear
    assert decoyed.drawn(elapsed_s=9.0)  # the first one is certain then
    series.revealed.append((series.outside[0], False))
    assert decoyed.clear
    series.revealed[0] = (series.outside[0] + 60_000.0, False)
    assert not decoyed.clear


def calls_with_decoys(series: timing.Series, calls: int, elapsed_s: float = 0.1) -> list[int]:
    """Which of so many calls of a case have one; each is as long as the usual, or as ``series`` says."""
    extra = series.revealed[0][0] if series.revealed else 0.0
    series.revealed = []
    decoyed, at, found = Decoyed(timing.CUDA_PLAN, series), 0, []
    while at < calls or decoyed.due(elapsed_s):
        if decoyed.drawn(elapsed_s):
            found.append(at)
            series.revealed.append((series.outside[0] + extra, False))
        at += 1
    return found


def test_where_the_decoys_are_among_the_first_calls_cannot_be_foretold() -> None:
    places = {tuple(calls_with_decoys(a_series(), 8)) for _ in range(200)}
    assert {len(found) for found in places} == {timing.CUDA_PLAN.decoys}
    assert set().union(*places) == set(range(8))
    assert len(places) > 20


def test_calls_that_took_longer_behind_a_decoy_are_repeated_until_there_are_several() -> None:
    series = a_series()
    series.revealed = [(60_000.0, False)]
    assert len(calls_with_decoys(series, 8)) == timing.REVEALED


def test_calls_that_were_late_behind_a_decoy_are_made_up_for() -> None:
    series = a_series()
    decoyed, found = Decoyed(timing.CUDA_PLAN, series), 0
    while decoyed.due(0.1):
        if decoyed.drawn(0.1):
            series.revealed.append((series.outside[0], found < 2))
            found += 1
    assert found == 2 + timing.CUDA_PLAN.decoys


def test_decoys_that_cannot_be_had_end_no_sooner_and_no_later_than_after_several_attempts() -> None:
    decoyed, found = Decoyed(timing.CUDA_PLAN, a_series()), 0
    while decoyed.due(0.1):
        found += decoyed.drawn(0.1)
    assert found == timing.MOST_REVEALED


def test_a_case_that_has_used_up_its_time_ends_after_one_decoy() -> None:
    assert len(calls_with_decoys(a_series(), 1, elapsed_s=9.0)) == 1


def test_a_few_late_calls_are_left_out() -> None:
    series = a_series(late=3)
    series.outside[:3] = [1e9] * 3
    kept = series.without_late(3)
    assert len(kept.outside) == len(kept.claimed) == 21
    assert kept.by_outside().worst_ns < 1e6
    assert not any("host-bound" in warning for warning in kept.by_device().warnings)


def test_a_device_without_a_clock_of_its_own_is_timed_from_outside() -> None:
    series = a_series(claim=math.nan)
    assert not series.has_claims
    assert timing.decide([series], gated=True)[0].clock == "host"
    assert series.finest == (series.outside, OUTSIDE)


def test_a_time_under_the_physical_floor_is_evidence_and_one_near_it_is_not() -> None:
    (found,) = timing.decide([a_series()], gated=True)
    assert "floor" in timing.below(found, 100_000.0)
    assert timing.below(found, 89_900.0) == ""
    assert timing.below(found, 0.0) == ""


# --- several processes ---------------------------------------------------------------------------


def measured(ns: float, error: float = 0.001) -> Measurement:
    return Measurement(
        ns=ns, low_ns=ns * (1 - 2 * error), high_ns=ns * (1 + 2 * error), stderr_ns=ns * error,
        best_ns=ns * 0.99, worst_ns=ns * 1.02, samples=24, clock="device", sm_mhz=1980.0, watts=200.0,
    )  # fmt: skip


def test_the_processes_of_a_case_become_one_measurement() -> None:
    (found,) = timing.combine([[measured(99.0), measured(100.0), measured(101.0)]])
    assert found.ns == pytest.approx(100, rel=1e-3)
    assert (found.processes, found.samples, found.clock) == (3, 72, "device")
    assert (found.sm_mhz, found.watts) == (1980.0, 200.0)
    assert found.best_ns == pytest.approx(98.01)
    assert found.low_ns < 99.5 < 100.5 < found.high_ns


def test_one_process_is_taken_as_it_is() -> None:
    one = measured(100.0)
    assert timing.combine([[one]]) == [one]


def test_the_error_is_at_least_what_each_process_saw_of_itself() -> None:
    (found,) = timing.combine([[measured(100.0, error=0.03)] * 3])
    assert found.stderr_ns == pytest.approx(3 / 3**0.5, rel=1e-6)


def test_the_interval_over_processes_covers_the_truth_as_often_as_it_says() -> None:
    chance = random.Random(5)
    hits = total = 0
    for _ in range(300):
        cases = [
            [measured(1000 * math.exp(chance.gauss(0, 0.004)), 0.0005) for _ in range(3)]
            for _ in range(5)
        ]
        for found in timing.combine(cases):
            total += 1
            hits += found.low_ns <= 1000 <= found.high_ns
    assert hits >= 0.92 * total


def test_a_case_that_spreads_widely_does_not_widen_the_others_much() -> None:
    quiet = [[100.0, 100.1, 99.9]] * 4
    wild = [10.0, 11.0, 9.0]
    *spreads, widest = [spread for spread, _ in stats.moderated([*quiet, wild])]
    assert max(spreads) < 0.002
    assert widest > 0.04


def test_single_values_have_no_spread() -> None:
    assert stats.moderated([[5.0], [7.0]]) == [(0.0, 1), (0.0, 1)]


# --- sampling ------------------------------------------------------------------------------------


def test_a_tiny_kernel_is_sampled_until_its_own_time_is_known_not_that_of_the_overhead() -> None:
    chance = random.Random(3)
    samples = [2_100 + 1_000 * math.exp(chance.gauss(0, 0.02)) for _ in range(12)]
    plan = replace(CUDA_PLAN, target=0.01, finest_ns=0.0)
    assert timing.enough(samples, plan, 0.1)
    assert not timing.enough(samples, plan, 0.1, overhead_ns=2_100)


def test_of_empty_calls_on_a_busy_processor_only_what_the_quickest_took_is_subtracted() -> None:
    quiet, busy = [70_000.0 + at for at in range(16)], [400_000.0 + 50_000 * at for at in range(32)]
    assert 70_000 <= Overhead.of_the_quickest(busy + quiet).ns < 70_016
    assert Overhead.of([*quiet, *busy]).ns > 400_000
    even = [70_000.0 + 100 * at for at in range(48)]
    assert Overhead.of_the_quickest(even).ns == pytest.approx(Overhead.of(even).ns, rel=0.02)


def test_what_the_empty_call_does_take_is_not_subtracted() -> None:
    overhead = Overhead.of([2_750.0] * 16, timing.EMPTY_KERNEL_NS)
    assert overhead.ns == pytest.approx(2_110)


# --- the gate and the memory behind it -----------------------------------------------------------


def a_layout(*sizes: int) -> channel.Layout:
    data = tuple(torch.zeros(size, dtype=torch.float16) for size in sizes)
    return channel.plan(data, data[-1], 1)


def test_the_kernels_are_made_from_the_source_beside_them() -> None:
    source = Path(kernels.__file__).with_name("kernels.cu")
    made_from = hashlib.sha256(source.read_bytes()).hexdigest()
    assert made_from == kernels.SOURCE, "run python -m benchmarks.kernels"


def test_words_of_a_large_input_come_late_and_complete_it() -> None:
    layout = a_layout(100_000, 100_000)
    host = HostDeck(layout, gated=True)
    data = (torch.arange(100_000).half(), torch.zeros(100_000, dtype=torch.float16))
    host.fill(data, 0xFF)
    slot = layout.slots[0].to_json()
    memory = bytearray(os.pread(host.descriptor, layout.size, 0))
    assert not torch.equal(view(memory, slot), data[0])
    words = memoryview(memory).cast("q")
    for offset, value in host.withheld.tolist():
        words[offset // 8] = value
    assert torch.equal(view(memory, slot), data[0])
    assert len(host.withheld) == gates.PROBES
    host.close()


def test_no_call_withholds_or_asks_for_the_same_words_as_the_one_before() -> None:
    host = HostDeck(a_layout(100_000, 100_000), gated=True)
    data = (torch.arange(100_000).half(), torch.zeros(100_000, dtype=torch.float16))
    seen = []
    for _ in range(2):
        host.fill(data, 0xFF)
        seen.append((host.withheld.clone(), host.asked.clone()))
    assert not torch.equal(seen[0][0], seen[1][0])
    assert not torch.equal(seen[0][1], seen[1][1])
    host.close()


def test_a_small_output_is_asked_for_as_a_whole() -> None:
    host = HostDeck(a_layout(64, 64), gated=True)
    host.fill((torch.ones(64).half(), torch.zeros(64).half()), 0xFF)
    assert len(host.asked) == 64 * 2 // 8
    host.outputs()
    assert torch.equal(host.words(), torch.full((16,), -1))
    host.close()


def test_words_asked_for_are_read_off_the_same_copy_as_the_output() -> None:
    layout = a_layout(64, 64)
    host = HostDeck(layout, gated=True)
    host.fill((torch.ones(64).half(), torch.zeros(64).half()), 0xFF)
    (taken,) = host.outputs()
    os.pwrite(host.descriptor, b"\0" * 128, layout.slots[layout.outputs[0]].offset)
    assert torch.equal(host.words(), torch.full((16,), -1))
    assert taken.isnan().all()
    host.close()


def test_without_a_gate_nothing_is_withheld() -> None:
    host = HostDeck(a_layout(100_000, 100_000), gated=False)
    host.fill((torch.ones(100_000).half(), torch.zeros(100_000).half()), 0xFF)
    assert host.withheld.numel() == host.asked.numel() == 0
    host.close()


def test_tensors_that_stay_on_the_cpu_are_handed_over_whole() -> None:
    layout = a_layout(100_000, 100_000)
    slots = (replace(layout.slots[0], device="cpu"), *layout.slots[1:])
    secret = Secrets(replace(layout, slots=slots), "cpu")
    assert secret.withheld == secret.asked == 0


@pytest.mark.parametrize("wanted", [[5, 5], [10_000, 10], [1, 10_000_000, 1], [2] * 2_000])
@pytest.mark.parametrize("most", [gates.PROBES, gates.PROBES // 8])
def test_however_many_tensors_there_are_all_words_fit_the_page(
    wanted: list[int], most: int
) -> None:
    shares = deck._shares(wanted, most)
    assert sum(shares) <= most
    assert all(0 <= share <= want for share, want in zip(shares, wanted, strict=True))


def test_ranks_together_have_as_many_words_to_wait_for_as_one() -> None:
    layout = a_layout(100_000, 100_000)
    one, four = (Secrets(layout, "cpu", ranks=ranks) for ranks in (1, 4))
    assert four.withheld * 4 == one.withheld == gates.PROBES
    assert four.asked * 4 == one.asked == gates.PROBES


def test_half_as_much_writing_again_as_is_usual_is_nobodys_time_and_no_more() -> None:
    spared_ns = timing.spared([3_000.0, 2_000.0, 100_000.0], ranks=4)
    assert spared_ns == 5_500
    call = Sample(50_000, host_ns=4_000)
    assert charged(call, spared_ns) == 46_000
    assert charged(replace(call, host_ns=20_000), spared_ns) == 44_500


def test_what_is_nobodys_time_has_an_end_however_busy_the_host_is() -> None:
    assert timing.spared([220_000.0] * 8, ranks=4) == 4 * timing.MOST_SPARED_NS


@pytest.mark.parametrize(("empty", "ranks"), [([3_000.0] * 8, 1), ([], 4)])
def test_all_of_one_ranks_call_counts(empty: list[float], ranks: int) -> None:
    assert timing.spared(empty, ranks) == 0


def test_before_the_gate_opens_the_pages_hold_nothing_of_what_is_late_or_asked_for() -> None:
    page = Page()
    late, asked = torch.tensor([[8, 5], [16, 6]]), torch.tensor([24])
    contestants = mmap.mmap(page.descriptor, gates.PAGE_BYTES)
    contestants[gates.WITHHELD_AT :] = b"\xff" * (gates.PAGE_BYTES - gates.WITHHELD_AT)
    words = memoryview(contestants).cast("q")
    at_late, at_asked = gates.WITHHELD_AT // 8, gates.ASKED_AT // 8
    seen: list[list[int]] = []

    def reveal() -> None:
        assert page.words[gates.GATE] == 0
        seen.append([*words[at_late : at_late + 5], *words[at_asked : at_asked + 2]])

    time_gated([page], 1, [late], [asked], lambda: True, reveal)
    assert seen == [[0, 0, 0, 0, -1, 0, -1]]
    assert [*words[at_late : at_late + 5]] == [8, 5, 16, 6, -1]
    assert [*words[at_asked : at_asked + 2]] == [24, -1]
    words.release()
    contestants.close()
    page.close()


def test_a_gate_that_nobody_answers_is_given_up() -> None:
    page = Page()
    nothing = torch.empty(0, dtype=torch.int64)
    asked: list[int] = []

    def hopeless() -> bool:
        asked.append(1)
        return True

    assert not page.armed(1, 10**12, hopeless)
    assert time_gated([page], 1, [nothing], [nothing], hopeless).ns > 0
    assert len(asked) == 3  # once for each word that was waited for
    page.close()


def test_a_call_of_several_processes_ends_with_the_last_of_them() -> None:
    pages = [Page() for _ in range(3)]
    words = torch.tensor([[8, 5]])
    answered: list[int] = []
    asked: list[int] = []

    def process(page: Page, delay_s: float) -> None:
        while page.words[gates.GATE] != 7:
            time.sleep(0.001)
        time.sleep(delay_s)
        answered.append(time.perf_counter_ns())
        page.words[gates.ANSWER] = 7
        while page.words[gates.ASKED] != 7:
            time.sleep(0.001)
        asked.append(time.perf_counter_ns())
        page.words[gates.PROBED] = 7

    threads = [
        threading.Thread(target=process, args=(page, delay_s))
        for page, delay_s in zip(pages, (0.0, 0.2, 0.1), strict=True)
    ]
    for thread in threads:
        thread.start()
    taken = time_gated(pages, 7, [words] * 3, [words] * 3, lambda: False)
    for thread in threads:
        thread.join()
    assert taken.ns > 200e6
    assert taken.ns - taken.host_ns > 200e6  # of which waiting for them is no part
    assert max(answered) < min(asked)  # nobody knows what it will be asked before all have answered
    for page in pages:
        page.close()


def test_the_clock_starts_when_the_kernel_at_the_gate_runs_again_and_how_late_that_was_is_told() -> (
    None
):
    page = Page()
    order: list[str] = []

    def device() -> None:
        while page.words[gates.PING] != 3:
            time.sleep(0.001)
        order.append("gate shut" if page.words[gates.GATE] != 3 else "gate open")
        time.sleep(0.5)
        page.words[gates.PONG] = 3
        while page.words[gates.GATE] != 3:
            time.sleep(0.001)
        page.words[gates.ANSWER] = page.words[gates.PROBED] = 3

    thread = threading.Thread(target=device)
    thread.start()
    nothing = torch.empty(0, dtype=torch.int64)

    def reveal() -> None:
        assert page.words[gates.PING] != 3
        order.append("revealed")

    began = channel.monotonic_ns()
    taken = time_gated([page], 3, [nothing], [nothing], lambda: False, reveal)
    passed = channel.monotonic_ns() - began
    thread.join()
    assert order == ["revealed", "gate shut"]
    assert taken.lag_ns > 450e6  # the half second that passed before
    assert taken.lag_ns + taken.ns <= passed  # in which it is not counted
    page.close()


def test_words_that_are_written_when_the_clock_has_stopped_come_too_late() -> None:
    page = Page()
    asked = torch.arange(3)
    page.words[gates.ANSWER] = page.words[gates.PROBED] = 4  # as if it had answered
    time_gated([page], 4, [torch.empty(0, dtype=torch.int64)], [asked], lambda: True)
    contestants = mmap.mmap(page.descriptor, gates.PAGE_BYTES)
    contestants[gates.PROBED_AT : gates.PROBED_AT + 24] = b"\1" * 24
    assert page.probed(3).tolist() == [0, 0, 0]
    contestants.close()
    page.close()


@pytest.mark.parametrize(
    "fault",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        NoRoom("cuMemCreate failed: CUDA_ERROR_OUT_OF_MEMORY"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
)
def test_whoever_fills_the_device_ends_for_want_of_memory_and_not_the_judge(
    fault: RuntimeError,
) -> None:
    with pytest.raises(Failure, match="left none of the device's memory") as found, room_for_us():
        raise fault
    assert found.value.kind is VerdictKind.OUT_OF_MEMORY
    with pytest.raises(RuntimeError, match="illegal"), room_for_us():
        raise RuntimeError("CUDA error: an illegal memory access was encountered")


def test_no_timed_call_keeps_its_gate_shut_for_long_whatever_went_before() -> None:
    assert patience_ns(timed=False, unarmed=0) == 250_000_000
    assert {patience_ns(timed=True, unarmed=count) for count in range(5)} == {3_000_000}
    assert patience_ns(timed=False, unarmed=3) == 3_000_000


def test_a_process_that_comes_up_with_less_than_the_first_one_is_not_measured() -> None:
    assert lack(gates=(True, True), shared_memory=(False, False)) == ""
    assert lack(gates=(True, False), shared_memory=(True, False)) == "gates"
    assert lack(gates=(True, True), shared_memory=(True, False)) == "shared memory"


@pytest.mark.parametrize(("gated", "word"), [(True, gates.PROBED), (False, gates.ANSWER)])
def test_who_is_done_and_rings_is_not_taken_for_one_that_failed(gated: bool, word: int) -> None:
    pages = [Page(), Page()]
    assert not stuck(pages, [], 3, gated=gated)
    assert stuck(pages, [0], 3, gated=gated)
    pages[0].words[word] = 3
    assert not stuck(pages, [0], 3, gated=gated)
    assert stuck(pages, [0, 1], 3, gated=gated)
    for page in pages:
        page.close()


def test_waiting_takes_one_core_and_gives_it_back() -> None:
    before = os.sched_getaffinity(0)
    with on_one_core():
        assert os.sched_getaffinity(0) <= before
    assert os.sched_getaffinity(0) == before
    assert set(cores_beside()) <= before


def test_a_run_under_the_floor_is_quarantined_with_its_times_and_the_reason(tmp_path: Path) -> None:
    job = bench.a_job(Mode.BENCHMARK, floors_ns=(1e12,))
    found = bench.judge(tmp_path, HONEST, job)
    assert found.verdict.kind is VerdictKind.QUARANTINED, found.explanation
    assert found.verdict.rule == "floor"
    assert "physical floor of 1000000000.00 us" in found.verdict.evidence
    assert len(found.verdict.measurements) == 1


def test_a_floor_that_is_not_known_quarantines_nobody(tmp_path: Path) -> None:
    found = bench.judge(tmp_path, HONEST, bench.a_job(Mode.BENCHMARK, floors_ns=(0.0,)))
    assert found.verdict.kind is VerdictKind.PASSED, found.explanation


RANKED = """
import sys
from dataclasses import replace
from pathlib import Path
from kernelbot.judge import guard, staging, timing
from kernelbot.judge.protocol import Mode
from kernelbot.judge.referee import Events, Referee
from kernelbot.judge.warm import Nursery
from tests.judge import bench

directory, submission = Path(sys.argv[1]), sys.argv[2]
unsure, patience_s = sys.argv[3], float(sys.argv[4])
job = bench.a_job(Mode.RANKED)
staging.stage(directory, job, bench.problem("add"), submission.encode())
guard.harden_referee()
referee = Referee(directory, job, Events(None), Nursery.started(), "")
referee.plan = replace(
    timing.CPU_PLAN, processes=2, most_processes=3, unsure=float(unsure), patience_s=patience_s
)
verdict = referee.judge()
print(verdict.kind, *(found.processes for found in verdict.measurements), verdict.fault)
"""


@pytest.mark.parametrize(
    ("unsure", "patience_s", "processes"), [(1e9, 3600.0, 2), (0.0, 3600.0, 3), (0.0, 0.0, 2)]
)
def test_processes_that_differ_are_joined_by_another_if_they_agree_or_took_long_they_are_enough(
    tmp_path: Path, unsure: float, patience_s: float, processes: int
) -> None:
    found = subprocess.run(
        [sys.executable, "-c", RANKED, str(tmp_path), HONEST, str(unsure), str(patience_s)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert found.stdout.split() == ["passed", str(processes)], found.stderr


DOUBTED = (
    RANKED.replace("float(unsure)", "1e9")
    .replace("patience_s=patience_s", "doubt_s=patience_s")
    .replace("Mode.RANKED", "Mode(sys.argv[5])")
    .replace(
        "verdict = referee.judge()",
        """found = iter(sys.argv[3].split(","))
timing.Series.foresight = lambda self: self.__dict__.setdefault("told", next(found, "-")).strip("-")
told = []
referee._events.emit = lambda event: told.append(event.done) if event.stage is Stage.MEASURE else None
verdict = referee.judge()""",
    )
    .replace("import Mode", "import Mode, Stage")
    .partition("print(")[0]
    + """
notes = [note for note in verdict.measurements[0].warnings if "again" in note]
print(verdict.kind, verdict.measurements[0].processes, verdict.evidence, *notes, *(hint.text for hint in verdict.hints))
told = [done for done in told if done]
assert told == sorted(told), told
"""
)
AGAIN = "one process was measured again, at no charge benchmark 0 (n: 20000): head-start"


@pytest.mark.parametrize(
    ("mode", "patience_s", "evidence", "told"),
    [
        (Mode.RANKED, 3600, "-,-", "passed 2"),
        (Mode.RANKED, 3600, "-,head-start,-", f"passed 2 {AGAIN}"),
        (Mode.RANKED, 3600, "head-start,-,more", f"quarantined 2 benchmark 0 (n: 20000): more {AGAIN}"),
        (Mode.RANKED, 0, "-,head-start", "quarantined 2 benchmark 0 (n: 20000): head-start"),
        (Mode.BENCHMARK, 3600, "head-start,-", f"passed 1 {AGAIN}"),
    ],
)  # fmt: skip
def test_one_process_that_seems_to_have_had_a_head_start_is_replaced_in_time_and_a_second_is_evidence(
    tmp_path: Path, mode: Mode, patience_s: int, evidence: str, told: str
) -> None:
    arguments = [str(tmp_path), HONEST, evidence, str(patience_s), mode]
    found = subprocess.run(
        [sys.executable, "-c", DOUBTED, *arguments],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert " ".join(found.stdout.split()) == told, found.stderr


COUNTED = (
    RANKED[: RANKED.index("directory, submission")]
    + """
job = bench.a_job(Mode.BENCHMARK)
files = bench.problem("add")
files["reference.py"] += b'''
import pathlib, time
solve, place = reference, pathlib.Path(__file__).with_name("solved")
def reference(data):
    with place.open("a") as file:
        file.write(".")
    time.sleep(0.06)
    return solve(data)
'''
directory = Path(sys.argv[1])
staging.stage(directory, job, files, sys.argv[2].encode())
guard.harden_referee()
referee = Referee(directory, job, Events(None), Nursery.started(), "")
referee.plan = replace(timing.CPU_PLAN, warmup=20, looks=(3,))
verdict = referee.judge()
print(verdict.kind, len(next(directory.rglob("solved")).read_text()))
"""
)


def test_warming_up_does_not_wait_for_a_slow_reference_again_and_again(tmp_path: Path) -> None:
    found = subprocess.run(
        [sys.executable, "-c", COUNTED, str(tmp_path), HONEST],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    kind, references = found.stdout.split()
    assert kind == "passed", found.stderr
    assert int(references) < 20
