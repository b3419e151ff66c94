"""How many samples a case needs, and what a Measurement is made of.

Looks are set beforehand (6, 12, 24, 48 samples): stopping whenever the interval happens to be narrow
would favour lucky streaks. Slow calls stop at the wall cap with few samples and a wide, honest
interval. What an empty call costs is measured in every process before the submission is loaded, on
each case's own memory, and subtracted; the result is never below what that can resolve.

Two clocks see a call on a device: the referee's, from outside, and the device's own, which the
contestant's process reads. The outside clock decides. The other one has the finer digits and stands
for it while both agree; one that keeps claiming less than the outside clock allows is evidence of
something that nobody should win with.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from kernelbot.judge import stats
from kernelbot.judge.protocol import Measurement

EMPTY_KERNEL_NS = 640.0
"""What a profiler says an empty kernel takes (CUPTI on an H200). The empty call launches one, so
that what is subtracted is the launch and the reading of the clocks, and not the kernel."""
SLACK_NS, SLACK = 1_000.0, 0.005
"""By how much a claim may beat the outside clock behind the same gate and still be believed: between
processes that clock's zero was seen to differ by up to a microsecond."""
EXCESS_NS, EXCESS = 5_000.0, 0.1
"""By how much it may be longer. That gains nobody anything, while a host that is busy as empty calls are timed
has too much subtracted from the outside clock: 5 % of a time were seen beside three other GPUs at work."""
LEVEL_NS = 2_500.0
"""By how much one process's empty calls may take longer than those of the quickest. What is beyond that is a host that was busy as
they were timed: on two H200s 220 us were subtracted from one of five processes, and 282 us became 206."""
PROOF_NS, PROOF = 2_500.0, 0.01
"""By how much a claim must beat the outside clock to be evidence against it."""
SKEW_NS = 5_000.0
"""The same of several ranks, beside it: each one's events begin when its own gate opens, and the last to begin is not always
the one that takes longest. Honest exchanges on two and four H200s hid up to 1.5 us, and took up to 2 us longer after a decoy."""
PROOF_SAMPLES = 6
FORESEEN_NS, FORESEEN = 2_500.0, 0.05
"""By how much all calls whose input came with the opening of their gate must be longer than the others to be
evidence that what the others are given is worked on before it."""
REVEALED = 6
"""How many of them, in one process, it takes."""
MOST_REVEALED = 4 * REVEALED
"""How many are tried to get so many that can be compared with the others; twice as many of a call that waits for the host,
since whoever is late now and then may be so in a third of the calls alone."""
UNLIKE = 1e-5
"""With what chance no more of them may be late, of calls of which many are: they are drawn by lot. Who can tell them beforehand
would have them compared with nothing."""
LAG, LAG_NS, LONGEST_LAG_NS = 1.25, 15_000.0, 10_000_000.0
"""How much later a kernel at the gate may run again when a decoy was replaced: this times the median of what it took in empty calls, but
no more than the longest of these, and so much beside; and how late at all, which is a slice of a device's time or two. What passes
beyond that counts as the call's, since whoever has replaced the runtime could hold the word back and work meanwhile. On six H200s
honest kernels took at most 153 us, and 99 and more but for a few of 30 to 80; empty ones the same (medians of 104 to 148 us)."""
SPARED, SPARED_NS, MOST_SPARED_NS = 1.5, 1_000.0, 3_000.0
"""How much of its own writing into the pages of several ranks the referee leaves out of a call's time: so many times what it took in
the median empty call of the case, and this, but for each rank no more than the last. On four H200s it once took 6 to 14 us of a call and 6 to
11 of an empty one, which put the outside clock off by up to 9 us, now this way and now that. Since it is quick (1.8 to 2.7 us) and left out both
clocks agree within 1.5 us. What it takes beyond that counts: who keeps memory busy while words are written gains half of the usual
time. One rank's takes 1.3 to 1.8 us, always, and counts."""
PROOF_RANK = 0.2
"""Outliers of the outside clock only lengthen it: even a call among its quickest must contradict."""
HOST_BOUND = 0.3
"""Share of late calls above which a case is said to wait for the host, and its time to include that."""


