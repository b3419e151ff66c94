"""The trusted process: owns seeds, inputs, truth, comparison, the clock and the verdict.

One run, told in order: start a contestant behind the strongest fence that works here, import torch
meanwhile; time calls that do nothing; let it load the submission; check every test; measure every
benchmark on inputs that are fresh for every call, each answer compared; write the verdict.
Whatever the contestant does ends as a Failure with a verdict of its own; only our own faults become
``judge_failed``.
"""

from __future__ import annotations

import contextlib
import os
import platform
import select
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from kernelbot.judge import cache, hints, native, profiling_run, sandbox, timing
from kernelbot.judge import device as devices
from kernelbot.judge.artefacts import Shelf
from kernelbot.judge.build import Workshop, shorten, summary, syntax_error
from kernelbot.judge.cases import Problem, ProblemFault, open_problem
from kernelbot.judge.evaluator import Evaluation
from kernelbot.judge.guard import undisturbed
from kernelbot.judge.measuring import Bench, Budget, Lane
from kernelbot.judge.process import Contestant, Failure, NotStarted
from kernelbot.judge.profiling_run import Stand
from kernelbot.judge.protocol import (
    ARTEFACTS_DIR,
    JOB_FILE,
    MAX_JOB_BYTES,
    PROBLEM_DIR,
    SUBMISSION_DIR,
    VERDICT_FILE,
    Artefact,
    CaseResult,
    Device,
    Event,
    Harness,
    Hint,
    Job,
    Mode,
    ProtocolError,
    Spent,
    Stage,
    Verdict,
    VerdictKind,
    dump,
    in_steps,
    judge_digest,
    load,
    spec,
)
from kernelbot.judge.uids import Uids
from kernelbot.judge.warm import Nursery

HIDDEN = "hidden cases"
FAILED_HIDDEN = "The submission fails on a hidden case: no right output, or none in time."
HIDDEN_STEP_S = 0.25
"""What checking the hidden cases and clearing up takes is rounded up to this, twice this, four times
this ..."""
FAULT_MESSAGE = "The judge failed; this is not your fault and the run will be repeated."
PASSED = {
    Mode.TEST: "All tests passed.",
    Mode.BENCHMARK: "All tests passed and all benchmarks were measured.",
    Mode.PROFILE: "All tests passed; the log says where the time goes.",
    Mode.RANKED: "All tests passed and all benchmarks were measured on secret inputs.",
}

REPEATED = "one process was measured again, at no charge"
FEWER = "measured in fewer processes: importing and compiling take too much of their time"
BUILD_ROOM = 1.25
"""How many times as much as the measured processes took to build, on average, must be left for another."""
QUARANTINED = {
    "early": "All answers are right, but calls take longer when their input comes late: an organizer must look.",
    "clock": "All answers are right, but the times contradict each other: an organizer must look.",
    "floor": "All answers are right, but faster than this device can be: an organizer must look.",
}


class Reading(NamedTuple):
    """Where the clock and the budgets stood."""

    at: float  # seconds, monotonic
    spent_s: list[float]


class Events:
    """Writes events as JSON lines; drops them rather than ever waiting for a slow reader."""

    LIMIT = 4000  # below PIPE_BUF: a pipe that polls writable takes this much without blocking

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    def emit(self, event: Event) -> None:
        if self._descriptor is None:
            return
        line = (dump(replace(event, message=event.message[:500])) + "\n").encode()
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        with contextlib.suppress(OSError):
            if len(line) <= self.LIMIT and poll.poll(0):
                os.write(self._descriptor, line)


@dataclass(frozen=True)
class First:
    """A job directory that was judged before, and its verdict: what lies there now may be the submission's."""

    directory: Path
    verdict: Verdict


