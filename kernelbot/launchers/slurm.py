"""A Slurm cluster: each run is one batch job over a job directory on a file system that the nodes share.

``sbatch`` gets a script that never changes, and what it has to run as arguments: no word of a submission, of
a problem or of the configuration is ever read by a shell. Jobs are told apart by name, of the run's id and
something random, so that a job whose number never came back is found and ended all the same.

The folder of a run here (held with a lock that ends with the worker) has the same name as the one on the
shared file system, where locks of folders cannot be relied upon: whoever finds one that nobody holds knows
which job and which folder to take away.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import math
import os
import re
import shutil
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import structlog

from kernelbot.domain.target import Target
from kernelbot.judge import folders, parcels, staging
from kernelbot.judge.artefacts import CHUNK_BYTES
from kernelbot.judge.protocol import (
    ARTEFACTS_DIR,
    MAX_EVENT_BYTES,
    VERDICT_FILE,
    Event,
    Job,
    ProtocolError,
    Verdict,
    VerdictKind,
    load,
    machine_failed,
)
from kernelbot.launchers.base import Factory, Launch, Launcher, Package, Settings, Site

STARTING_S = 120.0
"""Importing torch on a cold, busy node; nobody's fault, so outside every stage's budget."""
CALL_S = 30.0
"""Longest time for one of Slurm's commands, which wait for a controller that is busy."""
LONGEST_EVENTS_BYTES = 4 << 20
KEPT_ERROR_BYTES = 2000
PREFIX = "run-"
NODES_SAY = (
    "TMPDIR", "XDG_RUNTIME_DIR", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES",
)  # fmt: skip
"""Of a judge's environment, what a node says better than the machine that submits."""

SCRIPT = '#!/bin/sh\nexec "$@"\n'
SCRIPT_FILE, EVENTS_FILE, ERRORS_FILE, JOB_FOLDER = "run.sh", "events", "errors", "job"
CANARY_FOLDER = "canary"

ENDS = {
    "COMPLETED": "ended",
    "FAILED": "failed",
    "TIMEOUT": "was ended at its time limit",
    "NODE_FAIL": "lost its node",
    "PREEMPTED": "had to make room for another",
    "OUT_OF_MEMORY": "ran out of the memory that Slurm had given it",
    "CANCELLED": "was cancelled by somebody else",
    "BOOT_FAIL": "got a node that did not start",
    "DEADLINE": "could not have ended before its deadline",
    "REVOKED": "was taken by another cluster",
}
"""The states in which a job is over; any other, also one unknown here, may still become one of them."""

WAITING, MISSING = "PENDING", "MISSING"

BUSY = re.compile(
    r"unable to contact|timed out|temporarily|connection|try again|too many|communication|"
    r"job submit limit|submitjobs|maxsubmit",
    re.IGNORECASE,
)
"""What ``sbatch`` says when the same submission may pass later."""

OWN_OPTIONS = (
    "array", "chdir", "error", "export", "gres", "input", "job-name", "no-requeue", "open-mode", "output",
    "parsable", "partition", "requeue", "test-only", "time", "wait", "wrap",
)  # fmt: skip
KEYS = ("shared", "partition", "gres", "time_limit_s", "wait_s", "slots", "options")
NUMBERS = {"time_limit_s": 7 * 86400, "wait_s": 7 * 86400, "slots": 1000}
"""The most that each may be."""
EXAMPLES = {"partition": "gpu", "gres": "gpu:h100:1"}
WAIT_S = 3600.0
TAKEN_S = 45.0
"""How long is waited for a cluster that takes no job, where its kind can be reached in another way."""
OPTION = re.compile(r"--([a-z][a-z0-9-]*)(=[^\x00-\x1f]*)?")
WORDS = re.compile(r"[A-Za-z0-9_.:,=/-]+")
GPUS = re.compile(r"gpu(?::[A-Za-z][\w.-]*)?(?::(\d+))?")

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How often is looked, and how long something may be away, in seconds."""

    look_s: float = 0.25  # at the files
    poll_s: float = 3.0  # at the controller
    taken_s: float = 600.0  # no job is taken
    away_s: float = 600.0  # the controller does not answer
    missing_s: float = 30.0  # the controller answers, and knows no such job
    visible_s: float = (
        75.0  # a file of a node that ended well; NFS caches what is not there for a minute
    )
    glance_s: float = 5.0  # a file of a node that did not; a verdict without an end of the job
    end_s: float = 60.0  # from scancel to the end: Slurm itself waits 30 s before it kills


class Clock:
    """What is left of a time."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def over(self) -> bool:
        return time.monotonic() >= self._end


