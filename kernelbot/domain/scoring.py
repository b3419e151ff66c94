"""From measured times to one score with an error. Seconds in, seconds out; work is done in logs.

A score is a time, lower is better. Its error is a relative standard error: the standard deviation
of the logarithm of the score. Scored by speed of light it is a time too: the geometric mean, in which
no case counts for less than its bound. ``share`` makes the fraction of the speed of light of it, by
which people and problems are compared; among entries of one board both give one order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from kernelbot.judge.protocol import Measurement

ERROR_FLOOR = 0.0015
"""Between fresh processes on one GPU a time differs by 0.15 % even when each process is sure of it."""


AGAIN_Z = 3.0
"""So many joint standard errors from what counted a run that was judged again differs: by chance about one in
370 does, where a tie's 1.96 would bring every twentieth honest one before a person."""


class Scoring(StrEnum):
    """How the times of the benchmark cases become one."""

    GEOM = "geom"
    MEAN = "mean"
    LAST = "last"
    SPEED_OF_LIGHT = "speed_of_light"


@dataclass(frozen=True, kw_only=True)
class Score:
    """``seconds`` with the relative standard error ``error``, from ``runs`` runs of the same code."""

    seconds: float
    error: float
    runs: int = 1

    @property
    def low(self) -> float:
        return self.seconds * math.exp(-1.96 * self.error)

    @property
    def high(self) -> float:
        return self.seconds * math.exp(1.96 * self.error)


def score(
    measurements: Sequence[Measurement], scoring: Scoring, bounds: Sequence[float | None] = ()
) -> Score:
    """The score of one run.

    ``bounds`` are the seconds of the speed of light of each case, where they are known: only the
    scoring by it looks at them. Raises ValueError when there is nothing to score, a time is not
    positive, or bounds are not one for each case.
    """
    if not measurements:
        raise ValueError("a run without measurements has no score")
    if any(not (item.ns > 0 and math.isfinite(item.ns)) for item in measurements):
        raise ValueError("a time that is not positive and finite has no score")
    counted = measurements[-1:] if scoring is Scoring.LAST else measurements
    seconds = [item.ns * 1e-9 for item in counted]
    if scoring is Scoring.SPEED_OF_LIGHT and bounds:
        seconds = [max(time, best or 0.0) for time, best in zip(seconds, bounds, strict=True)]
    errors = [item.stderr_ns / item.ns for item in counted]
    if scoring is Scoring.MEAN:
        return _mean(seconds, errors)
    mean_log = math.fsum(math.log(value) for value in seconds) / len(seconds)
    error = math.sqrt(math.fsum(value**2 for value in errors)) / len(errors)
    return Score(seconds=math.exp(mean_log), error=max(error, ERROR_FLOOR))


def share(seconds: float, scoring: Scoring, bounds: Sequence[float | None]) -> float | None:
    """The fraction of the speed of light that a score of ``seconds`` stands for: 1 is as fast as can be.

    None when the bound of a case that counts is not known.
    """
    best = best_seconds(scoring, bounds)
    return None if best is None else best / seconds


def best_seconds(scoring: Scoring, bounds: Sequence[float | None]) -> float | None:
    """The score of a run that takes every case at the speed of light, if all that count are known."""
    counted = bounds[-1:] if scoring is Scoring.LAST else bounds
    known = [item for item in counted if item is not None and item > 0]
    if not known or len(known) < len(counted):
        return None
    if scoring is Scoring.MEAN:
        return math.fsum(known) / len(known)
    return math.exp(math.fsum(math.log(item) for item in known) / len(known))


def apart(earlier: Sequence[Score], again: Score) -> float:
    """How many joint standard errors another run of the same code lies from its ``earlier`` ones.

    Positive: it is slower. The joint error is that of the pooled score and of one run, which is what this run
    says of itself or what the earlier ones show of a single run, whichever is larger. Raises ValueError when
    there are no earlier ones.
    """
    counted = pool(earlier)
    single = max(again.error, counted.error * math.sqrt(counted.runs))
    return math.log(again.seconds / counted.seconds) / math.hypot(counted.error, single)


def _mean(seconds: Sequence[float], errors: Sequence[float]) -> Score:
    total = math.fsum(seconds)
    absolute = math.sqrt(
        math.fsum((value * error) ** 2 for value, error in zip(seconds, errors, strict=True))
    )
    return Score(seconds=total / len(seconds), error=max(absolute / total, ERROR_FLOOR))


def pool(scores: Sequence[Score]) -> Score:
    """Several runs of the same code as one score: resubmitting refines the estimate, it rolls no dice.

    The mean of the logarithms. Its error comes from the runs' own errors or from how far the runs
    lie apart, whichever is larger, because processes differ more than samples within one do.
    """
    if not scores:
        raise ValueError("nothing to pool")
    logs = [math.log(item.seconds) for item in scores]
    count = len(scores)
    mean = math.fsum(logs) / count
    within = math.sqrt(math.fsum(item.error**2 for item in scores)) / count
    between = 0.0
    if count > 1:
        spread = math.sqrt(math.fsum((value - mean) ** 2 for value in logs) / (count - 1))
        between = spread / math.sqrt(count)
    floor = ERROR_FLOOR / math.sqrt(count)
    return Score(seconds=math.exp(mean), error=max(within, between, floor), runs=count)
