"""This machine: a job directory and a referee process of its own, forked warm where that is wanted."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import functools
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

import structlog

from kernelbot.domain.target import Target
from kernelbot.judge import folders, staging
from kernelbot.judge.artefacts import CHUNK_BYTES
from kernelbot.judge.protocol import (
    ARTEFACTS_DIR,
    MAX_EVENT_BYTES,
    Event,
    Job,
    ProtocolError,
    Verdict,
    VerdictKind,
    load,
    machine_failed,
)
from kernelbot.launchers.base import Factory, Launch, Launcher, Package, Settings, Site
from kernelbot.launchers.devices import Pool, shares
from kernelbot.launchers.template import Process, Template

STARTING_S = 120.0
"""Importing torch on a cold, busy machine; nobody's fault, so outside every stage's budget."""
GRACE_S = 5.0
PR_SET_PDEATHSIG = 1
KEPT_ERROR_BYTES = 8192
PREFIX = "run-"

log = structlog.get_logger()


class LocalLauncher:
    """Runs the judge on this machine, each run in a directory that is gone afterwards.

    ``root`` is where job directories are made. ``device_index`` pins CUDA runs to one of the devices
    this worker sees; ``pool`` has those that runs on several may take beside it. ``isolation`` is the
    only kind of fence to accept; empty: the strongest that works.
    ``warm`` keeps a process that has imported torch, from which referees are forked; it sees one device,
    so that runs on several are started afresh. ``cache`` is where people's compile caches are kept.
    """

    def __init__(
        self,
        root: Path,
        environment: Mapping[str, str],
        device_index: int | None = None,
        isolation: str = "",
        *,
        pool: Pool | None = None,
        warm: bool = False,
        cache: Path | None = None,
    ):
        self.root = root
        self._cache = str(cache) if cache else ""
        self._environment = staging.without_secrets(environment)
        self._device_index = device_index
        self._pool = pool if pool is not None or device_index is None else Pool([device_index])
        self._isolation = isolation
        self._running: set[LocalLaunch] = set()
        device, seen = ("cpu", []) if device_index is None else ("cuda", [device_index])
        self._template = Template(self._seeing(seen), device) if warm else None

    def open(self) -> None:
        if self._template is not None:
            self._template.open()

    async def start(self, package: Package) -> Launch:
        """Raises ValueError for a job that needs more devices than there are; waits for them otherwise."""
        indices, held = await self._devices(package.job.world_size)
        with held:
            begun = asyncio.create_task(self._begun(package, indices))
            try:
                launch = await asyncio.shield(begun)
            except asyncio.CancelledError:  # what is half made comes to be, and is ended as a whole
                await (await begun).close()
                raise
            launch.on_judged(held.pop_all().close)
        return launch

    async def _begun(self, package: Package, indices: Sequence[int]) -> LocalLaunch:
        folder = await asyncio.to_thread(self._stage, package)
        try:
            process = await self._referee(folder.path, indices)
        except BaseException:
            await asyncio.to_thread(folder.remove)
            raise
        launch = LocalLaunch(process, folder, package.job)
        self._running.add(launch)
        launch.on_end(self._running.discard)
        return launch

    async def _devices(self, count: int) -> tuple[list[int], contextlib.ExitStack]:
        """Those that a run has to itself; ranks share a processor."""
        if self._pool is None or self._device_index is None:
            return [], contextlib.ExitStack()
        return await self._pool.take(self._device_index, count)

    def _seeing(self, indices: Sequence[int]) -> dict[str, str]:
        """The environment of a judge that sees these devices, out of those that this worker sees."""
        if not indices:
            return self._environment
        seen = self._environment.get("CUDA_VISIBLE_DEVICES", "").split(",")
        names = [seen[at] if at < len(seen) and seen[0] else str(at) for at in indices]
        return {**self._environment, "CUDA_VISIBLE_DEVICES": ",".join(names)}

    async def _referee(self, directory: Path, indices: Sequence[int]) -> Process:
        """Forked from the template; started afresh where there is none that sees the devices."""
        if self._template is not None and len(indices) < 2:
            try:
                return await self._template.judge(directory, self._isolation, self._cache)
            except OSError as error:  # a time-out too
                log.warning("no referee can be forked, one is started", error=repr(error))
        line = staging.command(directory, isolation=self._isolation, cache=self._cache)
        return await asyncio.create_subprocess_exec(
            *line,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=staging.environment(self._seeing(indices)),
            cwd=directory,
            start_new_session=True,
            limit=MAX_EVENT_BYTES,
            preexec_fn=functools.partial(_die_with, os.getpid()),
        )

    @property
    def backlog(self) -> int:
        """None: what runs here has its device."""
        return 0

    async def attach(self, package: Package, handle: str) -> Launch | None:
        """Nothing: a judge here ends with its worker."""
        return None

    async def close(self) -> None:
        await asyncio.gather(*(launch.close() for launch in list(self._running)))
        if self._template is not None:
            await self._template.close()

    def _stage(self, package: Package) -> JobFolder:
        self.root.mkdir(parents=True, exist_ok=True)
        # What a killed worker left: people's code, cases that are hidden, files of a gigabyte.
        folders.remove_abandoned(self.root, f"{PREFIX}*")
        folder = JobFolder(self.root, package.job.run_id)
        try:
            staging.stage(folder.path, package.job, package.problem_files, package.code)
        except BaseException:
            folder.remove()
            raise
        return folder


class JobFolder:
    """The directory of one run, held until it is removed."""

    def __init__(self, root: Path, run_id: str) -> None:
        self._hold: int | None
        self.path, self._hold = folders.make(root, f"{PREFIX}{run_id}-")

    def remove(self) -> None:
        """Safe to repeat."""
        if self._hold is not None:
            held, self._hold = self._hold, None
            folders.remove(self.path)
            os.close(held)


class LocalLaunch:
    """One referee process."""

    handle = ""

    def __init__(self, process: Process, folder: JobFolder, job: Job):
        self._process = process
        self._folder = folder
        self._directory = folder.path
        self._job = job
        self._errors = asyncio.create_task(self._keep_errors())
        self._ended: list[Callable[[LocalLaunch], None]] = []
        self._cancelled = False
        self._holds_files = False  # the directory stays until they have been taken
        limits = job.limits
        # The referee keeps the budgets; this only catches a referee that hangs itself.
        self._deadline_s = STARTING_S + 2 * (limits.build_s + limits.check_s + limits.measure_s)
        # From the first moment: whoever reads events waits for a hanging referee to be ended.
        self._verdict = asyncio.create_task(self._wait())

    def on_judged(self, callback: Callable[[], None]) -> None:
        """Call when the referee and all it started are gone; its files may still be there."""
        self._verdict.add_done_callback(lambda _: callback())

    def on_end(self, callback: Callable[[LocalLaunch], None]) -> None:
        self._ended.append(callback)

    async def events(self) -> AsyncIterator[Event]:
        assert self._process.stdout is not None
        while True:
            try:
                line = await self._process.stdout.readline()
            except ValueError:  # an event over the limit: the referee never writes one
                continue
            if not line:
                return
            try:
                yield load(Event, line, limit=MAX_EVENT_BYTES)
            except ProtocolError as error:
                log.warning("the judge wrote something that is no event", error=str(error))

    async def verdict(self) -> Verdict:
        return await asyncio.shield(self._verdict)

    async def canary(self) -> Verdict | None:
        """None: devices of this machine have theirs by themselves."""
        return None

    async def artefact(self, name: str) -> AsyncIterator[bytes]:
        path = self._directory / ARTEFACTS_DIR / name
        with await asyncio.to_thread(path.open, "rb") as file:
            while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                yield chunk

    async def _wait(self) -> Verdict:
        try:
            await asyncio.wait_for(self._process.wait(), self._deadline_s)
            verdict = await asyncio.to_thread(
                staging.read_verdict, self._directory, self._job.run_id
            )
            explained = await self._explained(verdict)
            self._holds_files = bool(explained.artefacts)
            return explained
        except TimeoutError:
            return self._failed(f"the judge did not end within {self._deadline_s:.0f} s")
        finally:
            await self._clean_up()

    async def _explained(self, verdict: Verdict) -> Verdict:
        if verdict.kind is not VerdictKind.JUDGE_FAILED or verdict.fault.startswith("problem"):
            return verdict
        self._kill()
        errors = b""
        with contextlib.suppress(TimeoutError):  # somebody else may hold the other end
            errors = await asyncio.wait_for(self._errors, GRACE_S)
        log.error(
            "the judge failed",
            run=self._job.run_id,
            attempt=self._job.attempt,
            status=self._process.returncode,
            fault=verdict.fault,
            stderr=errors.decode("utf-8", "replace").strip()[-2000:],
        )
        return verdict

    def _failed(self, fault: str) -> Verdict:
        log.error("the judge failed", run=self._job.run_id, fault=fault)
        return machine_failed(self._job.run_id, fault)

    async def leave(self) -> None:
        await self.cancel()

    async def cancel(self) -> None:
        if not self._cancelled:
            self._cancelled = True
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()  # the referee ends its contestants, then itself
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), GRACE_S)
            self._kill()
        await self.verdict()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    async def close(self) -> None:
        if not self._verdict.done():
            await self.cancel()
        self._holds_files = False
        await self._leave()

    async def _clean_up(self) -> None:
        self._kill()
        await self._process.wait()
        self._errors.cancel()
        if not self._holds_files:
            await self._leave()

    async def _leave(self) -> None:
        await asyncio.to_thread(self._folder.remove)
        for callback in self._ended:
            callback(self)

    async def _keep_errors(self) -> bytes:
        """Drain stderr for ever, remember its end."""
        assert self._process.stderr is not None
        kept = b""
        while chunk := await self._process.stderr.read(4096):
            kept = (kept + chunk)[-KEPT_ERROR_BYTES:]
        return kept


def _die_with(worker: int) -> None:
    """In the child: without the worker there is nobody to report to."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != worker:
            os._exit(1)


def make(target: Target, settings: Settings, site: Site) -> list[Launcher]:
    """The processor, several times, or each of the fitting CUDA devices by itself, or as many together as the
    target has."""
    root, cache = site.folder / "runs", site.folder / "compiled"
    if target.device == "cpu":
        processor = LocalLauncher(
            root, site.environment, isolation=site.isolation, warm=True, cache=cache
        )
        return [processor] * site.cpu_slots
    return [
        LocalLauncher(
            root,
            site.environment,
            share[0],
            site.isolation,
            pool=Pool(share, site.held),
            warm=target.gpus == 1,
            cache=cache,
        )
        for share in shares(target, site.devices)
    ]


def alone(index: int, site: Site) -> LocalLauncher:
    """One CUDA device by itself, now and then, whatever targets have it together with others."""
    pool = Pool([index], site.held)
    return LocalLauncher(site.folder / "runs", site.environment, index, site.isolation, pool=pool)


FACTORY = Factory(make=make, here=True)
