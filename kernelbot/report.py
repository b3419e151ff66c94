"""A run in words: the sentences and rows that every channel shows, in its own dress. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from kernelbot.domain import evidence
from kernelbot.domain.roofline import percent
from kernelbot.domain.submission import Outcome, Status
from kernelbot.domain.waiting import Wait
from kernelbot.judge.protocol import CaseResult, Mode, Spent, Stage, Verdict, VerdictKind

HEADLINES = {
    VerdictKind.PASSED: "Passed",
    VerdictKind.WRONG_ANSWER: "Wrong answer",
    VerdictKind.BUILD_FAILED: "Build failed",
    VerdictKind.CRASHED: "Crashed",
    VerdictKind.TIMED_OUT: "Timed out",
    VerdictKind.OUT_OF_MEMORY: "Out of memory",
    VerdictKind.DISQUALIFIED: "Disqualified",
    VerdictKind.QUARANTINED: "Set aside for a person to look at",
    VerdictKind.JUDGE_FAILED: "Our judge failed",
}


MOST_DECIMALS = 6
"""Of a number that is shown: what is smaller than that is nothing to people."""


class Run(Protocol):
    """What of a run these words are about."""

    @property
    def id(self) -> int: ...
    @property
    def status(self) -> Status: ...
    @property
    def progress(self) -> str: ...
    @property
    def kind(self) -> VerdictKind | None: ...
    @property
    def message(self) -> str: ...
    @property
    def seconds(self) -> float | None: ...
    @property
    def error(self) -> float | None: ...
    @property
    def light(self) -> float | None: ...
    @property
    def bounds(self) -> tuple[float | None, ...]: ...
    @property
    def wait(self) -> Wait | None: ...
    @property
    def verdict(self) -> Verdict | None: ...


@dataclass(frozen=True)
class CaseRow:
    """One case as a line of a table."""

    stage: Stage
    spec: str
    ok: bool
    text: str  # "22.4 µs ± 0.1", "right", or what is wrong


def headline(run: Run) -> str:
    """What happened, in one line."""
    if run.status is Status.QUEUED:
        return wait_text(run.wait) if run.wait else "Queued"
    if run.status is Status.RUNNING:
        return f"Running: {run.progress}" if run.progress else "Running"
    if run.status is Status.CANCELLED:
        return "Cancelled"
    words = HEADLINES[run.kind] if run.kind else "Done"
    if run.kind is VerdictKind.PASSED and run.seconds is not None:
        time = format_time_error(run.seconds, run.error or 0.0)
        return f"{words}: {time}{light_text(run.light, ', {} of speed of light')}"
    return f"{words}: {run.message}" if run.message else words


def decision_text(outcome: str, reason: str) -> str:
    """What an organizer decided about a run."""
    if outcome == Outcome.VOIDED:
        because = f": {reason}" if reason else "."
        return f"An organizer has taken this code off the leaderboard{because}"
    if outcome == Outcome.RESTORED:
        return f"An organizer has put this code back on the leaderboard: {reason}"
    if outcome == Outcome.RELEASED:
        return f"The judge had set it aside; an organizer lets it count: {reason}"
    # Why not is in the headline.
    return "The judge had set it aside; an organizer does not let it count."


def light_text(share: float | None, form: str = "{}") -> str:
    """A fraction of the speed of light in ``form``, nothing where it is not known: ``71 %``."""
    return "" if share is None else form.format(percent(share))


EARLIER_SIGN = "*"
EARLIER_NOTE = f"{EARLIER_SIGN} : place and time on the version of the problem before, until it is measured again."


DEVICE_TIMED_SIGN = "^"
DEVICE_TIMED_NOTE = f"{DEVICE_TIMED_SIGN} : timed by the device's own events only, not by the judge's clock as well."


UNCONFIRMED_SIGN = "?"
UNCONFIRMED_NOTE = f"{UNCONFIRMED_SIGN} : measured by a machine nobody vouches for; a trusted one is to confirm it."


def score_text(seconds: float, error: float, light_seconds: float | None) -> str:
    """A score on a board, with its fraction of the speed of light where that is known."""
    share = light_seconds / seconds if light_seconds and seconds > 0 else None
    return format_time_error(seconds, error) + light_text(share, " ({})")


def light_note(light_seconds: float | None) -> str:
    """What the fractions beside the scores of a board are of; nothing where there are none."""
    return f"%: of the speed of light, {format_time(light_seconds)}." if light_seconds else ""


def case_light(case: CaseResult, bounds: Sequence[float | None]) -> float | None:
    """The fraction of the speed of light that a measured case reached."""
    if case.measurement is None or not 0 <= case.index < len(bounds):
        return None
    best = bounds[case.index]
    return best / (case.measurement.ns * 1e-9) if best and case.measurement.ns > 0 else None


def evidence_text(said: str) -> str:
    """What the times of a run rest on: ``outside-clock (the judge's own clock)``."""
    words = evidence.WORDS.get(said)
    return f"{said} ({words})" if words else said


def weak_text(verdict: Verdict) -> str:
    """That times rest on less than the judge's own clock; nothing where they do not, or where there are none."""
    said = verdict.harness.evidence
    words = evidence.WORDS.get(said)
    if said == evidence.OUTSIDE or not words or not verdict.measurements:
        return ""
    return f"Timed by {words}."


def spent_text(spent: Spent, kind: str, *, at_most: bool) -> str:
    """What a run took: ``4.2 s in all, 1.3 s to build, the GPU held for 2.1 s``. ``at_most``: as of
    ranked runs, of which the owner is told steps that are rounded up."""
    if not max(spent.wall_s, spent.device_s):
        return ""
    device = "CPU" if kind == "cpu" else "GPU"
    parts = [
        *([f"{_seconds(spent.wall_s)} in all"] if spent.wall_s else []),
        f"{_seconds(spent.build_s)} to build",
        f"the {device} held for {_seconds(spent.device_s)}",
    ]
    return f"{'at most ' if at_most else ''}{', '.join(parts)}"


def _seconds(value: float) -> str:
    return f"{value:.0f} s" if value >= 100 or value == int(value) else f"{value:.1f} s"


def timing_notes(told: Sequence[tuple[str, Sequence[str]]]) -> tuple[str, ...]:
    """What is to be known about the times of some cases, ``told`` with each: once where it is of all of them."""
    cases: dict[str, list[str]] = {}
    for spec, warnings in told:
        for warning in dict.fromkeys(warnings):
            cases.setdefault(warning, []).append(spec)
    return tuple(
        f"{where}: {warning}"
        for warning, specs in cases.items()
        for where in (["every case"] if 1 < len(specs) == len(told) else specs)
    )


def timing_summary(verdict: Verdict) -> str:
    """The same in a few words: ``noisy (2 cases), host-bound (1 case)``."""
    heads = Counter(
        head
        for item in verdict.measurements
        for head in {warning.partition(":")[0] for warning in item.warnings}
    )
    return ", ".join(
        f"{head} ({count} {'case' if count == 1 else 'cases'})" for head, count in heads.items()
    )


def case_rows(run: Run) -> tuple[CaseRow, ...]:
    """The cases in the order they ran."""
    if run.verdict is None:
        return ()
    rows = []
    for case in run.verdict.cases:
        timing = case.measurement
        if timing is not None:
            error = timing.stderr_ns / timing.ns if timing.ns else 0.0
            text = format_time_error(timing.ns * 1e-9, error)
            text += light_text(case_light(case, run.bounds), " ({} of light)")
        else:
            text = "right" if case.ok else case.message or "wrong"
        rows.append(CaseRow(case.stage, case.spec, case.ok, text))
    return tuple(rows)


def format_time(seconds: float) -> str:
    """Three significant digits in the unit that suits: ``22.4 µs``."""
    value, unit = _scaled(seconds)
    return f"{_digits(value, 3)} {unit}"


def format_time_error(seconds: float, error: float) -> str:
    """A time with its 95 % half-width, both to the digit that the error leaves: ``22.4 µs ± 0.1``."""
    value, unit = _scaled(seconds)
    half = 1.96 * error * value
    if not math.isfinite(half) or round(half, MOST_DECIMALS) <= 0:
        return f"{_digits(value, 3)} {unit}"
    decimals = min(MOST_DECIMALS, max(0, -math.floor(math.log10(half))))
    if round(half, decimals) >= 10 ** (1 - decimals):
        decimals = max(0, decimals - 1)
    return f"{value:.{decimals}f} {unit} ± {half:.{decimals}f}"


def _scaled(seconds: float) -> tuple[float, str]:
    for factor, unit in ((1e9, "ns"), (1e6, "µs"), (1e3, "ms")):
        if abs(seconds) * factor < 999.5:
            return seconds * factor, unit
    return seconds, "s"


def _digits(value: float, count: int) -> str:
    if value == 0 or not math.isfinite(value):
        return f"{value:.0f}"
    rounded = float(
        f"{value:.{count - 1}e}"
    )  # first, because 9.999 has one digit more than it seems
    if rounded == 0 or not math.isfinite(rounded):
        return f"{value:.0f}"
    whole = math.floor(math.log10(abs(rounded))) + 1
    return f"{value:.{min(MOST_DECIMALS, max(0, count - whole))}f}"


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th, 21st."""
    ending = (
        "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    )
    return f"{number}{ending}"


def duration_text(seconds: float) -> str:
    """Rough, as people say it: ``40 s``, ``3 min``, ``2.0 h``."""
    if not math.isfinite(seconds):
        return "an unknown time"
    if seconds < 90:
        return f"{max(0, round(seconds))} s"
    if seconds < 5400:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def wait_text(wait: Wait) -> str:
    """``3rd in line, starts in 20 s to 50 s``; says so when no worker is connected or all is held."""
    place = "next in line" if wait.ahead == 0 else f"{ordinal(wait.position)} in line"
    if wait.held:
        return f"{place}; the organizers have paused this GPU, it starts when they resume it: {wait.held}"
    if wait.start_low_s is None or wait.start_high_s is None:
        return f"{place}; no worker for this GPU is connected, it starts when one is"
    if wait.start_high_s < 2:
        return f"{place}, starts now"
    low, high = duration_text(wait.start_low_s), duration_text(wait.start_high_s)
    return f"{place}, starts in {low} to {high}" if low != high else f"{place}, starts in {low}"


STEPS = "▁▂▃▄▅▆▇█"


def spark(shares: Sequence[float | None], goods: Sequence[bool]) -> str:
    """A line of the shares of a median: half of it is lowest, twice of it highest; what was not good is a ``!``."""
    signs = []
    for share, good in zip(shares, goods, strict=True):
        if not good or share is None or share <= 0:
            signs.append("!" if not good else "·")
            continue
        height = (math.log2(share) + 1) / 2 * len(STEPS)
        signs.append(STEPS[min(len(STEPS) - 1, max(0, int(height)))])
    return "".join(signs) or "–"


def log_excerpt(text: str, lines: int = 20, characters: int = 1500, *, head: bool = False) -> str:
    """The end of a log, where the error is, or its ``head``; bounded, says what it left out."""
    if head:
        excerpt = "\n".join(text.rstrip().splitlines()[:lines])[:characters]
        left_out = len(text.rstrip()) - len(excerpt)
        return f"{excerpt}\n[... {left_out} characters more]" if left_out > 0 else excerpt
    kept = text.rstrip().splitlines()[-lines:]
    excerpt = "\n".join(kept)[-characters:]
    left_out = len(text.rstrip()) - len(excerpt)
    return f"[... {left_out} characters before]\n{excerpt}" if left_out > 0 else excerpt


def shows_log(mode: Mode) -> bool:
    """Nothing printed by a secret run reaches the competitor."""
    return mode is not Mode.RANKED
