"""Modal: each run is one call of a function that was deployed from ``runners/modal_app.py``.

A target is reached this way by a worker that has Modal's package and token (``MODAL_TOKEN_ID`` and
``MODAL_TOKEN_SECRET``). What is submitted runs on a machine of Modal's with Modal's own client beside it, so an
answer is believed to be bytes and nothing else: it is never allowed to name a class or a function of ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import importlib.util
import pickle
import re
import time
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NoReturn

import structlog

from kernelbot.domain.target import Target
from kernelbot.judge import parcels
from kernelbot.judge.artefacts import CHUNK_BYTES
from kernelbot.judge.parcels import Outcome
from kernelbot.judge.protocol import (
    Event,
    Job,
    ProtocolError,
    Verdict,
    VerdictKind,
    judge_digest,
    machine_failed,
)
from kernelbot.launchers.base import (
    Factory,
    Launch,
    Launcher,
    Package,
    Settings,
    Site,
    met_no_device,
)

if TYPE_CHECKING:
    import modal

APP = "kernelbot"
TOKEN = ("MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET")
QUEUE_S = 1800.0
"""How long Modal may take to find a GPU, beyond the time that the run itself may take."""
START_S = 120.0
"""To hand a job over."""
POLL_S = 25.0
AWAY_S = 2.0
"""Pause after Modal could not be reached."""
COUNT_S = 15.0
TIME_LIMITS_S = (*(600 << step for step in range(8)), 86_400)
"""Of containers: each takes the shortest that its run fits into. Few, since Modal keeps a pool for each; the last is the
longest that Modal allows."""
PACKING_S = 60.0
"""What a container does before and after its judge."""
GRACE_S = 5.0
MOST_RUNS = 100
MOST_BYTES = parcels.MAX_OUTCOME_BYTES + 1024
"""Of an answer, which is an outcome in a pickle."""
ASK_AGAIN = ("ConnectionError", "ServiceError", "InternalError", "ResourceExhaustedError")
"""Modal's errors that say nothing about the call: it goes on, and is asked for again. After any other it is
given up, ended as far as it can be, and its run tried again from the start; nothing of it is ever the contestant's."""
DEPLOY = "deploy the app: modal deploy -m runners.modal_app"
UPDATE = "this version of Modal's package is not served any more; install another, and run its tests first"
REMEDIES = {
    "NotFoundError": DEPLOY,
    "AuthError": "MODAL_TOKEN_ID and MODAL_TOKEN_SECRET are refused; make a token that holds",
    "PermissionDeniedError": "the token may not call the app; make one in the environment it is deployed in",
    "VersionError": UPDATE,
    "UnimplementedError": UPDATE,
    "ImageBuildError": DEPLOY,
    "FunctionTimeoutError": "the container was still at work after all the time that its run may take",
    "OutputExpiredError": "it ended a week ago, with no worker to take what came of it",
}
"""What an operator can do about an error, or what it means; by the name of its class."""
HANDLE = re.compile(r"modal:(?P<call>fc-[A-Za-z0-9-]+)")

log = structlog.get_logger()


