"""Problems that bring a program of their own: it runs behind the fence and says what it found.

The program gets a mode and a file of cases, and writes ``key: value`` lines into a pipe that is read
while it runs. It shares a process, or at least a uid, with the submission, so a submission can make
it say anything: what comes out is carried as self-evaluated and never as this judge's own word.
What a submission cannot do is to break the judge, to get a run for nothing, or to have contradictory
results counted.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import math
import os
import platform
import re
import secrets
import select
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kernelbot.judge import device as devices
from kernelbot.judge import sandbox
from kernelbot.judge.build import Workshop, no_memory, shorten, summary, syntax_error
from kernelbot.judge.guard import Tree, Watch, forget, undisturbed
from kernelbot.judge.output import Drain
from kernelbot.judge.process import (
    NO_MEMORY,
    OUT_OF_MEMORY_TEXT,
    Failure,
    NotStarted,
    address_space,
    adopted,
    fenced_plan,
    over_limit,
)
from kernelbot.judge.protocol import (
    SUBMISSION_DIR,
    CaseResult,
    Device,
    Event,
    Harness,
    Job,
    Measurement,
    Mode,
    Spent,
    Stage,
    Verdict,
    VerdictKind,
    judge_digest,
    spec,
)
from kernelbot.judge.uids import Uids
from kernelbot.judge.warm import CHANNEL, NotForked, Nursery, Order, reap

EVIDENCE = "self-evaluated"
CASES_FILE = "cases.txt"
RESULT_BYTES = 2 << 20
PROBE_S = 120.0
SETTLED_S = 0.3
"""After this a program is behind its fence, or has ended."""
FINISHED = (0, 112)
"""Exit codes of a program that came to its end; 112 says that a check failed."""
EXIT_CODES = {
    2: "it was not given what it expects",
    110: "a CUDA call failed",
    111: "it did not find its pipe",
    113: "it cannot read the cases",
}
LONGEST_NS = 1e15
"""A figure above it is no time of a call; sums and products of what is below stay finite."""
KNOWN = re.compile(r"(test|benchmark)\.[0-9]{1,6}\.[a-z_]{1,20}|(test|benchmark)-count|check")
PASSED = {
    Mode.TEST: "The problem's own program says that all tests passed.",
    Mode.BENCHMARK: "The problem's own program tested and measured everything.",
    Mode.PROFILE: "The profile is in the log.",
    Mode.RANKED: "The problem's own program tested and measured everything with a secret seed.",
}


@dataclass(frozen=True)
class Ended:
    """How a program ended and what it left."""

    code: int  # minus the signal that killed it
    results: str
    log: str


class Evaluation:
    """One run of one job whose problem evaluates itself."""

    def __init__(
        self,
        directory: Path,
        job: Job,
        emit: Callable[[Event], None],
        nursery: Nursery,
        isolation: str,
    ) -> None:
        self._directory = directory
        self._job = job
        self._emit = emit
        self._nursery = nursery
        self._isolation = isolation
        self._workshop = Workshop(directory, job)
        self._uids = Uids()
        self._fence: sandbox.Fence | None = None
        self._tree: Tree | None = None
        self._stage = Stage.BUILD
        self._spent = dict.fromkeys(Stage, 0.0)
        self._seed = secrets.randbits(31) if job.secret else None
        self._cases: list[CaseResult] = []
        self._log = ""
        self._device = Device(kind=job.device)
        self._harness = Harness(
            judge_digest=judge_digest(), python=platform.python_version(), evidence=EVIDENCE
        )

    def judge(self) -> Verdict:
        """What the problem's program says. Raises for what is neither its fault nor the submission's."""
        began = time.monotonic()
        failure: Failure | None = None
        try:
            self._run()
        except Failure as ended:
            failure = ended
        finally:
            with undisturbed():
                self._workshop.remove()
                self._uids.leave()
        verdict = self._passed() if failure is None else self._failed(failure)
        spent = Spent(
            build_s=self._spent[Stage.BUILD],
            check_s=self._spent[Stage.CHECK],
            measure_s=self._spent[Stage.MEASURE],
            device_s=time.monotonic() - began,
        )
        return replace(
            verdict, run_id=self._job.run_id, stage=self._stage, device=self._device,
            harness=self._harness, spent=spent, self_evaluated=True,
        )  # fmt: skip

    def _run(self) -> None:
        job = self._job
        self._enter(Stage.BUILD)
        self._parse()
        self._device = devices.inspect(job.device)
        devices.demand(self._device, job.expect_device, job.world_size)
        self._fence = self._working_fence()
        self._build()
        self._leave()
        if job.mode is Mode.PROFILE:
            self._enter(Stage.MEASURE)
            self._profile()
        else:
            self._enter(Stage.CHECK)
            self._test()
        self._leave()
        if job.mode in (Mode.BENCHMARK, Mode.RANKED):
            self._enter(Stage.MEASURE)
            self._measure()
            self._leave()

    def _enter(self, stage: Stage) -> None:
        self._stage = stage
        self._emit(Event(kind="stage", stage=stage, message="started"))

    def _leave(self) -> None:
        self._emit(Event(kind="stage", stage=self._stage, message="finished"))

    # --- stages ----------------------------------------------------------------------------------

    def _parse(self) -> None:
        source = (self._directory / SUBMISSION_DIR / self._job.submission).read_bytes()
        if found := syntax_error(source, self._job.submission):
            self._harness = replace(self._harness, isolation="not-run")
            kind, text = found
            raise Failure(VerdictKind.BUILD_FAILED, summary(kind, text), detail=text)

    def _working_fence(self) -> sandbox.Fence:
        """The strongest fence behind which a program runs that is no submission."""
        line = "import torch; torch.zeros(1, device='cuda')" if self._job.device != "cpu" else ""
        faults = []
        for fence in sandbox.fences(self._isolation, self._uids.another()):
            self._workshop.belongs_to(fence.uid)
            self._fence = fence
            try:
                ended = self._program([sys.executable, "-I", "-c", line], {}, PROBE_S)
            except (NotForked, Failure) as error:
                faults.append(f"{fence.kind}: {error}")
                continue
            if ended.code == 0:
                self._harness = replace(self._harness, isolation=fence.kind)
                return fence
            faults.append(f"{fence.kind}: {shorten(ended.log, 2000)}")
        raise NotStarted("no program could be started:\n" + "\n".join(faults))

    def _build(self) -> None:
        """Run the submission by itself, so that what it compiles is compiled; its end decides nothing."""
        self._fill()
        with contextlib.suppress(Failure):
            line = [sys.executable, "-u", self._job.submission]
            ended = self._program(line, {"POPCORN_SEED": "1"}, self._job.limits.build_s)
            self._log += ended.log

    def _test(self) -> None:
        results = self._evaluated("test", self._job.tests, self._job.limits.check_s)
        wrong: Failure | None = None
        for at, args in enumerate(self._job.tests):
            status = self._needed(results, f"test.{at}.status")
            said = results.get(f"test.{at}.error", "") or "the problem's check refuses the output"
            good = status == "pass"
            if not good and wrong is None:
                wrong = _wrong(f"Test {at} ({spec(args)}): ", said)
            self._done(at, args, good, "" if good else self._shown(said))
        self._count(results, "test-count", len(self._job.tests))
        self._agreed(results, wrong)

    def _measure(self) -> None:
        mode = "leaderboard" if self._job.secret else "benchmark"
        results = self._evaluated(mode, self._job.benchmarks, self._job.limits.measure_s)
        for at, args in enumerate(self._job.benchmarks):
            if results.get(f"benchmark.{at}.status", "pass") != "pass":
                said = results.get(f"benchmark.{at}.error", "") or "its answer is wrong"
                self._done(at, args, False, self._shown(said))
                raise _wrong(f"Benchmark {at} ({spec(args)}): ", said)
            if f"benchmark.{at}.mean" not in results and results.get("check") == "fail":
                break
            self._done(at, args, True, "", self._time(results, at))
        self._agreed(results, None)
        self._count(results, "benchmark-count", len(self._job.benchmarks))

    def _profile(self) -> None:
        cases = self._job.benchmarks
        at = self._job.profile_case if 0 <= self._job.profile_case < len(cases) else len(cases) - 1
        results = self._evaluated("profile", cases[at : at + 1], self._job.limits.measure_s)
        self._agreed(results, None)
        report = results.get("benchmark.0.report", "")
        with contextlib.suppress(binascii.Error, ValueError):
            text = base64.b64decode(report, altchars=b"+*").decode("utf-8", "replace")
            self._log += f"Profile of benchmark {at} ({spec(cases[at])})\n{text}\n"

    # --- what the program says -------------------------------------------------------------------

    def _evaluated(
        self, mode: str, cases: Sequence[Mapping[str, Any]], limit_s: float
    ) -> dict[str, str]:
        """Run the program in one mode; its results if it came to its end."""
        self._fill(cases)
        given = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
        if self._seed is not None:
            given["POPCORN_SEED"] = str(self._seed)
        if self._job.world_size > 1:
            given["POPCORN_GPUS"] = str(self._job.world_size)
        line = [sys.executable, "-u", self._job.main, mode, CASES_FILE]
        ended = self._program(line, given, limit_s)
        self._log += ended.log
        if ended.code not in FINISHED:
            raise self._ended(ended)
        if len(ended.results) >= RESULT_BYTES:
            raise self._unusable("it wrote more results than there can be")
        results, doubled = parsed(ended.results)
        passes = results.get("check") == "pass"
        if passes and doubled:
            # Only one who writes beside the program has a reason to overrule it.
            raise Failure(
                VerdictKind.DISQUALIFIED,
                f"The results say {doubled!r} twice, and not the same.",
                rule="evaluator-results",
                evidence=f"{doubled}: given twice with different values",
            )
        if passes and ended.code != 0:
            raise self._unusable(f"it says that all is well and exited with code {ended.code}")
        return results

    def _needed(self, results: Mapping[str, str], key: str) -> str:
        if key not in results:
            raise self._unusable(f"it says nothing about {key!r}")
        return results[key]

    def _count(self, results: Mapping[str, str], key: str, count: int) -> None:
        if results.get(key, str(count)) != str(count):
            raise self._unusable(f"it speaks of {results[key][:20]} cases where there are {count}")

    def _agreed(self, results: Mapping[str, str], wrong: Failure | None) -> None:
        """Raise what is wrong; a program that passes must also say so."""
        if wrong is not None:
            raise wrong
        if self._needed(results, "check") != "pass":
            raise _wrong("", "the problem's check refuses the output")

    def _time(self, results: Mapping[str, str], at: int) -> Measurement:
        """The time of one benchmark. Only the mean must be there."""

        def figure(name: str, default: float, *, least: float) -> float:
            text = results.get(f"benchmark.{at}.{name}")
            try:
                value = default if text is None else float(text)
            except ValueError:
                value = math.nan
            if not least <= value <= LONGEST_NS:
                raise self._unusable(f"benchmark.{at}.{name} is {shorten(text or '', 40)!r}")
            return value

        self._needed(results, f"benchmark.{at}.mean")
        mean = figure("mean", math.nan, least=1e-3)
        error = figure("err", 0.0, least=0.0)
        return Measurement(
            ns=mean,
            low_ns=max(mean - 1.96 * error, 0.0),
            high_ns=mean + 1.96 * error,
            stderr_ns=error,
            best_ns=figure("best", mean, least=0.0),
            worst_ns=figure("worst", mean, least=0.0),
            samples=int(min(figure("runs", 1, least=1), (1 << 31) - 1)),
            clock="evaluator",
            warnings=("measured by the problem's own program, beside the submission",),
        )

    def _unusable(self, why: str) -> Failure:
        return Failure(VerdictKind.CRASHED, f"The problem's program left no usable result: {why}.")

    def _ended(self, ended: Ended) -> Failure:
        if any(text in ended.log for text in OUT_OF_MEMORY_TEXT):
            return Failure(
                VerdictKind.OUT_OF_MEMORY, no_memory(ended.log), guarded=NO_MEMORY, detail=ended.log
            )
        if ended.code < 0:
            how = f"was killed by signal {-ended.code}"
        else:
            why = EXIT_CODES.get(ended.code)
            how = f"exited with code {ended.code}" + (f" ({why})" if why else "")
        return Failure(
            VerdictKind.CRASHED,
            f"The problem's program {how}.",
            guarded="The problem's program did not come to its end.",
        )

    # --- running ---------------------------------------------------------------------------------

    def _fill(self, cases: Sequence[Mapping[str, Any]] = ()) -> None:
        """Everything but the lasting folders as it was: one stage leaves nothing else for the next to find."""
        assert self._fence is not None
        try:
            self._workshop.fill(self._files(cases))
            self._workshop.belongs_to(self._fence.uid)
        except OSError:
            raise self._disturbed() from None

    def _files(self, cases: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
        """What a program finds in its folder."""
        listed = ("\n".join(map(spec, cases)) + "\n").encode()
        return self._workshop.files | {CASES_FILE: listed}

    def _disturbed(self) -> Failure:
        return Failure(
            VerdictKind.CRASHED,
            "The program moved, removed or replaced folders or files that are given to it anew.",
        )

    def _program(self, line: list[str], given: dict[str, str], limit_s: float) -> Ended:
        """Run one command behind the fence to its end. Raises Failure when it may not go on."""
        job = self._job
        results, told = os.pipe()
        output, written = os.pipe()
        try:
            pid = self._nursery.start(self._order(line, given), told, written, self._adopt)
        except NotForked:
            os.close(results)
            os.close(output)
            raise
        finally:
            os.close(told)
            os.close(written)
        said = Drain(results, 2 * RESULT_BYTES)
        log = Drain(output, 2 * job.limits.output_bytes)
        tree = self._tree
        assert tree is not None
        watch = Watch(tree, job.memory_bytes, self._workshop.work)
        began = time.monotonic()
        try:
            code = _wait(pid, min(limit_s, SETTLED_S))
            if code is None:
                self._observe(tree)
                code = _wait(pid, limit_s - (time.monotonic() - began))
            self._spent[self._stage] += time.monotonic() - began
        finally:
            with undisturbed():
                tree.kill()
                watch.close()
                reap(pid, 10.0)
                forget(pid)
        text = log.close().replace(str(self._workshop.work) + os.sep, "")
        ended = Ended(code if code is not None else 0, said.close(), text)
        if watch.exceeded:
            raise self._exceeded(watch.exceeded, text)
        if code is None:
            raise self._out_of_time(limit_s, text)
        return ended

    def _observe(self, tree: Tree) -> None:
        """Note what holds a program that has been running for a while."""
        if not self._harness.fences and self._fence is not None:
            seen = sandbox.observed(self._fence, tree.members(), self._job.world_size)
            fences = (*seen, *tree.fences)
            self._harness = replace(self._harness, fences=fences)

    def _order(self, line: list[str], given: dict[str, str]) -> Order:
        assert self._fence is not None
        job, fence, workshop = self._job, self._fence, self._workshop
        plan = fenced_plan(workshop, job, fence)
        plan = replace(
            plan,
            memory_bytes=address_space(job.memory_bytes, job.device),
            environment=plan.environment | {"POPCORN_FD": str(CHANNEL)} | given,
        )
        behind = sandbox.bubblewrap(plan, workshop.runtime) if fence.kind == "bubblewrap" else []
        # Not every fence leaves a process in the folder it is for.
        moved = ["/bin/sh", "-c", 'cd "$0" && exec "$@"', str(workshop.work), *line]
        return Order(plan, str(workshop.runtime), behind, moved)

    def _adopt(self, pid: int) -> None:
        assert self._fence is not None
        self._tree = adopted(pid, self._job, self._fence)

    def _exceeded(self, what: str, log: str) -> Failure:
        if what == "memory":
            text = over_limit(self._job.memory_bytes)
            return Failure(VerdictKind.OUT_OF_MEMORY, text, detail=log)
        return Failure(
            VerdictKind.CRASHED, "The program wrote too many files or too much in them.", detail=log
        )

    def _out_of_time(self, limit_s: float, log: str) -> Failure:
        return Failure(
            VerdictKind.TIMED_OUT,
            f"the problem's program took longer than {limit_s:g} s "
            f"in the {self._stage.value} stage.",
            detail=log,
        )

    # --- results ---------------------------------------------------------------------------------

    def _done(
        self,
        at: int,
        args: Mapping[str, Any],
        good: bool,
        message: str,
        found: Measurement | None = None,
    ) -> None:
        self._cases.append(
            CaseResult(
                stage=self._stage,
                index=at,
                spec=spec(args),
                ok=good,
                message=message,
                measurement=found,
            )
        )
        total = len(self._job.tests if self._stage is Stage.CHECK else self._job.benchmarks)
        done = sum(case.stage is self._stage for case in self._cases)
        self._emit(Event(kind="case", stage=self._stage, done=done, total=total))

    def _shown(self, said: str) -> str:
        return "" if self._job.secret else _lines(said)

    def _passed(self) -> Verdict:
        return Verdict(
            kind=VerdictKind.PASSED,
            message=PASSED[self._job.mode],
            cases=tuple(self._cases),
            log="" if self._job.secret else self._log,
        )

    def _failed(self, failure: Failure) -> Verdict:
        hidden = self._job.secret and self._stage is not Stage.BUILD
        log = "\n".join(part for part in (failure.detail, self._log) if part)
        return Verdict(
            kind=failure.kind,
            message=failure.guarded if hidden else failure.message,
            cases=tuple(replace(case, measurement=None) for case in self._cases),
            log="" if hidden else log,
            rule=failure.rule,
            evidence=failure.evidence,
        )


def parsed(text: str) -> tuple[dict[str, str], str]:
    """The ``key: value`` lines, and a known key that is there twice with different values.

    A later value replaces an earlier one, and a line without a colon is passed over, as everywhere
    in the field. The last line counts only when it is complete.
    """
    found: dict[str, str] = {}
    doubled = ""
    *lines, _unfinished = text.split("\n")
    for line in lines:
        key, colon, value = line.partition(":")
        key, value = key.strip(), value.strip()
        if not colon:
            continue
        if not doubled and found.get(key, value) != value and KNOWN.fullmatch(key):
            doubled = key
        found[key] = value
    return found, doubled


def _wrong(where: str, said: str) -> Failure:
    return Failure(
        VerdictKind.WRONG_ANSWER,
        f"{where}{_lines(said)}",
        guarded=f"{where}the problem's check refuses the output",
    )


def _lines(said: str) -> str:
    """A value of several lines travels with its breaks written out."""
    return shorten(said.replace("\\n", "\n"))


def _wait(pid: int, timeout_s: float) -> int | None:
    """The exit code of a child, or minus the signal; None when time is up. Leaves it to be reaped."""
    descriptor = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        if not poll.poll(max(0.0, timeout_s) * 1000):
            return None
        found = os.waitid(os.P_PIDFD, descriptor, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    finally:
        os.close(descriptor)
    if found is None:
        return None
    code = found.si_status
    return code if found.si_code == os.CLD_EXITED else -code
