"""Measuring: one case with one contestant, and all benchmarks in one process.

Every call, timed or not, is on a fresh input and compared. Each process measures the cases in
another random order, after the empty call of each case was timed, which happens before the
submission is loaded.
"""

from __future__ import annotations

import contextlib
import functools
import random
import secrets
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from kernelbot.judge import channel, timing
from kernelbot.judge.cases import Case, Problem, ProblemFault
from kernelbot.judge.channel import Arena
from kernelbot.judge.compare import untouched
from kernelbot.judge.deck import Deck, Sets
from kernelbot.judge.device import Meter, Reading, keep_busy, slowed
from kernelbot.judge.inside.driver import NoRoom
from kernelbot.judge.process import NO_MEMORY, Contestant, Failure, Sample
from kernelbot.judge.protocol import Job, VerdictKind
from kernelbot.judge.timing import Overhead, Plan, Series

COMPILING_S = 60.0
"""What a first call may take of the time for building: enough to compile, and no more, because a
call that never returns holds the device as long."""
POISONS = (0xFF, 0x7F, 0xE5, 0x5A, 0xDB)
"""Bytes an output buffer is filled with before a call: NaN or absurd in every dtype."""
SLOW_S = 0.05
"""Where making an input, its answer and comparing take longer than this, one call warms a case up."""
EMPTY_S = 60.0
METER_EVERY = 8
MOST_DECOYED = 16 << 30
DECOYED_SHARE = 12
"""Bytes of a case above which it has no decoys, and the share of a device's memory: each needs the place of two inputs more,
which tests do not take from the submission."""
NO_DECOY = (
    "its inputs are too large to be hidden until the clock starts: work before that is not excluded"
)
DECOYED_EMPTIES = 5
"""Empty calls of a process that have a decoy, at least one of each case, for how long the device takes until it runs again."""
LONGEST_REST_S = 0.25
CLOCK_TOLERANCE, RETRIES = 0.03, 2
"""How far below its normal clock a device may be, and how often a case is then measured again."""
NO_ROOM = ("CUDA error: out of memory", "_ALLOC_FAILED")
"""What torch and the libraries below it say besides OutOfMemoryError: pinned memory, workspaces."""
LIKE_OTHERS = 2.0
"""How many times as long as the longest sample so far the one may have taken that the time limit cut off."""
UNSETTLED = "the output was still changing when the call had ended"


class Budget:
    """Seconds of one stage; only the contestant's own time is charged."""

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self.spent_s = 0.0

    @property
    def left_s(self) -> float:
        return max(0.0, self.limit_s - self.spent_s)

    @contextlib.contextmanager
    def charged(self, first: Budget | None = None) -> Iterator[float]:
        """Yields what is left, as a time-out, and charges what was used.

        ``first`` is another stage's budget, of which a part is used up before this one. What never
        ends is ended at the larger of the two, not at their sum.
        """
        began = time.monotonic()
        reserve = min(first.left_s, COMPILING_S) if first else 0.0
        try:
            yield max(reserve, self.left_s)
        finally:
            used = time.monotonic() - began
            elsewhere = min(used, reserve)
            if first:
                first.spent_s += elsewhere
            self.spent_s += used - elsewhere