@dataclass(frozen=True)
class Plan:
    """When to stop sampling one case. ``target`` is the relative half-width wanted at 95 %."""

    warmup: int = 2
    looks: tuple[int, ...] = (8, 16, 32, 64)
    target: float = 0.02
    finest_ns: float = 0.0
    """Half-width that is narrow enough whatever the time. On an H200 processes differ by 30 ns (standard deviation) in kernels
    of 1 to 3 us: more calls in one of them hardly narrow what is known from three."""
    min_samples: int = 3
    wall_s: float = 1.0  # cap on one case in one process, the referee's own work included
    processes: int = 1  # fresh ones that a ranked run is measured in
    most_processes: int = 1  # where these differ among themselves
    patience_s: float = 15.0  # of measuring, after which no more are added
    doubt_s: float = 60.0  # of measuring, after which none is measured again
    unsure: float = 0.015  # relative standard error of a case above which they do
    empty_calls: int = 72  # of each case in one process
    empty_claims: int = 0
    """How many of them, of all cases together, the device's own clock is to have told. On an H200 a single one spreads by 75 to 105 ns
    (standard deviation), and what they take differs between processes by 55 ns, which the kernels' times follow."""
    decoys: int = 0  # calls of a case in one process that see their input when the gate opens
    warm_s: float = 0.0  # of load before the first call, so that clocks are up
    duty: float = 1.0  # share of the time that long calls may keep the device busy

    @property
    def confidence(self) -> float:
        """Each look gets its share of the 5 %, so that looking often does not cheat."""
        return 1 - 0.05 / len(self.looks)


# A processor's processes differ too; each is worth half a second of what somebody waits for.
CPU_PLAN = Plan(wall_s=0.7, processes=2, most_processes=3)
CUDA_PLAN = Plan(
    warmup=2, looks=(6, 12, 24, 48), target=0.004, finest_ns=40.0, wall_s=2.0, processes=3, most_processes=5, empty_calls=12, empty_claims=40,
    decoys=2, warm_s=0.05, duty=0.3,
)  # fmt: skip


def enough(
    samples: Sequence[float], plan: Plan, elapsed_s: float, overhead_ns: float = 0.0
) -> bool:
    """Whether sampling may stop after these samples (warm-up excluded) and this much wall time."""
    count = len(samples)
    if count < plan.min_samples:
        return False
    if elapsed_s >= plan.wall_s or count >= plan.looks[-1]:
        return True
    if count not in plan.looks:
        return False
    found = stats.estimate(samples)
    wanted = max(plan.target * (found.center - overhead_ns), plan.finest_ns)
    return found.half_width(plan.confidence) < wanted


