"""How fast a case can be on a GPU at best, what no kernel can be below, and where a time stands.

Pure. The *bound* is what a kernel is held against: the least work at the vendor's peaks. The *floor* is
what contradicts physics: a time below it is quarantined, so it errs to the kernel's side everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

from kernelbot.domain.peaks import Peaks

Limiter = Literal["memory", "compute", "link"]

LAUNCH_S = 2e-6
"""Below this a launch and its first access to memory take longer than the work."""

MARGIN = 0.8
"""Of the time at datasheet peaks that a floor claims. Memory runs up to 2.5 % over its datasheet (4.92
TB/s on an H200), compute clocks up to 8.2 % over the clock that FLOP rates are stated for (1980 MHz
to 1830 MHz), one level of Strassen's algorithm saves 12.5 % of a matrix product, and a sweep
does not empty a cache to the last line."""
SLACK_S = 2e-6
"""What small times may be off by: overheads are subtracted from them."""
SWEPT_BYTES = 256 << 20
"""The judge reads twice the cache that the driver reports, or this much, before each timed call: a
cache of up to half of it holds nothing of the input."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """The least that one call must do, on one GPU."""

    bytes: float = 0.0  # to and from memory
    writes: float = 0.0  # of these, the most that may be written
    flops: Mapping[str, float] = field(default_factory=dict)
    link_bytes: float = 0.0  # to or from other GPUs, in one direction

    @property
    def operations(self) -> float:
        return math.fsum(self.flops.values())


@dataclass(frozen=True, kw_only=True)
class Bound:
    """The speed of light of one case on one GPU, and what sets it."""

    seconds: float
    limiter: Limiter


def bound(work: Work, peaks: Peaks) -> Bound | None:
    """The longest of moving the bytes, computing and communicating, each at its peak.

    None when nothing is known: no work, or none that the GPU has a peak for.
    """
    times: dict[Limiter, float] = {
        "memory": work.bytes / peaks.bandwidth,
        "compute": math.fsum(_computing(work, peaks)),
        "link": work.link_bytes / peaks.link if peaks.link else 0.0,
    }
    limiter = max(times, key=lambda key: times[key])
    return Bound(seconds=times[limiter], limiter=limiter) if times[limiter] > 0 else None


def _computing(work: Work, peaks: Peaks) -> list[float]:
    """Seconds of each type, for those the GPU has a peak for."""
    rates = {dtype: peaks.rate(dtype) for dtype in work.flops}
    return [work.flops[dtype] / rate for dtype, rate in rates.items() if rate]


def floor(work: Work, peaks: Peaks, terms: Collection[str]) -> float:
    """Seconds that no correct kernel can be below; 0: none can be told.

    Of the bound it takes the ``terms`` ("bytes", "flops", "link_bytes") that cannot be avoided, and of
    those what the hardware forces: what is written may stay in the cache when the clock stops, what is
    read may already be there if the cache is too large for the judge's sweep, and units for different
    types work side by side. MARGIN and SLACK_S are for what the datasheet does not say.
    """
    kept = max(0.0, work.writes - peaks.cache)
    warm = 0.0 if 2 * peaks.cache <= SWEPT_BYTES else peaks.cache
    moved = max(0.0, work.bytes - work.writes - warm) + kept
    times = {
        "bytes": moved / peaks.bandwidth,
        "flops": max(_computing(work, peaks), default=0.0),
        "link_bytes": work.link_bytes / peaks.link if peaks.link else 0.0,
    }
    longest = max((times[term] for term in terms), default=0.0)
    return max(0.0, MARGIN * longest - SLACK_S)


@dataclass(frozen=True, kw_only=True)
class Position:
    """Where a measured time stands under the roof of a GPU."""

    seconds: float
    bound: Bound
    share: float  # of the speed of light: 1 is as fast as can be
    limiter: Literal["memory", "compute", "link", "launch"]
    intensity: float | None  # FLOP per byte; None: no bytes
    ridge: float | None  # the intensity from which computing takes longer; None: no operations
    bandwidth: float  # bytes/s that it moved, counting the least only
    flops: float  # FLOP/s that it computed

    @property
    def text(self) -> str:
        """``71 % of speed of light (memory-bound)``."""
        return f"{percent(self.share)} of speed of light ({self.limiter}-bound)"


def position(work: Work, peaks: Peaks, seconds: float) -> Position | None:
    """Where a time stands; None when there is no bound. ``limiter`` is "launch" where the work itself
    is so little that launching it takes longer."""
    found = bound(work, peaks)
    if found is None or not seconds > 0:
        return None
    computing = math.fsum(_computing(work, peaks))
    return Position(
        seconds=seconds,
        bound=found,
        share=found.seconds / seconds,
        limiter="launch" if found.seconds < LAUNCH_S else found.limiter,
        intensity=work.operations / work.bytes if work.bytes else None,
        ridge=work.operations / computing / peaks.bandwidth if computing else None,
        bandwidth=work.bytes / seconds,
        flops=work.operations / seconds,
    )


def percent(share: float) -> str:
    """``71 %``, ``4.2 %``: two digits that mean something."""
    value = 100 * share
    return f"{value:.1f} %" if value < 9.95 else f"{value:.0f} %"
