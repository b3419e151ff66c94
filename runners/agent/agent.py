"""The agent: takes runs from a server, has them judged on this machine, hands in what came of them.

What is held is known by leases of the server's; this machine's clock is asked for durations only.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import random
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import structlog

from kernelbot.domain.target import Target
from kernelbot.judge import parcels
from kernelbot.judge.protocol import (
    Event,
    ProtocolError,
    Verdict,
    VerdictKind,
    dump,
    judge_digest,
    machine_failed,
    to_json,
)
from kernelbot.launchers.base import Launch, Package, Site, thinned
from runners.agent import selftest
from runners.agent.places import Board, Place, places_of
from runners.agent.selftest import Unfit
from runners.agent.wire import Away, Canary, Gateway, Lease, Refused, Work, in_pieces

POLL_S = 25.0
YOUNG_S = 0.5
"""A request so young may just be answered with runs, which would have to wait for the next one if it were given up: what
waits is handed out at once."""
AWAY_S = (0.5, 15.0)
"""Pause after the server did not answer: the first, and the longest."""
TROUBLE_S = (1.0, 60.0)
"""Pause after this machine could not begin a run."""
SHUT_S = 20.0
"""Between requests of a machine whose free devices are all quarantined, or kept for a run on several."""
MOST_FAULTS = 3
"""Runs in a row that failed by the judge's own fault until a pause is made."""

T = TypeVar("T")
log = structlog.get_logger()


class Outdated(Exception):
    """The server has another version of what this process runs."""