def run(
    directory: Path,
    events: Events,
    nursery: Nursery,
    isolation: str = "",
    caches: str = "",
    first: First | None = None,
) -> Verdict:
    """Judge a job directory and leave its verdict there. Never raises for a job's content.

    ``isolation`` names the only kind of fence to accept; empty: the strongest that works. ``caches``
    is the folder of compile caches; empty: none is used. The verdict of ``first`` is there again before this one is.
    """
    began = time.monotonic()
    try:
        job = load(Job, _read(directory / JOB_FILE), limit=MAX_JOB_BYTES)
    except (OSError, ProtocolError) as error:
        verdict = _fault(f"{JOB_FILE}: {error}")
    else:
        if job.style == "evaluator":
            verdict = _evaluated(directory, job, events, nursery, isolation)
        else:
            verdict = Referee(directory, job, events, nursery, isolation, caches).judge()
        verdict = replace(verdict, hints=(*verdict.hints, *_hints(directory, job)))
    spent = replace(verdict.spent, wall_s=time.monotonic() - began)
    verdict = replace(verdict, spent=spent)
    if first is not None:
        try:
            write_verdict(first.directory, first.verdict)
        except OSError as error:
            verdict = _fault(f"what was judged before cannot be told: {error}", verdict.run_id)
    try:
        write_verdict(directory, verdict)
    except ValueError as error:  # a figure that JSON has no word for: ours, and to be told
        verdict = _fault(f"the verdict cannot be written: {error}", verdict.run_id)
        write_verdict(directory, verdict)
    return verdict


def _hints(directory: Path, job: Job) -> tuple[Hint, ...]:
    """For organizers; what goes wrong with them is no reason to lose a verdict."""
    with contextlib.suppress(Exception):
        return hints.find_in_time(
            _read(directory / SUBMISSION_DIR / job.submission), job.submission
        )
    return ()


def write_verdict(directory: Path, verdict: Verdict) -> None:
    """Once and atomically: a reader sees no verdict or the whole one."""
    temporary = directory / f".{VERDICT_FILE}.{os.getpid()}"
    with temporary.open("w") as file:
        file.write(dump(verdict))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(directory / VERDICT_FILE)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_JOB_BYTES + 1)


def _fault(fault: str, run_id: str = "") -> Verdict:
    return Verdict(
        kind=VerdictKind.JUDGE_FAILED,
        run_id=run_id,
        message=FAULT_MESSAGE,
        fault=shorten(fault, 20_000),
    )


def _evaluated(
    directory: Path, job: Job, events: Events, nursery: Nursery, isolation: str
) -> Verdict:
    """What a problem's own program says."""
    try:
        return Evaluation(directory, job, events.emit, nursery, isolation).judge()
    except (NotStarted, devices.WrongDevice) as fault:
        return _fault(str(fault), job.run_id)
    except Exception as error:
        return _fault("".join(traceback.format_exception(error)), job.run_id)


