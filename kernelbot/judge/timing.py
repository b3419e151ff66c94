"""How many samples a case needs, and what a Measurement is made of.

Looks are set beforehand (8, 16, 32 ... samples): stopping whenever the interval happens to be
narrow would favour lucky streaks. Slow calls stop at the wall cap with few samples and a wide,
honest interval. The overhead of a call that does nothing is measured before the submission is
loaded, and subtracted; the result is never below what that overhead's own jitter can resolve.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kernelbot.judge import stats
from kernelbot.judge.protocol import Measurement


@dataclass(frozen=True)
class Plan:
    """When to stop sampling one case. ``target`` is the relative half-width wanted at 95 %."""

    warmup: int = 2
    looks: tuple[int, ...] = (8, 16, 32, 64)
    target: float = 0.02
    min_samples: int = 3
    wall_s: float = 1.0  # cap on one case, the referee's own work included

    @property
    def confidence(self) -> float:
        """Each look gets its share of the 5 %, so that looking often does not cheat."""
        return 1 - 0.05 / len(self.looks)


CPU_PLAN = Plan()
CUDA_PLAN = Plan(warmup=3, looks=(12, 24, 48, 96), target=0.005, wall_s=6.0)


def enough(samples: Sequence[float], plan: Plan, elapsed_s: float) -> bool:
    """Whether sampling may stop after these samples (warm-up excluded) and this much wall time."""
    count = len(samples)
    if count < plan.min_samples:
        return False
    if elapsed_s >= plan.wall_s or count >= plan.looks[-1]:
        return True
    if count not in plan.looks:
        return False
    found = stats.estimate(samples)
    return found.half_width(plan.confidence) < plan.target * found.center


@dataclass(frozen=True)
class Overhead:
    """What a call costs that does nothing, in ns."""

    ns: float = 0.0
    stderr_ns: float = 0.0
    resolution_ns: float = 1.0  # differences below this are jitter

    @staticmethod
    def of(samples: Sequence[float]) -> Overhead:
        """From samples of null calls, the first third being warm-up."""
        kept = samples[len(samples) // 3 :]
        found = stats.estimate(kept)
        resolution = max(1.0, 2 * found.stderr, 0.02 * found.center)
        return Overhead(found.center, found.stderr, resolution)


def agree(claimed: Measurement, outside: Measurement, *, gated: bool) -> bool:
    """Whether device events may stand for the outside clock.

    Behind a gate both see the same interval: within 1 us and 1 %. Without one the outside clock
    also holds launches and copies, so it only bounds from above what the events may have missed.
    """
    if gated:
        return abs(claimed.ns - outside.ns) <= 1000 + 0.01 * outside.ns
    return outside.ns / 1.3 - 50_000 <= claimed.ns <= outside.ns + 10_000


def measurement(
    samples: Sequence[float],
    overhead: Overhead,
    *,
    clock: str = "host",
    warnings: Sequence[str] = (),
) -> Measurement:
    """The time of one case from its raw samples in ns. Never zero or below."""
    found = stats.estimate(samples)
    floor = overhead.resolution_ns
    net = max(found.center - overhead.ns, floor)
    stderr = (found.stderr**2 + overhead.stderr_ns**2) ** 0.5
    half = stats.t_quantile(0.975, found.freedom) * stderr
    notes = list(warnings)
    if net <= floor:
        notes.append(f"below what this clock can resolve ({floor:.0f} ns)")
    if half > 0.1 * net:
        notes.append("noisy: the interval is wider than 10 % to each side")
    return Measurement(
        ns=net,
        low_ns=max(net - half, min(net, floor)),
        high_ns=net + half,
        stderr_ns=stderr,
        best_ns=max(min(samples) - overhead.ns, floor),
        worst_ns=max(max(samples) - overhead.ns, floor),
        samples=len(samples),
        clock=clock,
        warnings=tuple(notes),
    )