@dataclass(frozen=True)
class Overhead:
    """What a call costs that does nothing, in ns."""

    ns: float = 0.0
    stderr_ns: float = 0.0
    resolution_ns: float = 1.0  # differences below this are jitter

    @staticmethod
    def of(samples: Sequence[float], known_ns: float = 0.0) -> Overhead:
        """From samples of empty calls. What they do take, ``known_ns``, must not be subtracted."""
        found = stats.estimate(samples)
        resolution = max(1.0, 2 * found.stderr, 0.02 * found.center)
        return Overhead(max(0.0, found.center - known_ns), found.stderr, resolution)

    @staticmethod
    def of_the_quickest(samples: Sequence[float]) -> Overhead:
        """No more than the quickest quarter took: the others tell of who else keeps the processor busy, and what is subtracted
        of that makes a time better than it is."""
        found = Overhead.of(samples)
        return replace(found, ns=min(found.ns, sorted(samples)[len(samples) // 4]))


@dataclass
class Series:
    """What one process gave for one case: times in ns, overheads included."""

    outside: list[float] = field(default_factory=list)  # by the referee's clock
    claimed: list[float] = field(default_factory=list)  # by the device's; NaN where it has none
    late: list[bool] = field(default_factory=list)  # the gate opened before all was enqueued
    revealed: list[tuple[float, bool]] = field(default_factory=list)
    """Outside and late, of calls whose input came when the gate opened. They are no samples."""
    outside_overhead: Overhead = Overhead()
    claimed_overhead: Overhead = Overhead()
    sm_mhz: float = 0.0
    watts: float = 0.0
    warnings: list[str] = field(default_factory=list)
    skew_ns: float = 0.0  # by which the clocks of several ranks may be apart
    late_of: tuple[int, int] | None = None
    """Of all samples, how many were late, where some have been left out."""

    def add(self, outside: float, claimed: float, late: bool) -> None:
        self.outside.append(outside)
        self.claimed.append(claimed)
        self.late.append(late)

    def without_late(self, least: int) -> Series:
        """A few late calls are left out: launching was not hidden in them. Many are what it is, and then those that were not
        late are: whose input is compared with a decoy's are the calls that are scored, and no others."""
        bound = self.host_bound
        kept = [at for at, late in enumerate(self.late) if late == bound]
        if len(kept) < least:
            return self
        return replace(
            self,
            outside=[self.outside[at] for at in kept],
            claimed=[self.claimed[at] for at in kept],
            late=[bound] * len(kept),
            late_of=(sum(self.late), len(self.late)),
        )

    @property
    def host_bound(self) -> bool:
        return sum(self.late) > HOST_BOUND * len(self.late)

    @property
    def has_claims(self) -> bool:
        """Whether the device's clock may speak. Of a call that waits for the host it sees a part."""
        return bool(self.claimed) and not self.host_bound and all(x > 0 for x in self.claimed)

    @property
    def finest(self) -> tuple[list[float], Overhead]:
        """The samples that sampling stops by, and their overhead."""
        if self.has_claims:
            return self.claimed, self.claimed_overhead
        return self.outside, self.outside_overhead

    def by_outside(self) -> Measurement:
        return self._measured(measurement(self.outside, self.outside_overhead))

    def by_device(self) -> Measurement:
        return self._measured(measurement(self.claimed, self.claimed_overhead, clock="device"))

    def _measured(self, found: Measurement) -> Measurement:
        count, late = len(self.late), sum(self.late)
        bound = (f"host-bound: {late} of {count} calls waited for the host",) if late else ()
        notes = (*bound, *self.warnings, *found.warnings)
        return replace(found, warnings=notes, sm_mhz=self.sm_mhz, watts=self.watts)

    @property
    def comparable(self) -> list[float]:
        """The times of those calls that waited for the host if the samples do, and only then."""
        return [ns for ns, late in self.revealed if late == self.host_bound]

    def foreseen(self) -> float:
        """By how many ns more than could be chance those calls took longer of which nothing could be done before;
        0 where they did not."""
        seen = self.comparable
        usual = [
            ns for ns, late in zip(self.outside, self.late, strict=True) if late == self.host_bound
        ]
        if not seen or not usual:
            return 0.0
        # What is scored is a trimmed mean: a head start in less than half of the calls lowers that and not the median.
        typical = min(statistics.median(usual), stats.estimate(usual).center)
        # Of the whole time: what empty calls took may be far too much, and the rest of it below nothing.
        allowed = FORESEEN_NS + self.skew_ns + FORESEEN * typical
        return max(0.0, min(seen) - typical - allowed)

    def foresight(self) -> str:
        """Evidence that other calls were worked on before their gate opened; "" if there is none."""
        count, late = len(self.revealed), sum(late for _, late in self.revealed)
        if len(self.comparable) < REVEALED and count >= MOST_REVEALED:
            others_late, others = self.late_of or (sum(self.late), len(self.late))
            if self.host_bound and _chance(late, count, others_late, others) < UNLIKE:
                return (
                    f"{count - late} of {count} calls that were given their input as the clock started were enqueued "
                    f"by then; of the others {others_late} of {others} were late"
                )
            if not self.host_bound and late > HOST_BOUND * count:
                return (
                    f"{late} of {count} calls that were given their input as the clock started were not enqueued by "
                    f"then; of the others hardly any was late"
                )
        if len(self.comparable) < REVEALED or not self.foreseen():
            return ""
        quick = min(self.comparable) - self.outside_overhead.ns
        usual = self.by_outside().ns
        return (
            f"{len(self.comparable)} calls that were given their input as the clock started took at least "
            f"{quick / 1e3:.2f} us, the others {usual / 1e3:.2f} us"
        )

    def contradiction(self) -> str:
        """Evidence that the device's clock claims less than the outside clock allows, or no time where it told one of
        empty calls; else ""."""
        if self.host_bound or len(self.outside) < PROOF_SAMPLES:
            return ""
        silent = sum(not claim > 0 for claim in self.claimed)
        if silent and self.claimed_overhead.ns:
            return f"device events tell no time in {silent} of {len(self.claimed)} calls; in empty ones they did"
        if not self.has_claims:
            return ""
        hidden = sorted(
            (outside - self.outside_overhead.ns) - (claim - self.claimed_overhead.ns)
            for outside, claim in zip(self.outside, self.claimed, strict=True)
        )
        outside = self.by_outside().ns
        least = hidden[int(PROOF_RANK * len(hidden))]
        allowed = PROOF_NS + self.skew_ns + PROOF * outside
        if least <= allowed + self.outside_overhead.resolution_ns:
            return ""
        return (
            f"device events claim {self.by_device().ns / 1e3:.2f} us, the referee's clock "
            f"{outside / 1e3:.2f} us; in four calls of five more than {least / 1e3:.2f} us are hidden"
        )


def _chance(late: int, count: int, others_late: int, others: int) -> float:
    """That no more than ``late`` of ``count`` calls are late, if these are drawn by lot from all of them."""
    total = late + others_late
    ways = sum(math.comb(count, few) * math.comb(others, total - few) for few in range(late + 1))
    return ways / math.comb(count + others, total)


def levelled(runs: Sequence[Series]) -> list[Series]:
    """Processes of one case, with about the same subtracted from the outside clock in each: too little makes a time longer by
    that, too much makes it better than it is, and what is not known of it would excuse what contradicts it."""
    quickest = min(
        (run.outside_overhead for run in runs), key=lambda each: each.ns, default=Overhead()
    )
    return [
        replace(run, outside_overhead=quickest)
        if run.outside_overhead.ns > quickest.ns + LEVEL_NS + run.skew_ns
        else run
        for run in runs
    ]


def decide(runs: Sequence[Series], *, gated: bool) -> list[Measurement]:
    """The time of a case by each process: by the finer clock where it agrees in all of them."""
    runs = levelled(runs)
    outside = [run.by_outside() for run in runs]
    if not all(run.has_claims for run in runs):
        return outside
    claimed = [run.by_device() for run in runs]
    if all(agree(mine, yours, gated=gated) for mine, yours in zip(claimed, outside, strict=True)):
        return claimed
    note = "device events disagree with the outside clock"
    return [replace(found, warnings=(*found.warnings, note)) for found in outside]


def agree(claimed: Measurement, outside: Measurement, *, gated: bool) -> bool:
    """Whether device events may stand for the outside clock.

    Behind a gate both see the same interval, up to a microsecond and half a percent and what the
    outside clock's own error leaves open. Without one the outside clock also holds launches and
    copies, so it only bounds from above what the events may have missed.
    """
    if gated:
        missing = outside.ns - claimed.ns
        slack = SLACK_NS + SLACK * outside.ns
        # No more for that error than the slack itself: whoever makes a call slow now and then makes it as large as they like.
        allowed = slack + min(2 * outside.stderr_ns, slack)
        return -(EXCESS_NS + EXCESS * outside.ns) <= missing <= allowed
    return outside.ns / 1.3 - 50_000 <= claimed.ns <= outside.ns + 10_000


def contradictions(runs: Sequence[Series]) -> str:
    """Evidence that every process gave; chance does not strike in all of them. "" if none.

    One whose empty calls met a busy host cannot say, and where those are half of them the quickest may be the one that differs.
    """
    found = _contradictions(runs)
    return "; ".join(dict.fromkeys(found)) if 2 * len(found) > len(runs) and all(found) else ""


def doubts(runs: Sequence[Series]) -> str:
    """Evidence that some processes gave, for who looks at the run: the outside clock has decided. "" if none."""
    return "; ".join(dict.fromkeys(filter(None, _contradictions(runs))))


def _contradictions(runs: Sequence[Series]) -> list[str]:
    """Of each process whose empty calls met no busy host."""
    return [
        run.contradiction() for run, even in zip(runs, levelled(runs), strict=True) if run is even
    ]


def foresights(runs: Sequence[Series]) -> str:
    """Evidence of any process: in each it takes several calls, all of which were longer."""
    return "; ".join(dict.fromkeys(filter(None, (run.foresight() for run in levelled(runs)))))


def spared(empty: Sequence[float], ranks: int) -> float:
    """How many ns of the referee's own writing no call of a case is charged with; ``empty`` is what it took in empty ones."""
    if ranks == 1 or not empty:
        return 0.0
    return min(SPARED * statistics.median(empty) + SPARED_NS, MOST_SPARED_NS * ranks)


def longest_lag(empty: Sequence[float]) -> float:
    """After how many ns a device should run again that a decoy was replaced on; ``empty`` is what it took in empty calls."""
    if not empty:
        return 0.0
    return min(max(empty), LAG * statistics.median(empty), LONGEST_LAG_NS) + LAG_NS


def below(found: Measurement, floor_ns: float) -> str:
    """Evidence that a time is under what is physically possible; "" if it is not."""
    if found.high_ns >= floor_ns:
        return ""
    return f"{found.ns / 1e3:.2f} us is below the physical floor of {floor_ns / 1e3:.2f} us"


def combine(cases: Sequence[Sequence[Measurement]]) -> list[Measurement]:
    """One measurement for each case from those of its processes.

    The error is that between processes, which one process does not see of itself. A few processes
    tell little about it, so each case borrows from the others.
    """
    spreads = stats.moderated([[found.ns for found in case] for case in cases])
    return [_combined(case, spread) for case, spread in zip(cases, spreads, strict=True)]


def unsure(runs: Sequence[Sequence[Series]], plan: Plan, *, gated: bool) -> bool:
    """Whether another process would tell more: some differ in ways that no number of calls evens out.

    Asks for the spread and never for the times themselves, so nobody can wait for a lucky one. Calls
    that wait for the host differ for ever, and are said to.
    """
    if any(len(case) >= plan.most_processes for case in runs):
        return False
    found = combine([decide(case, gated=gated) for case in runs])
    return any(
        one.stderr_ns > plan.unsure * one.ns and not any(run.host_bound for run in case)
        for one, case in zip(found, runs, strict=True)
    )


def _combined(case: Sequence[Measurement], spread: tuple[float, int]) -> Measurement:
    if len(case) == 1:
        return case[0]
    deviation, freedom = spread
    count = len(case)
    ns = statistics.geometric_mean([found.ns for found in case])
    within = sum((found.stderr_ns / found.ns) ** 2 for found in case) ** 0.5 / count
    between = deviation / count**0.5
    stderr = ns * max(within, between)
    half = stats.t_quantile(0.975, freedom) * stderr
    known = [found for found in case if found.sm_mhz]
    return Measurement(
        ns=ns,
        low_ns=max(ns - half, min(found.low_ns for found in case) / 2),
        high_ns=ns + half,
        stderr_ns=stderr,
        best_ns=min(found.best_ns for found in case),
        worst_ns=max(found.worst_ns for found in case),
        samples=sum(found.samples for found in case),
        clock=case[0].clock,
        warnings=tuple(dict.fromkeys(note for found in case for note in found.warnings)),
        processes=count,
        sm_mhz=statistics.median([found.sm_mhz for found in known]) if known else 0.0,
        watts=statistics.median([found.watts for found in known]) if known else 0.0,
    )


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
