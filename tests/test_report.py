"""Words for runs: times with their errors, waits, places; whatever the numbers are."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelbot import report
from kernelbot.domain.submission import Status
from kernelbot.domain.waiting import Wait
from kernelbot.judge.protocol import (
    CaseResult,
    Harness,
    Measurement,
    Mode,
    Spent,
    Stage,
    Verdict,
    VerdictKind,
)
from tests.factories import make_verdict


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    id: int = 1
    status: Status = Status.DONE
    progress: str = ""
    kind: VerdictKind | None = None
    message: str = ""
    seconds: float | None = None
    error: float | None = None
    light: float | None = None
    bounds: tuple[float | None, ...] = ()
    wait: Wait | None = None
    verdict: Verdict | None = None


def make_wait(ahead: int, low: float | None, high: float | None) -> Wait:
    return Wait(
        position=ahead + 1,
        ahead=ahead,
        start_low_s=low,
        start_high_s=high,
        finish_low_s=low,
        finish_high_s=high,
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 ns"),
        (1e-12, "0.00100 ns"),
        (1e-9, "1.00 ns"),
        (22.4e-6, "22.4 µs"),
        (999.4e-9, "999 ns"),
        (999.6e-9, "1.00 µs"),
        (9.999e-6, "10.0 µs"),
        (0.0234, "23.4 ms"),
        (1.0, "1.00 s"),
        (123.456, "123 s"),
        (123456.0, "123456 s"),
        (math.inf, "inf s"),
        (math.nan, "nan s"),
        (-22.4e-6, "-22.4 µs"),
    ],
)
def test_a_time_has_three_digits_in_the_unit_that_suits(seconds: float, text: str) -> None:
    assert report.format_time(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "error", "text"),
    [
        (22.4e-6, 0.0023, "22.4 µs ± 0.1"),
        (22.4e-6, 0.0, "22.4 µs"),
        (22.4e-6, 0.05, "22 µs ± 2"),
        (22.4e-6, 0.5, "22 µs ± 22"),
        (1e-3, 0.0015, "1.000 ms ± 0.003"),
        (1e-3, 0.005, "1.00 ms ± 0.01"),
        (1e-3, 1e-12, "1.00 ms"),
        (22.4e-6, math.inf, "22.4 µs"),
        (22.4e-6, math.nan, "22.4 µs"),
    ],
)
def test_a_time_is_shown_to_the_digit_that_its_error_leaves(
    seconds: float, error: float, text: str
) -> None:
    assert report.format_time_error(seconds, error) == text


@given(st.floats(), st.floats())
def test_no_number_cannot_be_shown(seconds: float, error: float) -> None:
    assert 0 < len(report.format_time(seconds)) < 330
    assert 0 < len(report.format_time_error(seconds, error)) < 700
    assert report.duration_text(seconds)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (10, "10th"), (11, "11th"), (12, "12th"),
        (13, "13th"), (20, "20th"), (21, "21st"), (22, "22nd"), (101, "101st"), (111, "111th"),
        (112, "112th"), (1013, "1013th"), (1021, "1021st"),
    ],
)  # fmt: skip
def test_ordinals(number: int, text: str) -> None:
    assert report.ordinal(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0 s"), (0.4, "0 s"), (40, "40 s"), (90, "2 min"), (600, "10 min"), (7200, "2.0 h")],
)
def test_durations_are_rough(seconds: float, text: str) -> None:
    assert report.duration_text(seconds) == text


@pytest.mark.parametrize(
    ("wait", "text"),
    [
        (make_wait(0, 0.0, 1.0), "next in line, starts now"),
        (make_wait(2, 20.0, 50.0), "3rd in line, starts in 20 s to 50 s"),
        (make_wait(1, 120.0, 125.0), "2nd in line, starts in 2 min"),
        (
            make_wait(0, None, None),
            "next in line; no worker for this GPU is connected, it starts when one is",
        ),
    ],
)
def test_a_wait_says_the_place_and_the_range(wait: Wait, text: str) -> None:
    assert report.wait_text(wait) == text


@pytest.mark.parametrize(
    ("run", "text"),
    [
        (Run(status=Status.QUEUED), "Queued"),
        (Run(status=Status.QUEUED, wait=make_wait(0, 0.0, 0.0)), "next in line, starts now"),
        (Run(status=Status.RUNNING), "Running"),
        (Run(status=Status.RUNNING, progress="check 3 of 5"), "Running: check 3 of 5"),
        (Run(status=Status.CANCELLED), "Cancelled"),
        (Run(kind=VerdictKind.PASSED), "Passed"),
        (Run(kind=VerdictKind.PASSED, seconds=22.4e-6, error=0.0023), "Passed: 22.4 µs ± 0.1"),
        (Run(kind=VerdictKind.TIMED_OUT, message="it took 9 s"), "Timed out: it took 9 s"),
    ],
)
def test_a_headline_says_what_happened(run: Run, text: str) -> None:
    assert report.headline(run) == text


@pytest.mark.parametrize("kind", list(VerdictKind))
def test_every_kind_of_verdict_has_its_words(kind: VerdictKind) -> None:
    assert report.headline(Run(kind=kind)) == report.HEADLINES[kind]


def test_cases_become_rows_with_times_or_what_is_wrong() -> None:
    wrong = CaseResult(stage=Stage.CHECK, index=0, spec="size: 1", ok=False, message="3 differ")
    silent = CaseResult(stage=Stage.CHECK, index=1, spec="size: 2", ok=False)
    verdict = Verdict(kind=VerdictKind.WRONG_ANSWER, cases=(wrong, silent))

    assert [row.text for row in report.case_rows(Run(verdict=verdict))] == ["3 differ", "wrong"]
    assert [row.text for row in report.case_rows(Run(verdict=make_verdict(ns=22400)))] == [
        "right",
        "22.40 µs ± 0.04",
    ]
    assert report.case_rows(Run()) == ()


def test_a_case_measured_as_nothing_is_still_shown() -> None:
    nothing = Measurement(
        ns=0, low_ns=0, high_ns=0, stderr_ns=0, best_ns=0, worst_ns=0, samples=1, clock="host"
    )
    case = CaseResult(stage=Stage.MEASURE, index=0, spec="", ok=True, measurement=nothing)

    (row,) = report.case_rows(Run(verdict=Verdict(kind=VerdictKind.PASSED, cases=(case,))))

    assert row.text == "0 ns"


def test_a_log_is_cut_at_its_beginning_and_says_by_how_much() -> None:
    text = "\n".join(f"line {i}" for i in range(100))

    excerpt = report.log_excerpt(text, lines=2)

    assert excerpt.startswith("[... ")
    assert excerpt.endswith("line 98\nline 99")
    assert report.log_excerpt("short\n\n") == "short"
    assert len(report.log_excerpt("x" * 10_000)) < 1600


def test_the_head_of_a_log_says_how_much_follows() -> None:
    text = "\n".join(f"line {i}" for i in range(100))

    excerpt = report.log_excerpt(text, lines=2, head=True)

    assert excerpt.startswith("line 0\nline 1\n[... ")
    assert report.log_excerpt("short\n\n", head=True) == "short"
    assert len(report.log_excerpt("x" * 10_000, head=True)) < 1600


def test_only_secret_runs_hide_their_log() -> None:
    assert [mode for mode in Mode if not report.shows_log(mode)] == [Mode.RANKED]


@pytest.mark.parametrize(
    ("spent", "kind", "at_most", "text"),
    [
        (Spent(), "cuda", False, ""),
        (
            Spent(wall_s=4.23, build_s=1.26, device_s=2.1),
            "cuda",
            False,
            "4.2 s in all, 1.3 s to build, the GPU held for 2.1 s",
        ),
        (
            Spent(wall_s=8.0, build_s=0.0, device_s=4.0),
            "hip",
            True,
            "at most 8 s in all, 0 s to build, the GPU held for 4 s",
        ),
        (
            Spent(wall_s=123.4, build_s=100.2, device_s=2.0),
            "cpu",
            False,
            "123 s in all, 100 s to build, the CPU held for 2 s",
        ),
        (Spent(device_s=2.0), "cuda", False, "0 s to build, the GPU held for 2 s"),
    ],
)
def test_what_a_run_took_is_a_line(spent: Spent, kind: str, at_most: bool, text: str) -> None:
    assert report.spent_text(spent, kind, at_most=at_most) == text


def warned(*of_cases: tuple[str, ...]) -> Verdict:
    found = make_verdict()
    timed = found.cases[-1]
    assert timed.measurement is not None
    cases = [
        dataclasses.replace(
            timed, index=at, measurement=dataclasses.replace(timed.measurement, warnings=notes)
        )
        for at, notes in enumerate(of_cases)
    ]
    return dataclasses.replace(found, cases=tuple(cases))


def test_what_is_to_be_known_of_times_is_told_of_each_case_or_once_of_all() -> None:
    told = [("size: 1", ["noisy: wide", "slow clock"]), ("size: 2", ["noisy: wide", "noisy: wide"])]

    assert report.timing_notes(told) == ("every case: noisy: wide", "size: 1: slow clock")
    assert report.timing_notes(told[:1]) == ("size: 1: noisy: wide", "size: 1: slow clock")
    assert report.timing_notes([("size: 1", [])]) == ()


def test_in_few_words_it_is_how_many_cases_each_is_of() -> None:
    found = warned(("noisy: wide",), ("noisy: wider", "host-bound: 3 of 20"), ())

    assert report.timing_summary(found) == "noisy (2 cases), host-bound (1 case)"
    assert report.timing_summary(make_verdict()) == ""


def test_times_that_rest_on_less_than_the_outside_clock_are_told_as_such() -> None:
    def by(evidence: str) -> str:
        found = dataclasses.replace(make_verdict(), harness=Harness(evidence=evidence))
        return report.weak_text(found)

    assert by("device-events-bounded") == "Timed by the device's own events only."
    assert by("self-evaluated") == "Timed by the problem's own program."
    assert by("outside-clock") == by("host-clock") == ""
    assert report.evidence_text("outside-clock") == "outside-clock (the judge's own clock)"
    assert report.evidence_text("something-new") == "something-new"


def test_a_run_without_times_is_not_told_what_they_rest_on() -> None:
    failed = make_verdict(VerdictKind.CRASHED)
    weak = dataclasses.replace(failed, harness=Harness(evidence="device-events-bounded"))

    assert report.weak_text(weak) == ""