class Referee:
    """One run of one job."""

    def __init__(
        self,
        directory: Path,
        job: Job,
        events: Events,
        nursery: Nursery,
        isolation: str,
        caches: str = "",
    ) -> None:
        self._nursery = nursery
        self._caches = caches
        self._cache_name = cache.name(job, directory) if caches else ""
        self._cache: cache.Cache | None = None
        self._isolation = isolation
        self._directory = directory
        self._job = job
        self._events = events
        self._stage = Stage.BUILD
        self._cases: list[CaseResult] = []
        self._case: tuple[int, dict[str, Any]] | None = None
        self._log = ""
        self._device = Device(kind=job.device)
        self._harness = Harness(judge_digest=judge_digest(), python=platform.python_version())
        self._budgets = {
            Stage.BUILD: Budget(job.limits.build_s),
            Stage.CHECK: Budget(job.limits.check_s),
            Stage.MEASURE: Budget(job.limits.measure_s),
        }
        self._rebuilding = Budget(job.limits.build_s)  # of all processes that are measured
        self._contestants: list[Contestant] = []
        self._fence: sandbox.Fence | None = None
        self._gates = self._sharing = False  # what the first process came up with
        self._uids = Uids()
        self._recipe: dict[str, Any] | None = None
        self._problem: Problem | None = None
        self.plan = timing.CPU_PLAN if job.device == "cpu" else timing.CUDA_PLAN
        self._meter = devices.Meter("cpu")
        self.series: list[list[timing.Series]] = [[] for _ in job.benchmarks]
        self._artefacts: tuple[Artefact, ...] = ()
        self._quarantine: tuple[str, str] | None = None  # rule and evidence
        self._doubted = ""  # evidence of the process that was measured again
        self._doubted_s = 0.0  # what that one took
        self._contradicted = ""  # evidence of some processes, not of all
        self._reason = ""  # what really went wrong in a hidden case, for the operator
        self._hidden_from = 0.0  # when the hidden cases began to be checked
        self._held_from = 0.0  # when the first process was started that makes the device its own
        self._measuring_from = 0.0
        self._held_s = 0.0

    def judge(self) -> Verdict:
        try:
            verdict = self._judge()
        except Exception as error:
            verdict = _fault("".join(traceback.format_exception(error)), self._job.run_id)
        spent = Spent(
            build_s=self._budgets[Stage.BUILD].spent_s + self._rebuilding.spent_s,
            check_s=self._budgets[Stage.CHECK].spent_s,
            measure_s=self._budgets[Stage.MEASURE].spent_s,
            device_s=max(0.0, self._held_s - self._doubted_s),
        )
        # Without figures for the owner, who could learn by them how far one may go.
        doubts = (("early", self._doubted), ("clock", self._contradicted))
        doubted = tuple(Hint(rule=rule, line=1, text=text) for rule, text in doubts if text)
        return replace(
            verdict, run_id=self._job.run_id, stage=self._stage, device=self._device,
            harness=self._harness, spent=spent, hints=doubted,
        )  # fmt: skip

    def _judge(self) -> Verdict:
        workshop: Workshop | None = None
        failure: Failure | None = None
        try:
            with undisturbed():
                workshop = Workshop(self._directory, self._job, self._cache_name)
            self._run(workshop)
        except Failure as ended:
            failure = ended
        except (ProblemFault, NotStarted, devices.WrongDevice, native.NoCompiler) as fault:
            return _fault(str(fault))
        finally:
            with undisturbed():
                self._clear_up(workshop)
        self._draw_out()
        return self._failed(failure) if failure is not None else self._passed()

    def _draw_out(self) -> None:
        """How long the hidden cases and what they left took shows in few steps. A cancelled run has no verdict
        that it could wait for."""
        if self._hidden_from:
            took = time.monotonic() - self._hidden_from
            time.sleep(in_steps(took, HIDDEN_STEP_S) - took)

    def _clear_up(self, workshop: Workshop | None) -> None:
        self._end_contestants()
        if self._held_from:
            self._held_s = time.monotonic() - self._held_from
        if workshop is not None:
            if self._cache is not None and not self._job.secret:
                self._cache.keep(workshop.cache)
            workshop.remove()
        self._uids.leave()

    def _run(self, workshop: Workshop) -> None:
        with self._stage_of(Stage.BUILD):
            self._nursery.prepare(self._job.device)
            self._parse()
            first = self._start(workshop)
            self._recipe = self._plan_compiling(workshop)
            problem = self._opened()
            kept = self._reuse(workshop, first.fence)
            bench = self._build(first, problem)
            if kept is not None:
                kept.keep(workshop.cache)  # no input has been seen yet
                self._cache = kept
        with self._stage_of(Stage.CHECK):
            spares = self._spares(workshop)
            self._check(first, problem)
        if self._job.mode is Mode.TEST:
            return
        last = first
        with self._stage_of(Stage.MEASURE):
            self._measuring_from = time.monotonic()
            if self._job.mode is Mode.PROFILE:
                self._profile(workshop, first, problem)
            else:
                if self._job.mode is Mode.BENCHMARK:
                    self._measure(bench, Reading(time.monotonic(), [0.0, 0.0]))
                while self._wants_another():
                    began = self._reading()
                    self._end(last)
                    spare = spares.pop(0) if spares else None
                    last = self._fresh(workshop, spare, first.fence)
                    self._measure(self._build_again(last, problem), began)
        if self._job.mode is Mode.RANKED:
            self._check_hidden(last, problem)
        if self._job.mode is not Mode.PROFILE:
            self._conclude()

    def _reuse(self, workshop: Workshop, fence: sandbox.Fence) -> cache.Cache | None:
        """Give the contestant what the same code has compiled before; nothing of it runs yet."""
        if not self._cache_name:
            return None
        kept = cache.Cache(Path(self._caches), self._cache_name, self._device, self._harness)
        kept.fill(workshop.cache)
        workshop.belongs_to(fence.uid)
        return kept

    def _parse(self) -> None:
        """A file that is no Python is told so at once; no device is needed for that."""
        if not self._job.submission.endswith(".py"):
            return
        source = (self._directory / SUBMISSION_DIR / self._job.submission).read_bytes()
        found = syntax_error(source, self._job.submission)
        if found is not None:
            self._harness = replace(self._harness, isolation="not-run")
            kind, text = found
            raise Failure(VerdictKind.BUILD_FAILED, summary(kind, text), detail=text)

    def _plan_compiling(self, workshop: Workshop) -> dict[str, Any] | None:
        """How to compile the submission on this device; None for one that is imported."""
        if not native.is_native(self._job):
            return None
        try:
            return native.recipe(self._job, self._device, workshop.headers)
        except native.Unfit as unfit:
            raise Failure(VerdictKind.BUILD_FAILED, str(unfit)) from None

    # --- starting and ending contestants ---------------------------------------------------------

    def _start(self, workshop: Workshop) -> Contestant:
        """A warm contestant behind the first fence that holds; the device is looked at meanwhile."""
        import torch  # noqa: F401  while the nursery does, before it is asked for anything

        faults: list[str] = []
        for fence in sandbox.fences(self._isolation, self._uids.another()):
            workshop.belongs_to(fence.uid)
            self._fence = fence
            self._held_from = self._held_from or time.monotonic()
            try:
                contestant = self._another(workshop, fence)
                self._identify(fence)
                self._rehearse()
                self._warm(contestant)
            except NotStarted as error:
                faults.append(str(error))
                continue
            self._gates, self._sharing = contestant.gated, contestant.sharing
            if self._job.device != "cpu" and not contestant.gated:
                self._harness = replace(self._harness, evidence="device-events-bounded")
            self._harness = replace(self._harness, fences=contestant.fences)
            return contestant
        raise NotStarted(
            f"no contestant could be started ({self._isolation or 'any'} isolation):\n"
            + "\n".join(faults)
        )

    def _opened(self) -> Problem:
        if self._problem is None:
            self._problem = open_problem(self._directory / PROBLEM_DIR, self._job)
        return self._problem

    def _rehearse(self) -> None:
        """Make, solve and compare a case for oneself: the device's code for it is loaded meanwhile."""
        if self._job.device != "cpu" and self._problem is None and self._job.tests:
            self._opened().rehearse(self._job.tests[0])

    def _warm(self, contestant: Contestant) -> None:
        """With all that the first one had: whoever is checked meanwhile could fill the device's memory, so
        that those to be measured find no room for their gates."""
        try:
            contestant.warm(gated=self._gates, sharing=self._sharing)
        except NotStarted:
            self._contestants.remove(contestant)
            raise

    def _identify(self, fence: sandbox.Fence) -> None:
        """Fill in device and harness, and refuse the wrong device."""
        import torch

        self._device = devices.inspect(self._job.device)
        devices.demand(self._device, self._job.expect_device, self._job.world_size)
        self._harness = replace(
            self._harness,
            torch=torch.__version__,
            triton=_version("triton"),
            isolation=fence.kind,
            evidence="outside-clock",
        )

    def _spares(self, workshop: Workshop) -> list[Contestant | None]:
        """The processes that will be measured; they get ready while the first one is checked.

        Empty calls are timed in them, so the process that already runs the submission must not
        be able to touch them; None where the fence cannot promise that.
        """
        if self._job.mode is not Mode.RANKED:
            return []
        assert self._fence is not None
        spares = []
        for _ in range(self.plan.processes):
            fence = sandbox.beside(self._fence, self._uids.another)
            sharing = self._sharing and self._job.world_size == 1
            spares.append(self._another(workshop, fence, sharing=sharing) if fence else None)
        return spares

    def _another(
        self, workshop: Workshop, fence: sandbox.Fence, *, sharing: bool = False
    ) -> Contestant:
        contestant = Contestant(self._nursery, workshop, self._job, fence, sharing=sharing)
        self._contestants.append(contestant)
        return contestant

    def _fresh(
        self, workshop: Workshop, spare: Contestant | None, fence: sandbox.Fence
    ) -> Contestant:
        """A warm process to be measured. The spare may have fallen to what the first one used up."""
        if spare is not None:
            self._hand_over(workshop, spare.fence)
            with contextlib.suppress(NotStarted):
                self._warm(spare)
                return spare
        self._hand_over(workshop, fence)
        fresh = self._another(workshop, fence)
        self._warm(fresh)
        return fresh

    def _hand_over(self, workshop: Workshop, fence: sandbox.Fence) -> None:
        """Give the second process what the first has compiled, if that has left it in place, and otherwise what the
        first was given: what works once works again, and what was handed in is what is measured."""
        try:
            workshop.fill(workshop.files)
            workshop.belongs_to(fence.uid)
        except OSError:
            raise Failure(
                VerdictKind.CRASHED,
                "The program moved, removed or replaced the folder that it ran in, or folders that are given to it.",
            ) from None

    def _end(self, contestant: Contestant) -> None:
        self._contestants.remove(contestant)
        self._log += contestant.close()

    def _end_contestants(self) -> None:
        for contestant in list(self._contestants):
            self._end(contestant)

    # --- stages ----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _stage_of(self, stage: Stage) -> Iterator[None]:
        self._stage = stage
        self._case = None
        for contestant in self._contestants:
            contestant.enter(stage)
        self._events.emit(Event(kind="stage", stage=stage, message="started"))
        yield
        self._events.emit(Event(kind="stage", stage=stage, message="finished"))

    def _build(self, contestant: Contestant, problem: Problem) -> Bench:
        self._meter = devices.Meter(self._job.device, self._job.world_size)
        bench = self._bench(contestant, problem)
        if self._job.mode is Mode.BENCHMARK:
            bench.calibrate(contestant)
        self._load(contestant)
        return bench

    def _build_again(self, spare: Contestant, problem: Problem) -> Bench:
        """A measured process builds in its own right: a first time that took more than half of what it
        may is no reason to be out of time the second time.

        What it says then is as secret as in a call: the first process may have left it a note.
        """
        spare.enter(Stage.BUILD)
        bench = self._bench(spare, problem)
        bench.calibrate(spare)
        self._load(spare)
        spare.enter(Stage.MEASURE)
        return bench

    def _bench(self, contestant: Contestant, problem: Problem) -> Bench:
        def lane(index: int) -> Lane:
            return self._lane(contestant, problem, self._job.benchmarks[index])

        return Bench(self._job, self.plan, self._meter, lane)

    def _load(self, contestant: Contestant) -> None:
        with self._building.charged() as left:
            contestant.load(left, self._recipe, again=self._stage is Stage.MEASURE)

    def _lane(self, contestant: Contestant, problem: Problem, args: dict[str, Any]) -> Lane:
        return Lane(contestant, problem, args, self._budgets[self._stage], self._building)

    def _check(self, contestant: Contestant, problem: Problem) -> None:
        for index, args in enumerate(self._job.tests):
            self._case = (index, args)
            with self._lane(contestant, problem, args) as lane:
                lane.sample(twice=True)
            self._done(index, args, len(self._job.tests))

    def _check_hidden(self, contestant: Contestant, problem: Problem) -> None:
        """The last thing of a run, when no time is left to be taken and no event to be told: a submission
        could tell by its times what it saw. It can tell by failing, in one way, and by taking long, in few
        steps."""
        if not self._job.hidden_tests:
            return
        self._case = None
        contestant.enter(Stage.CHECK)
        check, build = self._budgets[Stage.CHECK], self._budgets[Stage.BUILD]
        self._hidden_from = time.monotonic()
        try:
            for args in self._job.hidden_tests:
                with Lane(contestant, problem, args, check, build) as lane:
                    lane.sample(twice=True)
        except Failure as failure:
            self._reason = f"a hidden case ({spec(args)}): {failure.kind}: {failure.message}"
            self._note_hidden(FAILED_HIDDEN)
            raise _failed_hidden(failure) from failure
        self._note_hidden("")

    def _note_hidden(self, complaint: str) -> None:
        case = CaseResult(
            stage=Stage.CHECK, index=len(self._job.tests), spec=HIDDEN, ok=not complaint,
            message=complaint,
        )  # fmt: skip
        self._cases.append(case)

    def _measure(self, bench: Bench, began: Reading) -> None:
        """All benchmarks in one process, of which something is known since ``began``."""
        again = 1 if self._doubted else 0
        total = (max(self._planned, 1 + self._measured) + again) * len(self.series)

        def begin(index: int) -> None:
            self._case = (index, self._job.benchmarks[index])

        def done(index: int, series: timing.Series) -> None:
            self.series[index].append(series)
            count = sum(map(len, self.series)) + again * len(self.series)
            self._events.emit(Event(kind="case", stage=self._stage, done=count, total=total))

        bench.run(begin, done)
        self._doubt(began)

    def _doubt(self, began: Reading) -> None:
        """Leave one process out in which calls seem to have had a head start, and have another in its place: whoever
        has one now and then gains nothing by those that are left out, and a host's moment accuses nobody. Nothing of it
        is charged, so that nobody runs out of time by our doubts."""
        if self._doubted or time.monotonic() - self._measuring_from > self.plan.doubt_s:
            return
        early = [timing.foresights(case[-1:]) for case in self.series]
        if not any(early):
            return
        at = next(at for at, evidence in enumerate(early) if evidence)
        self._doubted = f"benchmark {at} ({spec(self._job.benchmarks[at])}): {early[at]}"
        self._doubted_s = time.monotonic() - began.at
        for case in self.series:
            case.pop()
        for budget, spent_s in zip(self._measuring_budgets, began.spent_s, strict=True):
            budget.spent_s = spent_s

    def _reading(self) -> Reading:
        return Reading(time.monotonic(), [budget.spent_s for budget in self._measuring_budgets])

    @property
    def _measuring_budgets(self) -> list[Budget]:
        """Those that a measured process spends."""
        return [self._rebuilding, self._budgets[Stage.MEASURE]]

    @property
    def _building(self) -> Budget:
        """What pays for importing and compiling in this stage."""
        return self._rebuilding if self._stage is Stage.MEASURE else self._budgets[Stage.BUILD]

    @property
    def _planned(self) -> int:
        """How many processes there are to be."""
        return self.plan.processes if self._job.mode is Mode.RANKED else 1

    @property
    def _measured(self) -> int:
        """How many there were of which something is known."""
        return max(map(len, self.series), default=0)

    def _wants_another(self) -> bool:
        """Whether one is missing, or one more would make a case surer."""
        if self._measured < self._planned:
            return bool(self.series) and self._can_build_again
        if self._job.mode is not Mode.RANKED:
            return False
        spare = all(budget.left_s > budget.spent_s for budget in self._measuring_budgets)
        spare &= time.monotonic() - self._measuring_from < self.plan.patience_s
        return spare and timing.unsure(self.series, self.plan, gated=self._gated)

    @property
    def _can_build_again(self) -> bool:
        """Whether another process can be expected to be ready in time. A run whose imports are slow, which is no fault, has
        fewer processes, and one at least."""
        each_s = self._rebuilding.spent_s / max(1, self._measured)
        return not self._measured or self._rebuilding.left_s > BUILD_ROOM * each_s

    @property
    def _gated(self) -> bool:
        return self._harness.evidence == "outside-clock"

    def _conclude(self) -> None:
        """From what all processes gave to one time for each benchmark."""
        gated = self._gated
        each = [timing.decide(runs, gated=gated) for runs in self.series]
        floors = self._job.floors_ns
        for index, (args, found) in enumerate(
            zip(self._job.benchmarks, timing.combine(each), strict=True)
        ):
            notes = ((REPEATED, bool(self._doubted)), (FEWER, self._measured < self._planned))
            told = tuple(note for note, holds in notes if holds)
            found = replace(found, warnings=(*found.warnings, *told))
            case = CaseResult(
                stage=self._stage, index=index, spec=spec(args), ok=True, measurement=found
            )
            self._cases.append(case)
            hidden = timing.contradictions(self.series[index]) if gated else ""
            some = timing.doubts(self.series[index]) if gated and not hidden else ""
            if some and not self._contradicted:
                self._contradicted = f"benchmark {index} ({spec(args)}): {some}"
            below = timing.below(found, floors[index]) if index < len(floors) else ""
            early = timing.foresights(self.series[index])
            for rule, evidence in (("clock", hidden), ("early", early), ("floor", below)):
                if evidence and self._quarantine is None:
                    self._quarantine = (rule, f"benchmark {index} ({spec(args)}): {evidence}")

    def _profile(self, workshop: Workshop, first: Contestant, problem: Problem) -> None:
        """One benchmark, in processes that are there for that alone."""
        found = self._to_profile(first, problem)
        if found is None:
            self._log += f"There is no benchmark {self._job.profile_case} to profile.\n"
            return
        index, call_ns = found
        args = self._job.benchmarks[index]
        self._end(first)
        self._case = (index, args)
        shelf = Shelf(self._directory / ARTEFACTS_DIR)
        stand = Stand(self._nursery, workshop, self._job, first.fence, problem, args, self._recipe)
        # A vendor's tool runs a kernel several times over, and one that waits for another rank's never ends.
        alone = self._job.world_size == 1
        tool = profiling_run.tool_for(self._device.kind) if alone else None
        told = profiling_run.profile(stand, tool, shelf, call_ns)
        self._log = f"Profile of benchmark {index} ({spec(args)})\n\n{told}\n\n{self._log}"
        self._artefacts = shelf.artefacts
        self._done(index, args, 1)

    def _to_profile(self, contestant: Contestant, problem: Problem) -> tuple[int, float] | None:
        """The benchmark that was asked for or the slowest, and what a call takes; None: there is none."""
        asked = self._job.profile_case
        times: list[tuple[int, int]] = []
        for index, args in enumerate(self._job.benchmarks):
            if asked not in (-1, index):
                continue
            self._case = (index, args)
            with self._lane(contestant, problem, args) as lane:
                lane.sample()
                times.append((lane.sample().ns, index))
        if not times:
            return None
        slowest, index = max(times)
        return index, float(slowest)

    # --- results ---------------------------------------------------------------------------------

    def _done(self, index: int, args: dict[str, Any], total: int) -> None:
        result = CaseResult(stage=self._stage, index=index, spec=spec(args), ok=True)
        self._cases.append(result)
        done = sum(case.stage is self._stage for case in self._cases)
        self._events.emit(Event(kind="case", stage=self._stage, done=done, total=total))

    def _passed(self) -> Verdict:
        rule, evidence = self._quarantine or ("", "")
        return Verdict(
            kind=VerdictKind.QUARANTINED if rule else VerdictKind.PASSED,
            message=QUARANTINED[rule] if rule else PASSED[self._job.mode],
            rule=rule,
            evidence=evidence,
            cases=tuple(self._cases),
            log="" if self._job.secret else self._log,
            artefacts=self._artefacts,
        )

    def _failed(self, failure: Failure) -> Verdict:
        secret = self._job.secret and self._stage is not Stage.BUILD
        message = failure.guarded if secret else failure.message
        cases = [replace(case, measurement=None) for case in self._cases]
        if self._case is not None and self._stage is not Stage.BUILD:
            index, args = self._case
            told = spec(args)
            cases.append(
                CaseResult(stage=self._stage, index=index, spec=told, ok=False, message=message)
            )
            name = "Benchmark" if self._stage is Stage.MEASURE else "Test"
            message = f"{name} {index} ({told}): {message}"
        log = "" if secret else "\n".join(part for part in (failure.detail, self._log) if part)
        return Verdict(
            kind=failure.kind, message=message, cases=tuple(cases), log=log,
            rule=failure.rule, evidence=failure.evidence, fault=self._reason,
        )  # fmt: skip


def _failed_hidden(failure: Failure) -> Failure:
    """One for all: its kind, its case and its words would tell what was met."""
    if failure.kind is VerdictKind.DISQUALIFIED:
        where = "seen in a hidden case"
        return Failure(failure.kind, FAILED_HIDDEN, rule=failure.rule, evidence=where)
    return Failure(VerdictKind.WRONG_ANSWER, FAILED_HIDDEN)


def _version(name: str) -> str:
    """Version of an installed package without importing it; "" when there is none."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return ""
