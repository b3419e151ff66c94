"""From samples of one call's time to an estimate with its error. Pure; no torch, no clock.

The estimate is the 20 % trimmed mean of the logarithms: scale free, and a sample that met an
interrupt does not move it. Its error is Yuen's (winsorised variance), widened when neighbouring
samples hang together, because drift inside a process makes plain standard errors too small.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

TRIM = 0.2
BLOCKS = 8
BORROWED = 4


@dataclass(frozen=True)
class Estimate:
    """A robust centre in the samples' unit, its standard error and its degrees of freedom."""

    center: float
    stderr: float
    freedom: int
    samples: int

    def half_width(self, confidence: float = 0.95) -> float:
        return t_quantile(0.5 + confidence / 2, self.freedom) * self.stderr


def estimate(samples: Sequence[float]) -> Estimate:
    """Centre and error of positive samples, in the order they were taken.

    Raises ValueError when there is no sample or one is not positive and finite.
    """
    if not samples or not all(math.isfinite(x) and x > 0 for x in samples):
        raise ValueError("an estimate needs samples, each positive and finite")
    logs = [math.log(x) for x in samples]
    mean, stderr, freedom = trimmed_mean(logs)
    stderr = max(stderr, _block_error(logs))
    center = math.exp(mean)
    return Estimate(center, center * stderr, freedom, len(samples))


def trimmed_mean(values: Sequence[float]) -> tuple[float, float, int]:
    """The 20 % trimmed mean, Yuen's standard error, degrees of freedom (at least 1)."""
    count = len(values)
    cut = int(TRIM * count)
    ordered = sorted(values)
    kept = ordered[cut : count - cut]
    mean = statistics.fmean(kept)
    if count < 2:
        return mean, math.inf, 1
    winsorised = [min(max(x, kept[0]), kept[-1]) for x in ordered]
    spread = statistics.stdev(winsorised)
    return mean, spread / ((1 - 2 * cut / count) * math.sqrt(count)), max(1, len(kept) - 1)


def moderated(groups: Sequence[Sequence[float]]) -> list[tuple[float, int]]:
    """Standard deviation of each group's logarithms, and its degrees of freedom.

    A few values say little of their own spread, so it is drawn towards what is common among the
    groups, with the weight of BORROWED more degrees of freedom. Groups differ (short times spread
    wider than long ones), so nobody's spread is simply put upon everybody.
    """
    logs = [[math.log(value) for value in group] for group in groups]
    variances = [statistics.variance(group) if len(group) > 1 else 0.0 for group in logs]
    known = [variance for variance, group in zip(variances, logs, strict=True) if len(group) > 1]
    common = statistics.median(known) if known else 0.0
    found = []
    for variance, group in zip(variances, logs, strict=True):
        own = len(group) - 1
        borrowed = min(BORROWED, sum(len(other) - 1 for other in logs) - own)
        freedom = own + borrowed
        mean = (own * variance + borrowed * common) / freedom if freedom else 0.0
        found.append((math.sqrt(mean), max(1, freedom)))
    return found


def _block_error(logs: Sequence[float]) -> float:
    """Standard error from the medians of contiguous blocks; 0 when there are too few samples."""
    size = len(logs) // BLOCKS
    if size < 2:
        return 0.0
    medians = [statistics.median(logs[at * size : (at + 1) * size]) for at in range(BLOCKS)]
    return statistics.stdev(medians) / math.sqrt(BLOCKS)


def t_quantile(p: float, freedom: int) -> float:
    """Student's t quantile for p in (0.5, 1): exact for 1 and 2 d.f., else Hill's expansion."""
    if not 0.5 < p < 1 or freedom < 1:
        raise ValueError(f"no t quantile for p={p}, {freedom} degrees of freedom")
    if freedom == 1:
        return math.tan(math.pi * (p - 0.5))
    if freedom == 2:
        a = 4 * p * (1 - p)
        return 2 * (p - 0.5) * math.sqrt(2 / a)
    return _hill(2 * (1 - p), freedom)


def _hill(two_tailed: float, n: int) -> float:
    """G. W. Hill, Algorithm 396 (CACM 1970)."""
    a = 1 / (n - 0.5)
    b = 48 / (a * a)
    c = ((20700 * a / b - 98) * a - 16) * a + 96.36
    d = ((94.5 / (b + c) - 3) / b + 1) * math.sqrt(a * math.pi / 2) * n
    x = d * two_tailed
    y = x ** (2 / n)
    if y > 0.05 + a:
        x = statistics.NormalDist().inv_cdf(two_tailed / 2)
        y = x * x
        if n < 5:
            c += 0.3 * (n - 4.5) * (x + 0.6)
        c = (((0.05 * d * x - 5) * x - 7) * x - 2) * x + b + c
        y = (((((0.4 * y + 6.3) * y + 36) * y + 94.5) / c - y - 3) / b + 1) * x
        y = math.expm1(a * y * y)
    else:
        y = (
            (1 / (((n + 6) / (n * y) - 0.089 * d - 0.822) * (n + 2) * 3) + 0.5 / (n + 4)) * y - 1
        ) * (n + 1) / (n + 2) + 1 / y
    return math.sqrt(n * y)