class ModalLauncher:
    """Calls one deployed function, any number of times at once.

    ``function`` is its name, ``token`` its owner's id and secret. ``isolation`` is the only kind of fence to
    accept there; empty: the strongest that works. Seconds: ``queue_s`` is how long Modal may take to find a GPU,
    ``start_s`` to take a job, ``away_s`` the pause after it could not be reached, ``count_s`` the one between two
    questions how many calls wait.
    """

    def __init__(
        self,
        function: str,
        token: tuple[str, str],
        isolation: str = "",
        *,
        queue_s: float = QUEUE_S,
        start_s: float = START_S,
        away_s: float = AWAY_S,
        count_s: float = COUNT_S,
    ):
        self._function = function
        self._token = token
        self._isolation = isolation
        self._queue_s = queue_s
        self._start_s = start_s
        self._away_s = away_s
        self._count_s = count_s
        self._connecting: asyncio.Task[modal.Client] | None = None
        self._running: set[ModalLaunch] = set()
        self._waiting = 0
        self._counting: asyncio.Task[None] | None = None

    def open(self) -> None:
        """There is nothing to get ready."""

    async def start(self, package: Package) -> Launch:
        """Raises ValueError for a job that is too large to be sent, or may take longer than any container."""
        begun = asyncio.create_task(self._begun(package))
        try:
            return await asyncio.shield(begun)
        except asyncio.CancelledError:  # what is half called comes to be, and is ended as a whole
            with contextlib.suppress(OSError, ValueError):
                await (await begun).close()
            raise

    async def attach(self, package: Package, handle: str) -> Launch | None:
        if not (found := HANDLE.fullmatch(handle)):
            return None
        library = await asyncio.to_thread(_library)
        try:
            async with asyncio.timeout(self._start_s):
                client = await self._connected()
                call = library.FunctionCall.from_id(found["call"], client=client)
                await call.num_inputs.aio()
        except library.exception.NotFoundError:
            return None
        except Exception as error:
            raise OSError(f"Modal does not say what became of {handle}: {_words(error)}") from error
        log.info("attached to a call", run=package.job.run_id, call=call.object_id)
        return self._followed(call, _jobs(package))

    async def _begun(self, package: Package) -> ModalLaunch:
        limit_s = _time_limit_s(_jobs(package))
        parcel = await asyncio.to_thread(self._packed, package)
        try:
            async with asyncio.timeout(self._start_s):
                call = await (await self._deployed(limit_s)).spawn.aio(parcel)
        except Exception as error:
            raise OSError(f"Modal takes no run for {self._function}: {_words(error)}") from error
        log.info("called Modal", run=package.job.run_id, call=call.object_id, limit_s=limit_s)
        return self._followed(call, _jobs(package))

    async def _deployed(self, limit_s: int) -> modal.Function[[bytes], bytes, bytes]:
        """The function, with containers that end after so long. Raises whatever Modal's package does."""
        library, client = await asyncio.to_thread(_library), await self._connected()
        found: modal.Function[[bytes], bytes, bytes] = library.Function.from_name(
            APP, self._function, client=client
        )
        return found.with_options(timeout=limit_s)

    def _packed(self, package: Package) -> bytes:
        first = b"" if package.canary is None else self._packed(package.canary)
        return parcels.pack_job(
            package.job, package.problem_files, package.code, self._isolation, first
        )

    def _followed(self, call: modal.FunctionCall[bytes], jobs: list[Job]) -> ModalLaunch:
        patience_s = self._queue_s + sum(parcels.deadline_s(item.limits) for item in jobs)
        launch = ModalLaunch(call, jobs[0], patience_s, self._away_s, _time_limit_s(jobs))
        self._running.add(launch)
        if self._counting is None or self._counting.done():
            self._counting = asyncio.create_task(self._count())
        launch.on_end(self._running.discard)
        return launch

    @property
    def backlog(self) -> int:
        """Of the calls that wait for a container, whoever made them, as many as can be ours."""
        return min(self._waiting, sum(not launch.over for launch in self._running))

    async def _count(self) -> None:
        """Ask how many calls wait, as long as there are any of ours."""
        while limits := {launch.limit_s for launch in self._running if not launch.over}:
            try:
                async with asyncio.timeout(self._start_s):
                    pools = [await self._deployed(limit_s) for limit_s in sorted(limits)]
                    found = [await pool.get_current_stats.aio() for pool in pools]
                    self._waiting = sum(stats.backlog for stats in found)
            except Exception as error:  # it says how long others wait, and nothing about a run
                log.warning("Modal does not say how much waits", error=_words(error))
            await asyncio.sleep(self._count_s)

    async def _connected(self) -> modal.Client:
        """One connection for all, which goes on being made when somebody waits for it no longer."""
        made = self._connecting
        if made is None or (made.done() and (made.cancelled() or made.exception())):
            made = self._connecting = asyncio.create_task(self._connect())
        return await asyncio.shield(made)

    async def _connect(self) -> modal.Client:
        library = await asyncio.to_thread(_library)
        client: modal.Client = await library.Client.from_credentials.aio(*self._token)
        return client

    async def close(self) -> None:
        await asyncio.gather(*(launch.close() for launch in list(self._running)))
        if self._counting is not None:
            self._counting.cancel()
            await asyncio.wait({self._counting})
        if self._connecting is not None:
            made, self._connecting = self._connecting, None
            made.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await (await made).close.aio()


def _jobs(package: Package) -> list[Job]:
    """The job of a run, and what is judged before it."""
    return [package.job, *([] if package.canary is None else [package.canary.job])]


def _time_limit_s(jobs: list[Job]) -> int:
    """Of the container that judges them. Raises ValueError where none may live for as long."""
    wanted_s = PACKING_S + sum(parcels.deadline_s(job.limits) for job in jobs)
    for limit_s in TIME_LIMITS_S:
        if wanted_s <= limit_s:
            return limit_s
    raise ValueError(
        f"the run may take {wanted_s:.0f} s in all, and Modal gives a container {TIME_LIMITS_S[-1]} s; "
        "lower the problem's limits, or serve its GPU in another way"
    )