class Lane:
    """One case with one contestant: fresh input, call, comparison, as often as asked."""

    def __init__(
        self,
        contestant: Contestant,
        problem: Problem,
        args: dict[str, Any],
        budget: Budget,
        build: Budget,
    ) -> None:
        self._contestant = contestant
        self._problem = problem
        self._args = args
        self._budget = budget
        self._build = build  # pays for a process's first call as far as it goes: that one compiles
        self._arenas: list[Arena | Sets] = []  # one for each rank
        self._poisons: dict[int, int] = {}  # by rank, what the outputs were filled with
        self._ours_s = 0.0  # of the last checked call: input, answer and comparison

    def __enter__(self) -> Lane:
        return self

    def __exit__(self, *exception: object) -> None:
        self._close()

    def _close(self) -> None:
        for arena in self._arenas:
            arena.close()
        self._arenas = []

    def sample(self, *, twice: bool = False, timed: bool = False, decoyed: bool = False) -> Sample:
        """One checked call, or two on the same input. Raises Failure when it goes wrong or its answer is.

        ``decoyed``: with another input in its place until the gate opens, where that can be done.
        """
        call = functools.partial(self._contestant.call, timed=timed)
        sample: Sample = self._checked(call, twice=twice, decoyed=decoyed)
        return sample

    def warm_up(self, calls: int, wall_s: float) -> None:
        """Checked calls that nobody times, fewer where making an input and its answer takes long.

        Raises Failure as :meth:`sample` does. Each has an input of its own, or memory would hold an answer.
        """
        began = time.monotonic()
        for _ in range(calls):
            self.sample()
            if self._ours_s > SLOW_S or time.monotonic() - began > wall_s:
                break

    def empty(self, calls: int, decoyed: int = 1) -> tuple[list[Sample], bool]:
        """Calls of a process that has loaded nothing yet: what remains is what a call costs.

        And whether there is room for decoys, which the first ``decoyed`` have: how long a device takes to run again shows there.
        """
        cases = self._problem.fresh_for_all(self._args)
        self._lay_out(cases)
        decoys = self._fill_decoyed(cases)
        samples, room = [], decoys is not None
        for at in range(calls):
            # What the referee does on the device between calls leaves it as cold as for real ones.
            if at >= decoyed:
                decoys = None
            if at:
                self._fill(cases, decoys)
            samples.append(self._contestant.call(EMPTY_S))
            for arena in self._arenas:
                arena.outputs()
        return samples, room

    @property
    def on_device(self) -> bool:
        """Whether inputs are handed over in the device's memory, where decoys can be had of what is not too large."""
        return all(isinstance(arena, Deck) for arena in self._arenas)

    def _fill_decoyed(self, cases: Sequence[Case]) -> list[Any] | None:
        """Fill, with decoys where they can be had and, nothing submitted having run yet, the device has room for them."""
        import torch

        try:
            decoys = self._decoys(cases)
            self._fill(cases, decoys)
            return decoys
        except (RuntimeError, ProblemFault) as error:
            if not any(map(_no_room, (error, error.__cause__))):
                raise
        decoys = None
        self._fill(cases)  # without
        torch.cuda.empty_cache()  # behind the handler, whose traceback holds what there was no room for
        return None

    def _decoys(self, cases: Sequence[Case]) -> list[Any] | None:
        if not self.on_device:
            return None
        if max(arena.layout.size for arena in self._arenas) > most_decoyed():
            return None
        return self._problem.others_for_all(cases)

    def _checked(
        self, call: Callable[[float], Any], *, twice: bool = False, decoyed: bool = False
    ) -> Any:
        with room_for_us():
            problem = self._problem
            began = time.monotonic()
            cases = problem.fresh_for_all(self._args)
            self._lay_out(cases)
            charged_s = self._budget.spent_s + self._build.spent_s
            found, first = self._answered(call, cases, self._decoys(cases) if decoyed else None)
            charged_s -= self._budget.spent_s + self._build.spent_s
            for rank, case in enumerate(cases):
                complaint, secret = problem.verdict(case, first[rank])
                self._demand(rank, complaint and complaint + self._left_out(rank, first), secret)
            self._ours_s = time.monotonic() - began + charged_s
            if twice:
                _, second = self._answered(call, cases)
                for rank, case in enumerate(cases):
                    self._demand(rank, *problem.repeated(case, first[rank], second[rank]))
        return found

    def _answered(
        self,
        call: Callable[[float], Any],
        cases: Sequence[Case],
        decoys: Sequence[Any] | None = None,
    ) -> tuple[Any, list[list[Any]]]:
        """What a call gives, and each rank's outputs as they are once the contestant stands still."""
        self._fill(cases, decoys)
        if self._budget.left_s <= 0:
            raise self._contestant.out_of_time()
        first = self._build if self._contestant.compiling else None
        with self._budget.charged(first) as left:
            found = call(left)
        outputs = [arena.outputs() for arena in self._arenas]
        for rank in range(len(outputs)):
            if not self._contestant.settled(rank):
                self._demand(rank, UNSETTLED, UNSETTLED)
        return found, outputs

    def _fill(self, cases: Sequence[Case], decoys: Sequence[Any] | None = None) -> None:
        for rank, (arena, case) in enumerate(zip(self._arenas, cases, strict=True)):
            poison = self._poisons[rank] = secrets.choice(POISONS)
            if decoys is not None and isinstance(arena, Deck):
                arena.fill(case.data, poison, decoys[rank])
            else:
                arena.fill(case.data, poison)

    def _left_out(self, rank: int, outputs: Sequence[list[Any]]) -> str:
        """What a kernel that leaves elements out would take for its own wrong values."""
        count = untouched(outputs[rank], self._poisons[rank])
        are = "element is" if count == 1 else "elements are"
        return f"; {count} {are} as before the call, as if never written" if count else ""

    def _demand(self, rank: int, complaint: str, secret: str) -> None:
        if complaint:
            failure = Failure(VerdictKind.WRONG_ANSWER, complaint, guarded=secret)
            raise self._contestant.told(failure, rank)

    def _lay_out(self, cases: Sequence[Case]) -> None:
        """The memory of the case for every rank; new only when a layout changed."""
        layouts = [case.layout for case in cases]
        if [arena.layout for arena in self._arenas] == layouts:
            return
        for layout in layouts:
            if complaint := self._contestant.misfit(layout):
                raise ProblemFault(complaint)
        self._close()
        self._arenas = self._contestant.lay_out(layouts)
        with self._budget.charged() as left:
            self._contestant.prepare(self._arenas, left)