class Dismissed(Exception):
    """The server will have nothing more to do with this process; ``code`` is its exit code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


OTHER_VERSION = ("stale_judge", "invalid_input")
"""Of several processes of a server that is being updated some do not understand what an agent of the others says."""

SUPERSEDED = 3
REVOKED = 4
REFUSED = 5


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    state: Path
    cpu_slots: int
    drain_s: float


@dataclass(eq=False)
class Held:
    """A run in our hands."""

    run: Lease
    place: Place
    placed: bool = True  # it still has the place, which is somebody else's once it was given up
    starting: asyncio.Task[Launch] | None = None
    launch: Launch | None = None
    unwanted: bool = False  # whoever asks, whatever for
    cancelled: bool = False  # its owner stopped it
    lost: bool = False  # somebody else has it


class Agent:
    """One machine for as long as its process is the server's newest."""

    def __init__(self, gateway: Gateway, options: Options, tree: str) -> None:
        self._gateway = gateway
        self._options = options
        self._tree = tree
        self._board = Board(())
        self._places: list[Place] = []
        self._held: dict[int, Held] = {}
        self._canaries: set[Launch] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._waiting: Mapping[str, int] = {}
        self._wake = asyncio.Event()
        self.told_to_stop = asyncio.Event()  # by :meth:`stop`, not by the server
        self._stopping = asyncio.Event()  # take nothing more
        self._hurry = asyncio.Event()  # and end what runs
        self._ending: BaseException | None = None  # why, other than by a signal
        self._drained = False
        self._poll = 0
        self._heartbeat_s = 2.0
        self._lease_s = 10.0
        self._trouble = ""
        self._resume_at = 0.0
        self._setbacks = 0
        self._faults = 0

    def stop(self) -> None:
        """Once: end what runs, take nothing more. Twice: give back what runs, now."""
        self.told_to_stop.set()
        if self._stopping.is_set():
            self._hurry.set()
        self._stopping.set()
        self._wake.set()

    async def run(self) -> None:
        """Until :meth:`stop`. Raises Outdated, Dismissed and Unfit, each with nothing left running."""
        if not await self._join():
            return
        heart = asyncio.create_task(self._beat_for_ever(), name="heartbeat")
        heart.add_done_callback(self._background_ended)
        try:
            await self._take_for_ever()
            await self._finish_what_runs()
        finally:
            heart.cancel()
            await self._shut_down()
        if self._ending is not None:
            raise self._ending

    # --- joining -----------------------------------------------------------------------------

    async def _join(self) -> bool:
        """Prove what this machine has and announce it; False when it was stopped meanwhile."""
        terms = await until(self._stopping, self._insistently(self._gateway.terms))
        if terms is None:
            return False
        if terms["tree"] != self._tree:
            raise Outdated
        self._heartbeat_s, self._lease_s = float(terms["heartbeat_s"]), float(terms["lease_s"])
        proof, fence = await asyncio.gather(
            asyncio.to_thread(selftest.prove),
            asyncio.to_thread(selftest.fence, terms["isolation"]),
        )
        targets = [
            Target(name=item["name"], device=item["device"], match=item["match"], gpus=item["gpus"])
            for item in terms["targets"]
        ]
        site = Site(
            folder=self._options.state,
            environment=os.environ,
            isolation=terms["isolation"],
            devices=proof.names,
            cpu_slots=self._options.cpu_slots,
        )
        self._places = places_of(targets, proof, site)
        self._board = Board(self._places)
        if not self._places:
            has = ", ".join(proof.names) or "no accelerator that torch sees"
            wanted = ", ".join(target.name for target in targets) or "nothing"
            raise Unfit(f"this machine has {has}; its token is for {wanted}")
        said = {
            "host": socket.gethostname()[:200],
            "tree": self._tree,
            "judge_digest": judge_digest(),
            "isolation": fence,
            "slots": self._board.capacity,
            "units": [dataclasses.asdict(unit) for unit in proof.units],
            "python": proof.python,
            "torch": proof.torch,
            "triton": proof.triton,
            "driver": proof.driver,
        }
        told = self._insistently(lambda: self._gateway.announce(said))
        if await until(self._stopping, _done_with(told)) is None:
            return False
        for place in self._places:
            if place.target:
                place.launcher.open()
        log.info("joined", runner=terms["name"], slots=self._board.capacity, fence=fence)
        return True

    # --- taking ------------------------------------------------------------------------------

    async def _take_for_ever(self) -> None:
        pause_s = AWAY_S[0]
        while not self._stopping.is_set():
            self._wake.clear()
            offers, free = self._offerable()
            if not offers and not free:
                await self._sleep(min(5.0, self._paused_s() or 5.0))
                continue
            self._poll += 1
            try:
                work = await unless(
                    self._changed(offers, free),
                    self._gateway.lease(self._poll, offers, free, POLL_S, self._leases),
                )
                pause_s = pause_s if work is None else AWAY_S[0]
            except Away as error:
                log.warning("the server is away", error=str(error), again_in_s=pause_s)
                await self._sleep(_about(pause_s))
                pause_s = min(pause_s * 2, AWAY_S[1])
            except Refused as error:
                self._end(error)
            else:
                await self._take(work)
                if work is not None and work.canary is None and not (offers or self._offers):
                    await self._sleep(SHUT_S)  # nothing here takes runs: the server did not wait

    @property
    def _leases(self) -> list[str]:
        return [held.run.lease for held in self._held.values()]

    def _offerable(self) -> tuple[list[dict[str, int]], list[str]]:
        """What to ask for: places by kind, and devices that a canary may be judged on."""
        if self._drained or self._paused_s():
            return [], []
        return self._offers, self._board.idle

    @property
    def _offers(self) -> list[dict[str, int]]:
        return self._board.offers(self._waiting)

    async def _changed(self, *offered: object) -> None:
        """When something else can be offered than the server is being asked for, or all is over. It may have nothing for
        the kinds that it was asked for, and much for the place that has become free since."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), YOUNG_S)
        while not self._stopping.is_set() and self._offerable() == offered:
            self._wake.clear()
            await self._wake.wait()

    async def _take(self, work: Work | None) -> None:
        if work is None:
            return
        self._waiting, self._drained = work.waiting, work.drained
        if work.canary is not None:
            own = self._board.take_device(work.canary.device)
            if own is None:
                log.error("was given a canary for a device that is taken", id=work.canary.id)
            else:
                self._do(self._run_canary(work.canary, own), f"canary-{work.canary.id}")
        for run in work.runs:
            place = self._board.take(run.gpu)
            if place is None:  # never offered: the server is confused, and its lease will end
                log.error("was given a run without a place for it", run=run.run_id, gpu=run.gpu)
                continue
            if run.run_id in self._held:  # our own signs of life did not get through
                await self._lose(self._held[run.run_id])
            held = self._held[run.run_id] = Held(run, place)
            self._do(self._judge(held), f"run-{run.run_id}")
        if work.runs:
            with contextlib.suppress(Away, Refused):
                await self._beat()  # the first lease is short: say at once that it arrived

    def _paused_s(self) -> float:
        """How long nothing is taken, because of this machine's own trouble."""
        left_s = self._resume_at - time.monotonic()
        return left_s if left_s > 0 else 0.0

    def _set_back(self, trouble: str) -> None:
        """This machine cannot judge just now: leave the work to others for a while, longer each time."""
        pause_s = min(TROUBLE_S[0] * 2**self._setbacks, TROUBLE_S[1])
        self._setbacks += 1
        self._trouble = trouble
        self._resume_at = time.monotonic() + pause_s
        log.error("takes nothing for a while", trouble=trouble, seconds=pause_s)

    def _recover(self) -> None:
        self._trouble, self._setbacks, self._faults = "", 0, 0

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), seconds)

    # --- one run -----------------------------------------------------------------------------

    async def _judge(self, held: Held) -> None:
        structlog.contextvars.bind_contextvars(run=held.run.run_id, lease=held.run.lease)
        try:
            verdict = await self._launched(held)
            self._leave_place(held)  # the next run may have it while this one is handed in
            if not held.lost:
                await self._conclude(held, verdict)
        except Refused as error:
            if not error.lost:
                raise
            log.warning("a run is not ours any more", error=error.message)
        finally:
            self._leave_place(held)
            if held.launch is not None:
                self._do(held.launch.close(), "close")
            if self._held.get(held.run.run_id) is held:
                del self._held[held.run.run_id]
            self._wake.set()

    def _leave_place(self, held: Held) -> None:
        """Safe to repeat: by then another run may have the same place."""
        if held.placed:
            held.placed = False
            self._give_up(held.place)

    def _give_up(self, place: Place) -> None:
        self._board.free(place)
        self._wake.set()

    async def _run_canary(self, canary: Canary, place: Place) -> None:
        """The server's own small kernel, judged like any other; what comes of it decides whether the device takes
        runs."""
        launch: Launch | None = None
        try:
            packed = parcels.open_job(await self._gateway.canary_package(canary))
            package = Package(
                job=packed.job, problem_files=packed.problem_files, code=packed.submission
            )
            launch = await place.launcher.start(package)
            self._canaries.add(launch)
            if self._stopping.is_set():
                await launch.cancel()
            async for _ in launch.events():
                pass
            found = await launch.verdict()
            if self._stopping.is_set() and found.kind is VerdictKind.JUDGE_FAILED:
                await self._gateway.drop_canary(canary)  # it was ended, which says nothing
                return
            await self._gateway.canary_verdict(canary, dump(found).encode())
            log.info("canary ended", device=canary.device, verdict=found.kind.value)
            await self._beat()  # the server says at once whether the device takes runs
        except (OSError, ValueError, Away, Refused) as error:
            # Nobody waits for it; the server asks for another.
            log.warning("a canary was lost", device=canary.device, error=repr(error))
        finally:
            if launch is not None:
                self._canaries.discard(launch)
                self._do(launch.close(), "close")
            self._give_up(place)

    async def _launched(self, held: Held) -> Verdict | None:
        """The verdict; None where the run could not be begun and is another's to judge."""
        try:
            parcel = await self._insistently(lambda: self._gateway.package(held.run), held)
            if parcel is None:
                return machine_failed(str(held.run.run_id), "was ended before it was started")
            packed = await asyncio.to_thread(parcels.open_job, parcel)
        except ProtocolError as error:
            return machine_failed(str(held.run.run_id), f"the package cannot be read: {error}")
        package = Package(
            job=packed.job, problem_files=packed.problem_files, code=packed.submission
        )
        held.starting = asyncio.create_task(held.place.launcher.start(package))
        if held.unwanted:
            held.starting.cancel()
        await asyncio.wait([held.starting])
        if held.starting.cancelled():
            return machine_failed(str(held.run.run_id), "was ended before it was started")
        try:
            held.launch = held.starting.result()
        except OSError as error:
            self._set_back(f"a run could not be started: {error}")
            return None
        except ValueError as error:
            return machine_failed(str(held.run.run_id), f"could not be started: {error}")
        if held.unwanted:
            await held.launch.cancel()
        await self._report_progress(held, held.launch)
        return await held.launch.verdict()

    async def _report_progress(self, held: Held, launch: Launch) -> None:
        async for event in thinned(launch.events()):
            await self._tell(held, event)

    async def _tell(self, held: Held, event: Event) -> None:
        if held.lost:
            return
        try:
            await self._gateway.events(held.run, [to_json(event)])
        except Away:
            pass  # progress is a courtesy: a server that is away must not end the run
        except Refused as error:
            if error.lost:
                await self._lose(held)

    async def _conclude(self, held: Held, verdict: Verdict | None) -> None:
        run = held.run
        if held.cancelled:
            await self._insistently(lambda: self._gateway.cancelled(run), held)
        elif verdict is None or (self._hurry.is_set() and verdict.kind is VerdictKind.JUDGE_FAILED):
            await self._insistently(lambda: self._gateway.give_back(run), held)
            log.info("gave a run back")
        else:
            self._count(verdict)
            await self._upload(held, verdict)
            content = dump(verdict).encode()
            said = await self._insistently(lambda: self._gateway.verdict(run, content), held)
            if said is not None:
                log.info("run ended", verdict=verdict.kind.value, **said)
                if said["recorded"] != verdict.kind.value:
                    self._set_back(
                        f"the server does not believe its verdict: {said['fault'][:300]}"
                    )

    def _count(self, verdict: Verdict) -> None:
        """Faults in a row are this machine's until shown otherwise."""
        if verdict.kind is not VerdictKind.JUDGE_FAILED:
            self._recover()
            return
        self._faults += 1
        if self._faults >= MOST_FAULTS:
            self._set_back(f"{self._faults} runs in a row failed: {verdict.fault[:200]}")

    async def _upload(self, held: Held, verdict: Verdict) -> None:
        """The run's files go first: recording the verdict is what makes them count. One that cannot be read, or that
        the server will not have, is left out."""
        launch = held.launch
        for item in verdict.artefacts if launch is not None else ():
            assert launch is not None
            try:
                piece = 0
                async for content in in_pieces(launch.artefact(item.name)):
                    await self._insistently(
                        lambda name=item.name, piece=piece, content=content: (  # type: ignore[misc]
                            self._gateway.file(held.run, name, piece, content)
                        ),
                        held,
                    )
                    piece += 1
            except (OSError, Refused) as error:
                if isinstance(error, Refused) and error.lost:
                    raise
                log.warning("a file was lost", name=item.name, error=repr(error))

    async def _insistently(
        self, say: Callable[[], Awaitable[T]], held: Held | None = None
    ) -> T | None:
        """Say it until the server has heard it; leases make saying it twice harmless. None when the run it is
        about was lost meanwhile."""
        pause_s = AWAY_S[0]
        while held is None or not held.lost:
            try:
                return await say()
            except Away as error:
                log.warning("the server is away", error=str(error), again_in_s=pause_s)
            except Refused as error:
                if held is None:
                    raise self._reason(error) from error
                raise
            await asyncio.sleep(_about(pause_s))
            pause_s = min(pause_s * 2, AWAY_S[1])
        return None

    # --- signs of life -----------------------------------------------------------------------

    async def _beat_for_ever(self) -> None:
        while True:
            try:
                await self._beat()
            except Away as error:
                log.warning("no sign of life gets through", error=str(error))
            except Refused as error:
                self._end(error)
                return
            await asyncio.sleep(self._heartbeat_s)

    async def _beat(self) -> None:
        held = dict(self._held)
        idle = self._stopping.is_set() or self._drained or self._paused_s()
        runs = [
            {
                "run_id": item.run.run_id,
                "lease": item.run.lease,
                "devices": sorted(item.place.devices) or ["cpu"],
            }
            for item in held.values()
        ]
        trouble = self._trouble if self._paused_s() else ""
        slots = {} if idle else self._board.capacity
        try:
            async with asyncio.timeout(self._lease_s / 3):  # another must fit into the lease
                orders = await self._gateway.heartbeat(slots, runs, trouble)
        except TimeoutError as error:
            raise Away("a sign of life was not answered in time") from error
        self._learn_shut(orders.shut)
        if self._drained != orders.drained:
            self._drained = orders.drained
            self._wake.set()
        for run_id, item in held.items():
            # A run that ended while we asked is no longer ours, and rightly so; one that is being handed in may have been.
            if self._held.get(run_id) is not item or not item.placed:
                continue
            if run_id not in orders.alive:
                await self._lose(item)
            elif orders.alive[run_id] and not item.cancelled:
                item.cancelled = True
                await self._stop(item)
        if orders.stale:
            self._end(Outdated())

    def _learn_shut(self, shut: Mapping[str, str]) -> None:
        """Which devices take no run, as the server has decided from their canaries."""
        now = frozenset(shut)
        for device in now - self._board.shut:
            log.error("a device takes nothing more", device=device, reason=shut[device])
        for device in self._board.shut - now:
            log.info("a device takes work again", device=device)
        if now != self._board.shut:
            self._board.shut = now
            self._wake.set()

    async def _lose(self, held: Held) -> None:
        """Somebody else has the run now: stop, and say nothing about it."""
        if not held.lost:
            log.warning("lost a lease", run=held.run.run_id)
            held.lost = True
            await self._stop(held)

    async def _stop(self, held: Held) -> None:
        held.unwanted = True
        if held.launch is not None:
            self._do(held.launch.cancel(), "cancel")
        elif held.starting is not None:
            held.starting.cancel()

    # --- the end -----------------------------------------------------------------------------

    def _end(self, why: Exception) -> None:
        """Take nothing more, and keep what runs from the server no longer than it takes to give it back: from
        another version of the judge, or from a process that it does not know, it believes nothing."""
        reason = self._reason(why)
        if self._ending is None:
            log.warning("ends", reason=repr(reason))
            self._ending = reason
        self._hurry.set()
        self._stopping.set()
        self._wake.set()

    @staticmethod
    def _reason(why: Exception) -> Exception:
        if not isinstance(why, Refused):
            return why
        if why.code in OTHER_VERSION:
            return Outdated(why.message)
        code = {"session_lost": SUPERSEDED, "revoked_token": REVOKED, "unknown_token": REVOKED}
        return Dismissed(code.get(why.code, REFUSED), why.message)

    def _background_ended(self, task: asyncio.Task[None]) -> None:
        """Without its heartbeat an agent holds runs that others think are dead: better to stop."""
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("the agent cannot go on", exc_info=error)
            self._end(Dismissed(1, f"the heartbeat failed: {error!r}"))

    async def _finish_what_runs(self) -> None:
        """Let what runs end by itself, for as long as that may take; then give it back."""
        log.info("takes nothing more", runs=len(self._held))
        self._do(self._hurry_after(self._options.drain_s), "drain")
        while self._held and not self._hurry.is_set():
            self._wake.clear()
            await self._sleep(0.5)
        self._hurry.set()

    async def _hurry_after(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._hurry.wait(), seconds)
        self._hurry.set()

    async def _shut_down(self) -> None:
        self._stopping.set()
        self._hurry.set()
        for held in list(self._held.values()):
            if isinstance(self._ending, Dismissed):
                held.lost = True
            await self._stop(held)
        for launch in list(self._canaries):
            self._do(launch.cancel(), "cancel")
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=10.0)
        await asyncio.gather(*(place.launcher.close() for place in self._places))
        with contextlib.suppress(Away, Refused):
            await self._gateway.leave()

    def _do(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        """Have it done beside everything else, and before the agent ends."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        """What went wrong unforeseen is ours: the run falls silent and is tried again elsewhere."""
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("ended unforeseen", task=task.get_name(), exc_info=error)


async def until(stopped: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """What comes of it; None when it was stopped before."""
    return await unless(stopped.wait(), work)


async def unless(end: Coroutine[Any, Any, object], work: Coroutine[Any, Any, T]) -> T | None:
    """What comes of it; None when the other ended first."""
    task, waiting = asyncio.create_task(work), asyncio.create_task(end)
    try:
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        waiting.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait({task})


async def _done_with(work: Awaitable[object]) -> bool:
    await work
    return True


def _about(seconds: float) -> float:
    return seconds * random.uniform(0.5, 1.5)  # noqa: S311  no secret