class ModalLaunch:
    """One call; its container ends after ``limit_s``."""

    def __init__(
        self,
        call: modal.FunctionCall[bytes],
        job: Job,
        patience_s: float,
        away_s: float,
        limit_s: int,
    ):
        self.limit_s = limit_s
        self._call = call
        self._job = job
        self._patience_s = patience_s
        self._away_s = away_s
        self._unwanted = asyncio.Event()
        self._left = False
        self._ended: list[Callable[[ModalLaunch], None]] = []
        self._closed = False
        self._outcome = asyncio.create_task(self._answer())

    @property
    def over(self) -> bool:
        return self._outcome.done()

    @property
    def handle(self) -> str:
        return f"modal:{self._call.object_id}"

    def on_end(self, callback: Callable[[ModalLaunch], None]) -> None:
        self._ended.append(callback)

    async def events(self) -> AsyncIterator[Event]:
        """All of them at the end: from a container without a network nothing comes earlier."""
        for event in (await asyncio.shield(self._outcome)).events:
            yield event

    async def verdict(self) -> Verdict:
        return (await asyncio.shield(self._outcome)).verdict

    async def canary(self) -> Verdict | None:
        return (await asyncio.shield(self._outcome)).canary

    async def artefact(self, name: str) -> AsyncIterator[bytes]:
        files = {} if self._closed else (await asyncio.shield(self._outcome)).files
        if name not in files:
            raise FileNotFoundError(errno.ENOENT, "no file of this run", name)
        content = files[name]
        for at in range(0, len(content), CHUNK_BYTES):
            yield content[at : at + CHUNK_BYTES]

    async def leave(self) -> None:
        self._left = True
        self._unwanted.set()
        await self.verdict()

    async def cancel(self) -> None:
        self._unwanted.set()
        await self.verdict()

    async def close(self) -> None:
        await self.cancel()
        self._closed = True
        for callback in self._ended:
            callback(self)

    # --- the answer --------------------------------------------------------------------------

    async def _answer(self) -> Outcome:
        try:
            answer = await self._asked()
            if isinstance(answer, str):
                return self._failed(answer)
            return await asyncio.to_thread(self._opened, answer)
        except Exception as error:
            await self._end()
            return self._failed(f"Modal gave no outcome: {_words(error)}")

    async def _asked(self) -> bytes | str:
        """What the function returned, or why there is nothing to wait for any more."""
        away = _away()
        deadline = time.monotonic() + self._patience_s
        while not self._unwanted.is_set():
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                await self._end()
                return f"Modal gave no outcome within {self._patience_s:.0f} s"
            asked = asyncio.create_task(self._poll(min(POLL_S, left_s)))
            await self._unless_unwanted(asked)
            try:
                if not asked.cancelled():
                    return asked.result()
            except TimeoutError:  # it waits or runs
                continue
            except away as error:
                log.warning("Modal is away", call=self._call.object_id, error=_words(error))
                pause = asyncio.create_task(asyncio.sleep(self._away_s))
                await self._unless_unwanted(pause)
        if self._left:
            return "it was left to another worker"
        await self._end()
        return "it was ended"

    async def _poll(self, seconds: float) -> bytes:
        answer: object = await self._call.get.aio(timeout=seconds)
        if not isinstance(answer, bytes):
            raise ProtocolError(f"the function returned a {type(answer).__name__}")
        return answer

    async def _unless_unwanted(self, task: asyncio.Task[Any]) -> None:
        """Wait for it; leave it unfinished when nobody wants the run any more."""
        unwanted = asyncio.create_task(self._unwanted.wait())
        try:
            await asyncio.wait({task, unwanted}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            unwanted.cancel()
            if not task.done():
                task.cancel()
                await asyncio.wait({task})

    async def _end(self) -> None:
        """End the call and its container; where Modal cannot be reached, the time limits there do."""
        try:
            async with asyncio.timeout(GRACE_S):
                await self._call.cancel.aio(terminate_containers=True)
        except Exception as error:
            log.warning("a call goes on", call=self._call.object_id, error=_words(error))

    def _opened(self, answer: bytes) -> Outcome:
        outcome = parcels.open_outcome(answer, self._job.run_id)
        verdict = outcome.verdict
        if verdict.kind is VerdictKind.JUDGE_FAILED:
            log.error(
                "the judge failed", run=self._job.run_id, fault=verdict.fault,
                stderr=outcome.stderr.strip()[-2000:],
            )  # fmt: skip
        elif verdict.harness.judge_digest != judge_digest():
            return self._failed(f"the app on Modal has another version of the judge: {DEPLOY}")
        elif not met_no_device(verdict):
            # The judge looks there before anything else; here its own word is held against the job.
            wanted, got = self._job.expect_device, verdict.device.name
            if not re.search(wanted, got, re.IGNORECASE):
                return self._failed(f"Modal gave {got!r}, where devices matching {wanted!r} count")
        return outcome

    def _failed(self, fault: str) -> Outcome:
        log.error("the judge failed", run=self._job.run_id, fault=fault)
        return Outcome(verdict=machine_failed(self._job.run_id, fault))


# --- Modal's package, which only a worker that uses it has ----------------------------------------


def _library() -> Any:
    """Modal's package, made to believe that answers are plain values of a bounded size. Takes a second the first
    time."""
    import modal
    import modal._serialization as serialization
    from modal._utils import function_utils

    class Plain(pickle.Unpickler):
        """Reads what the package has others send as pickles; refuses all that is more than data."""

        def __init__(self, client: object, buffer: Any):
            super().__init__(buffer)

        def find_class(self, module: str, name: str) -> NoReturn:
            raise pickle.UnpicklingError(f"an answer names {module}.{name}")

        def persistent_load(self, pid: object) -> NoReturn:
            raise pickle.UnpicklingError("an answer names an object")

    if not hasattr(serialization, "Unpickler") or not hasattr(function_utils, "blob_download"):
        raise RuntimeError("this version of modal reads answers in a way that is not known here")
    serialization.Unpickler = Plain  # type: ignore[assignment,misc]
    function_utils.blob_download = _fetched
    return modal


async def _fetched(blob_id: str, stub: Any) -> bytes:
    """An answer that was too large for a message. Raises ConnectionError where asking again may help."""
    from modal._utils.http_utils import ClientSessionRegistry
    from modal_proto import api_pb2

    session: Any = ClientSessionRegistry.get_session()  # type: ignore[no-untyped-call]
    found = await stub.BlobGet(api_pb2.BlobGetRequest(blob_id=blob_id))
    answer = bytearray()
    async with session.get(found.download_url) as response:
        if response.status == HTTPStatus.NOT_FOUND:
            raise LookupError("Modal has the answer no more")
        if response.status != HTTPStatus.OK:
            raise ConnectionError(f"Modal's store answered {response.status}")
        async for chunk in response.content.iter_chunked(CHUNK_BYTES):
            answer += chunk
            if len(answer) > MOST_BYTES:
                raise ProtocolError(f"an answer is over the limit of {MOST_BYTES} bytes")
    return bytes(answer)


def _away() -> tuple[type[Exception], ...]:
    """What is raised where asking again may help; all else is said about the call itself."""
    import aiohttp
    from modal import exception

    return (*(getattr(exception, name) for name in ASK_AGAIN), aiohttp.ClientError, OSError)


def _words(error: BaseException) -> str:
    """For the operator, who is told what to do about it where that is known."""
    kind = type(error).__name__
    remedy = f" ({REMEDIES[kind]})" if kind in REMEDIES else ""
    return f"{kind}: {error}"[:2000] + remedy


# --- for the registry ------------------------------------------------------------------------------


def make(target: Target, settings: Settings, site: Site) -> list[Launcher]:
    """As many runs at once as ``runs`` says, where this worker has Modal's package and token."""
    identity, secret = (site.environment.get(name, "") for name in TOKEN)
    if not identity or not secret:
        return []
    if importlib.util.find_spec("modal") is None:
        log.warning("there is a token for Modal, but not its package", target=target.name)
        return []
    return [ModalLauncher(target.name, (identity, secret), site.isolation)] * settings["runs"]


def check(target: Target, settings: Settings) -> None:
    """Raises ValueError."""
    gpu, runs = settings.get("gpu"), settings.get("runs")
    if not isinstance(gpu, str) or not re.fullmatch(r"[A-Z0-9][A-Za-z0-9-]*!?", gpu):
        raise ValueError("gpu must be Modal's name for one GPU, such as H100!; gpus says how many")
    if type(runs) is not int or not 1 <= runs <= MOST_RUNS:
        raise ValueError(f"runs must be how many may run at once, from 1 to {MOST_RUNS}")


FACTORY = Factory(make=make, keys=("gpu", "runs"), check=check)