class GivenUp(Exception):
    """Why there will be no verdict, for the operator."""


class Away(Exception):
    """A command of Slurm's did not do its work; what it said."""


@dataclass(frozen=True)
class State:
    """What Slurm says of a job."""

    id: str
    name: str  # "RUNNING"
    reason: str = ""

    @property
    def over(self) -> bool:
        return self.name in ENDS


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked of the cluster for one run."""

    options: tuple[str, ...]  # for sbatch
    line: tuple[str, ...]  # what the job runs
    limit_s: float  # from its start
    wait_s: float  # before it


class Cluster:
    """Slurm's commands. Each raises Away."""

    def __init__(self, environment: Mapping[str, str], pace: Pace) -> None:
        self.pace = pace
        known = staging.without_secrets(environment)
        kept = {name: value for name, value in known.items() if name not in NODES_SAY}
        if "SLURM_CONF" in environment:
            kept["SLURM_CONF"] = environment["SLURM_CONF"]
        # It is the job's environment too. SBATCH_*, SQUEUE_* and the like would change what we say and read.
        self._environment = staging.environment(kept)

    async def submit(self, name: str, folder: Path, request: Request) -> str:
        """The number of a new job."""
        said = await self._call(
            "sbatch", "--parsable", f"--job-name={name}", f"--chdir={folder}",
            f"--output={EVENTS_FILE}", f"--error={ERRORS_FILE}", "--open-mode=truncate", "--input=/dev/null",
            "--export=ALL", "--no-requeue", *request.options, str(folder / SCRIPT_FILE),
            *request.line,
        )  # fmt: skip
        return said.strip().partition(";")[0]

    async def state(self, name: str, number: str) -> State | None:
        """None where nobody knows such a job, or not any more."""
        said = await self._call(
            "squeue", "--noheader", "--states=all", f"--name={name}", "--format=%i|%T|%r"
        )
        for line in said.splitlines():
            found = [word.strip() for word in line.split("|")]
            if len(found) == 3:
                return State(found[0], found[1].upper(), found[2])
        return await self._past(number) if number else None

    async def _past(self, number: str) -> State | None:
        """From the accounts, where the cluster keeps any: the controller forgets after some minutes."""
        with contextlib.suppress(Away):
            said = await self._call(
                "sacct", "--noheader", "--parsable2", "--allocations", f"--jobs={number}", "--format=State"
            )  # fmt: skip
            for line in said.split("\n"):
                if words := line.split():  # "CANCELLED by 1000"
                    return State(number, words[0].upper())
        return None

    async def end(self, name: str, patience_s: float) -> None:
        """Cancel the jobs of a name and wait until they are over; without raising."""
        clock = Clock(patience_s)
        while True:
            with contextlib.suppress(
                Away
            ):  # also where it finds none: the state says what came of it
                await self._call("scancel", f"--name={name}")
            try:
                state = await self.state(name, "")
                if state is None or state.over:
                    return
                fault = state.name
            except Away as error:
                fault = str(error)
            if clock.over:  # its time limit ends it, and without its folder it does not start
                log.warning("a job does not end", job=name, fault=fault)
                return
            await asyncio.sleep(self.pace.look_s)

    async def _call(self, *line: str) -> str:
        try:
            process = await asyncio.create_subprocess_exec(
                *line,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=self._environment,
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            raise Away(f"{line[0]}: {error}") from error
        try:
            out, errors = await asyncio.wait_for(process.communicate(), CALL_S)
        except TimeoutError as error:
            raise Away(f"{line[0]}: timed out after {CALL_S:.0f} s") from error
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode:
            words = errors.decode("utf-8", "replace").strip()[-KEPT_ERROR_BYTES:]
            raise Away(f"{line[0]}: {words or f'ended with {process.returncode}'}")
        return out.decode("utf-8", "replace")


class Place:
    """Where one run is: its folder on the shared file system, and the one here that says somebody has it."""

    def __init__(self, own: Path, held: int, shared: Path) -> None:
        self.name = f"kernelbot-{own.name}"  # of the job
        self.folder = shared / own.name
        self.job = self.folder / JOB_FOLDER
        self.canary = self.folder / CANARY_FOLDER
        self._own = own
        self._held: int | None = held

    @classmethod
    def make(cls, mine: Path, shared: Path, run_id: str) -> Place:
        """Raises OSError."""
        mine.mkdir(parents=True, exist_ok=True)
        own, held = folders.make(mine, PREFIX + re.sub(r"[^A-Za-z0-9]", "", run_id)[:40] + "-")
        place = cls(own, held, shared)
        try:
            place.folder.mkdir(mode=0o700)
        except BaseException:  # there is none of ours
            folders.remove(own)
            os.close(held)
            raise
        return place

    @classmethod
    def abandoned(cls, mine: Path, shared: Path) -> list[Place]:
        """What workers that were killed have left; ours from now on."""
        return [
            cls(own, held, shared)
            for own in mine.glob(f"{PREFIX}*")
            if (held := folders.hold(own)) is not None
        ]

    def remove(self) -> None:
        """Safe to repeat."""
        if self._held is not None:
            held, self._held = self._held, None
            folders.remove(self.folder)
            folders.remove(self._own)
            os.close(held)


class SlurmLauncher:
    """Runs on a cluster. ``shared`` is a folder that this machine and the nodes see under the same name, and
    there already; ``mine`` is one of this machine's own. Where ``shared`` is, the tree that this process runs
    from and its Python must be on the nodes too, under their names here.

    ``options`` go to ``sbatch`` as they are. ``longest_s`` is the most that a job may ask for, None: as long
    as its problem takes. ``wait_s`` is how long it may stand in the cluster's queue.
    """

    def __init__(
        self,
        shared: Path,
        mine: Path,
        environment: Mapping[str, str],
        *,
        options: tuple[str, ...] = (),
        gpus: int = 1,
        longest_s: float | None = None,
        wait_s: float = 3600.0,
        isolation: str = "",
        pace: Pace | None = None,
    ) -> None:
        # Two file systems are two sets of folders here: a name says nothing about where the other one is.
        self._mine = mine / hashlib.sha256(os.fsencode(shared)).hexdigest()[:16]
        self._shared = shared
        self._cluster = Cluster(environment, pace or Pace())
        self._options = options
        self._gpus = gpus
        self._longest_s = longest_s
        self._wait_s = wait_s
        self._isolation = isolation
        self._running: set[SlurmLaunch] = set()
        self._sweeping: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        """Nothing: the cluster is there or not."""

    async def start(self, package: Package) -> Launch:
        """Returns when the cluster has the job. Raises OSError where it takes none, ValueError for a job that needs
        more devices or more time than this target's jobs have."""
        first = package.canary
        minutes = self._minutes(package.job, first.job if first is not None else None)
        begun = asyncio.create_task(asyncio.to_thread(self._stage, package))
        try:
            place = await asyncio.shield(begun)
        except asyncio.CancelledError:  # what is half made comes to be, and is removed as a whole
            with contextlib.suppress(Exception):
                await asyncio.to_thread((await begun).remove)
            raise
        request = Request(
            options=(*self._options, f"--time={minutes}"),
            line=tuple(
                staging.command(
                    place.job, isolation=self._isolation, before=place.canary if first else None
                )
            ),
            limit_s=60.0 * minutes,
            wait_s=self._wait_s,
        )
        launch = SlurmLaunch(self._cluster, place, request, package, self._running.discard)
        self._running.add(launch)
        self._sweep()
        try:
            await launch.taken()
        except asyncio.CancelledError:
            await launch.close()
            raise
        return launch

    def _minutes(self, job: Job, first: Job | None = None) -> int:
        """What a job asks Slurm for: the judge keeps the budgets, this only ends one that hangs itself."""
        if job.device != "cpu" and job.world_size > self._gpus:
            raise ValueError(
                f"the problem needs {job.world_size} devices at once, and a job here has {self._gpus}"
            )
        limits = job.limits
        budget_s = limits.build_s + limits.check_s + limits.measure_s
        longest_s = math.inf if self._longest_s is None else self._longest_s
        before_s = 0.0 if first is None else parcels.deadline_s(first.limits)
        if longest_s < before_s + budget_s:
            canary = f", with its canary {before_s + budget_s:.0f} s" if before_s else ""
            raise ValueError(
                f"the problem may take {budget_s:.0f} s{canary}, and slurm.time_limit_s gives a job "
                f"{longest_s:.0f} s; raise it"
            )
        wanted_s = before_s + STARTING_S + 2 * budget_s
        return max(1, math.ceil(min(wanted_s, longest_s) / 60))

    def _stage(self, package: Package) -> Place:
        if not self._shared.is_dir():  # made here it would hide a file system that is not mounted
            raise FileNotFoundError(
                f"the shared folder {self._shared} is not there; mount or make it"
            )
        place = Place.make(self._mine, self._shared, package.job.run_id)
        try:
            place.job.mkdir()
            staging.stage(place.job, package.job, package.problem_files, package.code)
            if (first := package.canary) is not None:
                place.canary.mkdir()
                staging.stage(place.canary, first.job, first.problem_files, first.code)
            (place.folder / SCRIPT_FILE).write_text(SCRIPT)
        except BaseException:
            place.remove()
            raise
        return place

    def _sweep(self) -> None:
        """Have taken away what a killed worker left: people's code, cases that are hidden, jobs that run."""

        async def sweep() -> None:
            for place in await asyncio.to_thread(Place.abandoned, self._mine, self._shared):
                log.warning("a job that a killed worker left is ended", job=place.name)
                await self._cluster.end(place.name, self._cluster.pace.end_s)
                await asyncio.to_thread(place.remove)

        task = asyncio.create_task(sweep())
        self._sweeping.add(task)
        task.add_done_callback(self._sweeping.discard)

    @property
    def backlog(self) -> int:
        return sum(not launch.begun for launch in self._running)

    async def attach(self, package: Package, handle: str) -> Launch | None:
        """Nothing: the next start ends the job and removes its folder."""
        return None

    async def close(self) -> None:
        await asyncio.gather(*(launch.close() for launch in list(self._running)))
        await asyncio.gather(*self._sweeping, return_exceptions=True)


class Stream:
    """Events out of a file that grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0
        self._rest = b""

    def read(self) -> list[Event]:
        """Those that have come since it was asked last."""
        try:
            with opened(self._path) as file:
                file.seek(self._at)
                fresh = file.read(LONGEST_EVENTS_BYTES - self._at)
        except OSError:  # not there yet
            return []
        self._at += len(fresh)
        *lines, self._rest = (self._rest + fresh).split(b"\n")
        found, wrong = [], 0
        for line in lines:
            try:
                found.append(load(Event, line, limit=MAX_EVENT_BYTES))
            except ProtocolError:
                wrong += 1
        if wrong:
            log.warning("the judge wrote something that is no event", lines=wrong)
        return found


def opened(path: Path) -> BinaryIO:
    """A file of a job to read. Without a fence a submission could have put a link or a pipe in its place."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    return open(os.open(path, flags), "rb")


class SlurmLaunch:
    """One batch job."""

    handle = ""

    def __init__(
        self,
        cluster: Cluster,
        place: Place,
        request: Request,
        package: Package,
        on_end: Callable[[SlurmLaunch], None],
    ) -> None:
        self._cluster = cluster
        self._pace = cluster.pace
        self._place = place
        self._request = request
        self._job = package.job
        self._first = package.canary
        self._canary: Verdict | None = None
        self._on_end = on_end
        self._number = ""
        self._asked = False  # for a job, which may be there though nobody said so
        self._taken = asyncio.Event()
        self._over = False
        self.begun = False  # it has a node, or had one
        self._holds_files = False  # the folder stays until they have been taken
        self._unwanted = asyncio.Event()
        self._events: list[Event] = []
        self._stream = Stream(place.folder / EVENTS_FILE)
        self._verdict = asyncio.create_task(self._judged())

    async def taken(self) -> None:
        """Wait until the cluster has the job. Raises OSError where it gets none; nothing is left then."""
        taken = asyncio.create_task(self._taken.wait())
        try:
            await asyncio.wait({taken, self._verdict}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            taken.cancel()
        if not self._taken.is_set():
            raise OSError((await self._verdict).fault)

    async def events(self) -> AsyncIterator[Event]:
        told = 0
        while True:
            over = self._verdict.done()  # looked at first: what came before the end is told
            while told < len(self._events):
                told += 1
                yield self._events[told - 1]
            if over:
                return
            await asyncio.wait({self._verdict}, timeout=self._pace.look_s)

    async def verdict(self) -> Verdict:
        return await asyncio.shield(self._verdict)

    async def canary(self) -> Verdict | None:
        await self.verdict()
        return self._canary

    async def artefact(self, name: str) -> AsyncIterator[bytes]:
        with await asyncio.to_thread(opened, self._place.job / ARTEFACTS_DIR / name) as file:
            while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                yield chunk

    async def leave(self) -> None:
        await self.cancel()

    async def cancel(self) -> None:
        self._unwanted.set()
        await self.verdict()

    async def close(self) -> None:
        await self.cancel()
        await self._leave()

    async def _judged(self) -> Verdict:
        patience_s = self._pace.end_s
        try:
            await self._submit()
            self._taken.set()
            verdict = await self._collected(await self._ended())
            if self._first is not None:
                self._canary = await asyncio.to_thread(
                    staging.read_verdict, self._place.canary, self._first.job.run_id
                )
            patience_s = self._pace.glance_s  # the referee is done, and about to end by itself
            self._holds_files = bool(verdict.artefacts)
            if verdict.kind is VerdictKind.JUDGE_FAILED:
                self._log(verdict.fault)
            return verdict
        except GivenUp as reason:
            return self._failed(str(reason))
        except Exception as error:  # whoever asks for the verdict gets one, whatever it was
            log.exception("a job could not be followed", run=self._job.run_id)
            return self._failed(repr(error))
        finally:
            if self._asked and not self._over:
                # One that nobody has said to be there has no folder to start in, so it is not waited for.
                patience_s = patience_s if self._taken.is_set() else self._pace.glance_s
                await self._cluster.end(self._place.name, patience_s)
            if not self._holds_files:
                await self._leave()

    async def _submit(self) -> None:
        """Raises GivenUp."""
        clock = Clock(self._pace.taken_s)
        await self._pause(0)
        while True:
            try:
                self._number = await self._cluster.submit(
                    self._place.name, self._place.folder, self._request
                )
                self._asked = True
                return
            except Away as error:
                if not BUSY.search(str(error)):
                    raise GivenUp(f"the cluster refused the job: {error}") from error
                self._asked = True
                if clock.over:
                    raise GivenUp(f"the cluster takes no job: {error}") from error
                log.warning("no job can be submitted now", run=self._job.run_id, fault=str(error))
            await self._pause(self._pace.poll_s)
            with contextlib.suppress(Away):  # it may have been taken all the same
                state = await self._cluster.state(self._place.name, "")
                if state is not None:
                    self._number = state.id
                    return

    async def _ended(self) -> str:
        """The state in which the job has ended; "" where there is a verdict and no word of an end.

        Raises GivenUp where it is not worth waiting for.
        """
        pace = self._pace
        waiting, running = Clock(self._request.wait_s), None
        away, missing, judged = Clock(pace.away_s), Clock(pace.missing_s), None
        reason = ""
        while True:
            try:
                state = await self._cluster.state(self._place.name, self._number)
                away = Clock(pace.away_s)
                if state is None and missing.over:
                    self._over = True
                    return MISSING
                if state is not None:
                    missing, reason = Clock(pace.missing_s), state.reason
                    if state.over:
                        self._over = True
                        return state.name
                    if state.name != WAITING and running is None:
                        self.begun = True
                        running = Clock(self._request.limit_s + pace.end_s)
            except Away as error:
                missing = Clock(pace.missing_s)
                if away.over and judged is None:
                    raise GivenUp(f"the cluster does not answer: {error}") from error
            if judged is not None and judged.over:
                return ""
            if running is None and waiting.over:
                raise GivenUp(
                    f"stood {self._request.wait_s:.0f} s in the cluster's queue ({reason})"
                )
            if running is not None and running.over:
                raise GivenUp("its job did not end at its time limit")
            if judged is not None:
                await self._pause(pace.look_s)
            elif await self._judged_within(pace.poll_s):
                self.begun = True
                judged = Clock(pace.glance_s)

    async def _judged_within(self, seconds: float) -> bool:
        clock = Clock(seconds)
        while not (found := await asyncio.to_thread(self._look)) and not clock.over:
            await self._pause(self._pace.look_s)
        return found

    def _look(self) -> bool:
        """Read the events that have come; whether there is a verdict."""
        self._events += self._stream.read()
        return (self._place.job / VERDICT_FILE).is_file()

    async def _collected(self, end: str) -> Verdict:
        """The verdict, once it and the files that it lists are seen here. Raises GivenUp."""
        clock = Clock(self._pace.visible_s if end == "COMPLETED" else self._pace.glance_s)
        while not (whole := await asyncio.to_thread(self._whole)) and not clock.over:
            await self._pause(self._pace.look_s)
        if not whole and not await asyncio.to_thread(self._look):
            words = ENDS.get(end, "is unknown to the cluster")
            raise GivenUp(f"Slurm's job {self._number or '?'} {words} without a verdict ({end})")
        return await asyncio.to_thread(self._read_verdict)

    def _whole(self) -> bool:
        if not self._look():
            return False
        shelf = self._place.job / ARTEFACTS_DIR
        with contextlib.suppress(OSError):
            found = self._read_verdict().artefacts
            return all((shelf / item.name).lstat().st_size == item.bytes for item in found)
        return False

    def _read_verdict(self) -> Verdict:
        return staging.read_verdict(self._place.job, self._job.run_id)

    def _failed(self, fault: str) -> Verdict:
        self._log(fault)
        return machine_failed(self._job.run_id, fault)

    def _log(self, fault: str) -> None:
        errors = b""
        with contextlib.suppress(OSError), opened(self._place.folder / ERRORS_FILE) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - KEPT_ERROR_BYTES))
            errors = file.read(KEPT_ERROR_BYTES)
        log.error(
            "the judge failed",
            run=self._job.run_id,
            attempt=self._job.attempt,
            job=self._number,
            fault=fault,
            stderr=errors.decode("utf-8", "replace").strip(),
        )

    async def _pause(self, seconds: float) -> None:
        """Raises GivenUp as soon as nobody wants the run any more."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._unwanted.wait(), seconds)
        if self._unwanted.is_set():
            raise GivenUp("was cancelled")

    async def _leave(self) -> None:
        await asyncio.to_thread(self._place.remove)
        self._on_end(self)


def check(target: Target, settings: Settings) -> None:
    """Raises ValueError naming the key, what is wrong with it and what would be right."""
    shared = settings.get("shared")
    if not isinstance(shared, str) or not os.path.isabs(shared) or not shared.isprintable():
        raise ValueError(
            "shared must be the absolute path of a folder that this machine and the nodes share"
        )
    for key in ("partition", "gres"):
        if key in settings and not WORDS.fullmatch(str(settings[key])):
            raise ValueError(f"{key} must be a name as sbatch takes it, such as {EXAMPLES[key]}")
    _check_gpus(target, str(settings.get("gres", "")))
    for key, most in NUMBERS.items():
        number = settings.get(key, 1)
        if type(number) is not int or not 1 <= number <= most:
            raise ValueError(f"{key} must be a whole number from 1 to {most}")
    options = settings.get("options", [])
    if not isinstance(options, list):
        raise ValueError("options must be a list such as ['--account=kernels', '--exclusive']")
    for option in options:
        found = OPTION.fullmatch(str(option))
        if found is None:
            raise ValueError(
                f"options has {option!r}; each must be of the form --NAME or --NAME=VALUE"
            )
        # sbatch takes the beginning of a name for the whole one.
        if any(own.startswith(found[1]) for own in OWN_OPTIONS):
            raise ValueError(
                f"options has {option!r}, which is ours to give; the other settings are "
                f"{', '.join(key for key in KEYS if key != 'options')}"
            )


def _check_gpus(target: Target, gres: str) -> None:
    found = GPUS.fullmatch(gres)
    if found and target.device != "cpu" and int(found[1] or 1) != target.gpus:
        raise ValueError(
            f"gres must ask for as many GPUs as a run has ({target.gpus}), and asks for {found[1] or 1}"
        )


def make(target: Target, settings: Settings, site: Site) -> list[Launcher]:
    """As many runs at once as the settings say, where this machine has ``sbatch``."""
    if shutil.which("sbatch", path=site.environment.get("PATH")) is None:
        return []
    asked = [f"--{key}={settings[key]}" for key in ("partition", "gres") if key in settings]
    others = target.launchers[-1:] not in ((), ("slurm",))
    launcher = SlurmLauncher(
        Path(settings["shared"]),
        site.folder / "slurm",
        site.environment,
        options=("--nodes=1", "--ntasks=1", *asked, *map(str, settings.get("options", []))),
        gpus=target.gpus,
        longest_s=settings.get("time_limit_s"),
        wait_s=settings.get("wait_s", WAIT_S),
        isolation=site.isolation,
        pace=Pace(taken_s=TAKEN_S) if others else None,
    )
    return [launcher] * settings.get("slots", 1)


FACTORY = Factory(make=make, keys=KEYS, check=check)