@contextlib.contextmanager
def room_for_us() -> Iterator[None]:
    """Whoever takes all of the device's memory ends for want of it, and not the judge: before
    anything was loaded, the cases have been seen to fit.

    Raises Failure in place of the referee's own out-of-memory errors.
    """
    try:
        yield
    except Exception as error:
        if not isinstance(error, Failure) and any(map(_no_room, (error, error.__cause__))):
            raise Failure(
                VerdictKind.OUT_OF_MEMORY,
                "The program left none of the device's memory for the input and the check.",
                guarded=NO_MEMORY,
            ) from error
        raise


def most_decoyed() -> int:
    """Bytes of a case on one device up to which it may have decoys."""
    import torch

    total: int = torch.cuda.get_device_properties(0).total_memory
    return min(MOST_DECOYED, total // DECOYED_SHARE)


def _no_room(error: BaseException | None) -> bool:
    """Whether a device's memory was full, whichever library says so."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | NoRoom):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in NO_ROOM)


class Bench:
    """All benchmarks of a job in one process."""

    def __init__(self, job: Job, plan: Plan, meter: Meter, lane: Callable[[int], Lane]) -> None:
        self._job = job
        self._plan = plan
        self._meter = meter
        self._lane = lane  # of a benchmark, by its index
        self._overheads: list[tuple[Overhead, Overhead]] = []  # outside and claimed, per benchmark
        self._decoys: list[bool] = [False] * len(job.benchmarks)  # whether it can have them
        self._bare: list[bool] = [False] * len(job.benchmarks)  # or is too large for them
        self._lag_ns = 0.0  # after which a kernel at the gate should run again
        self._spared_ns: list[float] = []  # per benchmark, of the referee's own writing in a call

    def calibrate(self, contestant: Contestant) -> None:
        """Time empty calls; nothing submitted has run in the process yet."""
        keep_busy(self._job.device, self._job.world_size, self._plan.warm_s)
        self._meter.learn()
        if self._job.device == "cpu":
            count = len(self._job.benchmarks)
            self._overheads = [_empty_on_cpu(contestant, self._plan)] * count
            self._spared_ns = [0.0] * count
            return
        known_ns = timing.EMPTY_KERNEL_NS
        found, took = [], []
        decoyed = max(1, DECOYED_EMPTIES // len(self._job.benchmarks))
        for index in range(len(self._job.benchmarks)):
            began = time.monotonic()
            with self._lane(index) as lane:
                samples, self._decoys[index] = lane.empty(self._plan.empty_calls, decoyed)
                self._bare[index] = lane.on_device and not self._decoys[index]
                found.append(samples)
            took.append(time.monotonic() - began)
        more = self._plan.empty_claims - sum(len(_warm(samples)) for samples in found)
        if more > 0:
            quickest = took.index(min(took))
            with self._lane(quickest) as lane:
                again, _ = lane.empty(more * 3 // 2)  # a third of all is left out
            found[quickest] += [sample for sample in again if not sample.revealed]
        self._spared_ns = [
            timing.spared([sample.host_ns for sample in _warm(samples)], self._job.world_size)
            for samples in found
        ]
        # To the device's own clock an empty kernel is the same whatever the case.
        claimed = _claimed([sample for samples in found for sample in _warm(samples)], known_ns)
        self._overheads = [
            (Overhead.of([charged(sample, spared) for sample in _warm(samples)], known_ns), claimed)
            for samples, spared in zip(found, self._spared_ns, strict=True)
        ]
        lags = [sample.lag_ns for samples in found for sample in samples if sample.revealed]
        self._lag_ns = timing.longest_lag(lags)

    def run(self, begin: Callable[[int], None], done: Callable[[int, Series], None]) -> None:
        """Measure all benchmarks in random order; the callbacks get the index of each."""
        order = list(range(len(self._job.benchmarks)))
        random.SystemRandom().shuffle(order)
        for index in order:
            begin(index)
            with self._lane(index) as lane:
                done(index, self._measured(lane, index))

    def _measured(self, lane: Lane, index: int) -> Series:
        """One case, again when the device was not at its normal clock."""
        for _ in range(RETRIES):
            series, why = self._series(lane, index)
            if not why:
                return series
            time.sleep(LONGEST_REST_S)
        series, why = self._series(lane, index)
        if why:
            series.warnings.append(why)
        return series

    def _series(self, lane: Lane, index: int) -> tuple[Series, str]:
        """Samples until the estimate is good enough, every one a checked call on a fresh input; and why
        the device was slower meanwhile than it is, if it was."""
        plan = self._plan
        outside, claimed = self._overheads[index]
        spared_ns = self._spared_ns[index]
        skew_ns = timing.SKEW_NS if self._job.world_size > 1 else 0.0
        series = Series(outside_overhead=outside, claimed_overhead=claimed, skew_ns=skew_ns)
        lane.warm_up(plan.warmup, plan.wall_s)
        began = time.monotonic()
        readings: list[Reading] = []
        longest_s = 0.0
        decoyed = Decoyed(plan, series) if self._decoys[index] else None
        while not self._enough(series, elapsed_s := time.monotonic() - began) or (
            decoyed is not None and decoyed.due(elapsed_s)
        ):
            sampled = time.monotonic()
            hide = decoyed is not None and decoyed.drawn(elapsed_s)
            try:
                sample = lane.sample(timed=True, decoyed=hide)
            except Failure as failure:
                late = failure.kind is VerdictKind.TIMED_OUT
                # One that would have ended: whoever hangs when the samples suit it shall not keep them.
                like_others = time.monotonic() - sampled <= LIKE_OTHERS * longest_s
                # Nor shall time be up before there are enough that took longer behind a decoy to be evidence.
                clear = decoyed is None or decoyed.clear
                if late and like_others and clear and len(series.outside) >= plan.min_samples:
                    break
                raise
            longest_s = max(longest_s, time.monotonic() - sampled)
            if len(series.outside) % METER_EVERY == 0:
                readings.append(self._meter.read())
            if sample.revealed:
                held_back = max(0.0, sample.lag_ns - self._lag_ns)
                series.revealed.append((charged(sample, spared_ns) + held_back, sample.late))
                continue
            if hide:
                decoyed = None  # the input came out in another form, as it may again: each attempt is a call
            series.add(charged(sample, spared_ns), sample.claimed_ns, sample.late)
            _rest(plan, sample.ns / 1e9, time.monotonic() - sampled)
        series.sm_mhz = statistics.median(item.mhz for item in readings)
        series.watts = statistics.median(item.watts for item in readings)
        if self._bare[index]:
            series.warnings.append(NO_DECOY)
        why = slowed(readings, self._meter.normal_mhz, CLOCK_TOLERANCE)
        return series.without_late(plan.min_samples), why

    def _enough(self, series: Series, elapsed_s: float) -> bool:
        samples, overhead = series.without_late(1).finest
        return timing.enough(samples, self._plan, elapsed_s, overhead.ns)


class Decoyed:
    """Which of the calls of a case have a decoy: some among the first, at places that nobody can foretell, and
    more where these took longer than the others, or cannot be compared with them."""

    def __init__(self, plan: Plan, series: Series) -> None:
        self._plan = plan
        self._series = series
        self._chance = random.SystemRandom()
        self._first = plan.looks[0] + plan.decoys
        self._places = set(self._chance.sample(range(self._first), plan.decoys))
        self._calls = self._drawn = 0

    @property
    def clear(self) -> bool:
        """Whether there was one that can be compared, and none that took longer."""
        return bool(self._series.comparable) and not self._series.foreseen()

    def due(self, elapsed_s: float) -> bool:
        """Whether sampling must go on for their sake: one will do where calls are slow."""
        count = len(self._series.comparable)
        least = 1 if elapsed_s >= self._plan.wall_s else self._plan.decoys
        doubtful = 0 < count < timing.REVEALED and self._series.foreseen() > 0
        most = timing.MOST_REVEALED * (2 if self._series.host_bound else 1)
        return self._drawn < most and (count < least or doubtful)

    def drawn(self, elapsed_s: float) -> bool:
        """Whether the next call is to have one."""
        at, self._calls = self._calls, self._calls + 1
        if elapsed_s < self._plan.wall_s and at < self._first:
            drawn = at in self._places
        else:
            # Who makes calls long shall not be through before there was one.
            drawn = self.due(elapsed_s) and (not self._drawn or self._chance.random() < 0.5)
        self._drawn += drawn
        return drawn


def _empty_on_cpu(contestant: Contestant, plan: Plan) -> tuple[Overhead, Overhead]:
    import torch

    buffer = torch.zeros(64)
    layout = channel.plan((buffer,), buffer, 1)
    arenas = contestant.lay_out([layout] * len(contestant.ranks))
    contestant.prepare(arenas, EMPTY_S)
    samples = [contestant.call(EMPTY_S) for _ in range(plan.empty_calls)]
    for arena in arenas:
        arena.close()
    return Overhead.of_the_quickest([sample.ns for sample in _warm(samples)]), Overhead()


def _warm(samples: list[Sample]) -> list[Sample]:
    """Without the first third."""
    return samples[len(samples) // 3 :]


def charged(sample: Sample, spared_ns: float) -> float:
    """The time of a call by the referee's clock, less what the referee was busy with itself, up to a bound."""
    return sample.ns - min(sample.host_ns, spared_ns)


def _claimed(samples: list[Sample], known_ns: float) -> Overhead:
    claims = [sample.claimed_ns for sample in samples]
    usable = bool(claims) and all(claim > 0 for claim in claims)
    return Overhead.of(claims, known_ns) if usable else Overhead()


def _rest(plan: Plan, busy_s: float, elapsed_s: float) -> None:
    """Leave the device idle long enough that sustained load does not lower its clock."""
    idle = busy_s * (1 / plan.duty - 1) - (elapsed_s - busy_s)
    if idle > 0:
        time.sleep(min(idle, LONGEST_REST_S))
