"""The worker: takes runs for the GPUs it can reach, has them judged, says what came of it.

``python -m kernelbot.worker``. Any number may run. Killed at any instant it leaves nothing behind
that another worker does not pick up: the queue redelivers what falls silent, leases tell late
verdicts from valid ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import random
import signal
import socket
import time
import uuid
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

import structlog

from kernelbot import logs
from kernelbot.app import App, build
from kernelbot.config import Settings
from kernelbot.domain.target import Target, spellings
from kernelbot.errors import Refused, Unavailable
from kernelbot.judge import device
from kernelbot.judge.protocol import Event, Mode, Verdict, VerdictKind, judge_digest, machine_failed
from kernelbot.launchers import devices
from kernelbot.launchers.base import Launch, Launcher, Package, Site, thinned
from kernelbot.launchers.registry import FACTORIES
from kernelbot.launchers.targets import restricted
from kernelbot.services import artefacts, canaries, dispatch, reveal
from kernelbot.services.canaries import Errand, Offered
from kernelbot.services.dispatch import RESTART, Assignment
from kernelbot.storage import fleet, queue
from kernelbot.storage.changes import CANCEL

POLL_S = 2.0
"""Longest time until queued work is seen when its notification was lost."""
HOUSEKEEPING_S = 600.0
REVEAL_S = 10.0
"""Longest time between the end of a freeze and its announcement."""
WATCH_S = 10.0
"""Until everybody is told of a device that was taken out, where whoever did it could not."""
SHUTDOWN_S = 10.0
UNREACHED = "a machine that could not be reached"
REST_S = 300.0
"""How long a way to a GPU kind is left alone that could not start a run, where there is another."""

log = structlog.get_logger()


@dataclass
class Held:
    """A run in our hands."""

    assignment: Assignment
    slot: Slot
    place: Slot
    """The slot, or that of its others in which the run was started."""
    starting: asyncio.Task[Launch] | None = None
    looked_for: bool = False
    """What an earlier worker has started is not found yet."""
    launch: Launch | None = None
    cancelled: bool = False
    lost: bool = False
    known: bool = False
    """Where it goes on is written down, so that another worker can have it."""
    ended: bool = False
    left: bool = False
    not_here: bool = False
    """It could not be started in this slot, and can be in another one."""

    @property
    def goes_on(self) -> bool:
        """Whether it does without us: left to others, or found by an earlier worker and never reached by us."""
        return self.left or (self.launch is None and bool(self.assignment.handle))


@dataclass(frozen=True)
class Slot:
    """A place where one run at a time can be judged."""

    gpu: str
    launcher: Launcher = field(compare=False)
    here: bool = True  # judged on this machine
    devices: tuple[str, ...] = ()  # by the ids that canaries and runs know them by; empty: unknown
    way: str = "local"  # of those in targets.yaml
    others: tuple[Slot, ...] = field(default=(), compare=False)
    """Where its run goes when the launcher cannot start it: the next ways to the same kind, the best first."""


class Worker:
    def __init__(
        self, app: App, slots: list[Slot], about: Mapping[str, Any], units: Sequence[Offered] = ()
    ):
        """``units``: the devices of the slots, which have a canary now and then."""
        self.id = uuid.uuid4()
        self._slots = list(slots)
        self._units = {unit.id: unit for unit in units}
        self._shut: Mapping[str, str] = {}  # devices that take no run, each with the reason
        self._canaries: set[Launch] = set()
        self._app = app
        self._free = list(slots)
        self._launchers: dict[str, dict[int, Launcher]] = {}
        for slot in slots:
            for place in (slot, *slot.others):
                self._launchers.setdefault(slot.gpu, {})[id(place.launcher)] = place.launcher
        self._several = {slot.gpu for slot in slots if slot.others}
        """Kinds with ways to fall over to."""
        self._rests: dict[int, tuple[float, str]] = {}  # launchers: until when, and why
        self._about = about
        self._digest = judge_digest()
        self._held: dict[int, Held] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._wake = asyncio.Event()

    def stop(self) -> None:
        """Take no more; what runs is given back."""
        self._stopping.set()
        self._wake.set()

    @property
    def _capacity(self) -> dict[str, int]:
        """How many runs at once, by GPU kind."""
        counts = {slot.gpu: 0 for slot in self._slots}
        for slot in self._slots:
            counts[slot.gpu] += self._may_judge(slot)
        return counts

    def _may_judge(self, slot: Slot) -> bool:
        if any(device in self._shut for device in slot.devices):
            return False
        # The next way may have room for fewer runs than the first: these are in slots that know of it.
        return bool(slot.others) or slot.gpu not in self._several or not self._resting(slot)

    def _resting(self, place: Slot) -> bool:
        return time.monotonic() < self._rests.get(id(place.launcher), (0.0, ""))[0]

    def _troubles(self) -> list[str]:
        """What rests now, for whoever looks after machines."""
        places = {
            (place.gpu, place.way): place for slot in self._slots for place in (slot, *slot.others)
        }
        return [
            f"{gpu} is not reached by {way}: {self._rests[id(place.launcher)][1]}"
            for (gpu, way), place in places.items()
            if self._resting(place)
        ]

    async def run(self) -> None:
        log.info("worker started", worker=str(self.id), slots=self._capacity)
        background = [
            asyncio.create_task(self._heartbeat_for_ever(), name="heartbeat"),
            asyncio.create_task(self._listen(), name="listen"),
            asyncio.create_task(self._clean_for_ever(), name="housekeeping"),
            asyncio.create_task(self._recover_for_ever(), name="recovery"),
            asyncio.create_task(self._reveal_for_ever(), name="reveal"),
            asyncio.create_task(self._watch_for_ever(), name="canaries"),
        ]
        for task in background:
            task.add_done_callback(self._background_ended)
        try:
            await self._claim_for_ever()
        finally:
            await self._shut_down(background)

    def _background_ended(self, task: asyncio.Task[None]) -> None:
        """Without its heartbeat a worker holds runs that others think are dead: better to stop."""
        if not task.cancelled() and task.exception() is not None:
            log.error("the worker cannot go on", task=task.get_name(), exc_info=task.exception())
            self.stop()

    # --- claiming ----------------------------------------------------------------------------

    async def _claim_for_ever(self) -> None:
        await self._insistently(self._heartbeat)
        if self._units:
            host, units = socket.gethostname(), list(self._units.values())
            await self._insistently(lambda: canaries.register(self._app, None, host, units))
            await self._insistently(self._learn_shut)
        while not self._stopping.is_set():
            self._wake.clear()
            taken = await self._claim() if self._free else 0
            if not taken:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), POLL_S)

    async def _claim(self) -> int:
        begun = await self._begin_canaries()
        free: dict[str, int] = {}
        for slot in filter(self._may_judge, self._free):
            free[slot.gpu] = free.get(slot.gpu, 0) + 1
        if not free:
            return begun
        try:
            assignments = await dispatch.claim(self._app, self.id, free)
        except Unavailable as error:
            log.warning("no work can be claimed", error=str(error.__cause__))
            return 0
        for assignment in assignments:
            fitting = (
                slot for slot in self._free if slot.gpu == assignment.gpu and self._may_judge(slot)
            )
            slot = max(fitting, key=lambda slot: bool(slot.others))
            self._take(slot)
            # Ours already when our own signs of life did not get through: the older lease is gone.
            if assignment.run_id in self._held:
                await self._lose(self._held[assignment.run_id])
            held = self._held[assignment.run_id] = Held(assignment, slot, slot)
            task = asyncio.create_task(self._judge(held), name=f"run-{assignment.run_id}")
            self._tasks.add(task)
            task.add_done_callback(self._run_ended)
        return begun + len(assignments)

    def _take(self, slot: Slot) -> None:
        """This one, and no other that is equal to it."""
        del self._free[next(at for at, free in enumerate(self._free) if free is slot)]

    # --- canaries ----------------------------------------------------------------------------

    async def _begin_canaries(self) -> int:
        """What is due on devices that have nothing to do; how many were begun."""
        begun = 0
        while self._units and (free := self._idle_devices()):
            try:
                errand = await canaries.due(self._app, None, free)
            except Unavailable:
                break
            if errand is None:
                break
            slot = next(slot for slot in self._free if slot.devices == (errand.device,))
            self._take(slot)
            task = asyncio.create_task(self._run_canary(slot, errand), name=f"canary-{errand.id}")
            self._tasks.add(task)
            task.add_done_callback(self._run_ended)
            begun += 1
        return begun

    def _idle_devices(self) -> set[str]:
        """Devices with a slot of their own that no run has, in whatever slot."""
        free = {slot.devices[0] for slot in self._free if len(slot.devices) == 1}
        if all(self._units[device].kind == "cpu" for device in free):
            return free
        held = {device for item in self._held.values() for device in item.slot.devices}
        return {
            device for device in free if self._units[device].kind == "cpu" or device not in held
        }

    async def _run_canary(self, slot: Slot, errand: Errand) -> None:
        launch: Launch | None = None
        try:
            try:
                launch = await slot.launcher.start(errand.package)
                self._canaries.add(launch)
                if self._stopping.is_set():
                    await launch.cancel()
                async for _ in launch.events():
                    pass
                found = await launch.verdict()
            except (OSError, ValueError) as error:
                found = Verdict(
                    kind=VerdictKind.JUDGE_FAILED,
                    run_id=errand.package.job.run_id,
                    fault=f"could not be started: {error!r}",
                )
            if self._stopping.is_set() and found.kind is VerdictKind.JUDGE_FAILED:
                await self._insistently(lambda: canaries.drop(self._app, errand))
            else:
                await self._insistently(
                    lambda: canaries.finish(self._app, None, errand.id, errand.lease, found)
                )
            await self._insistently(self._learn_shut)
        finally:
            if launch is not None:
                self._canaries.discard(launch)
                self._keep_alive(launch.close())
            self._free.append(slot)
            self._wake.set()

    async def _learn_shut(self) -> None:
        """Which of our devices take no run now."""
        if not self._units:
            return
        now = await canaries.alive(self._app, None, list(self._units))
        for id_ in now.keys() - self._shut.keys():
            log.error("a device takes nothing more", device=id_, reason=now[id_])
        for id_ in self._shut.keys() - now.keys():
            log.info("a device takes work again", device=id_)
        if now.keys() != self._shut.keys():
            self._wake.set()
        self._shut = now

    async def _watch_for_ever(self) -> None:
        while True:
            await asyncio.sleep(WATCH_S * random.uniform(0.5, 1.5))  # noqa: S311  no secret
            await self._beside(canaries.watch(self._app), "devices could not be looked after")

    def _run_ended(self, task: asyncio.Task[None]) -> None:
        """What went wrong unforeseen is ours: the run falls silent and is tried again elsewhere."""
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a run ended unforeseen", task=task.get_name(), exc_info=task.exception())

    # --- one run -----------------------------------------------------------------------------

    async def _judge(self, held: Held) -> None:
        assignment = held.assignment
        structlog.contextvars.bind_contextvars(
            run=assignment.run_id, submission=assignment.submission_id, lease=str(assignment.lease)
        )
        try:
            if held.slot.devices:
                await self._insistently(
                    lambda: canaries.judged_by(
                        self._app, assignment.run_id, assignment.lease, held.slot.devices
                    )
                )
            verdict = await self._launched(held)
            if not held.lost:
                await self._conclude(held, verdict)
        finally:
            if held.launch is not None:
                self._keep_alive(held.launch.close())
            if self._held.get(assignment.run_id) is held:
                del self._held[assignment.run_id]
            self._free.append(held.slot)
            self._wake.set()

    async def _launched(self, held: Held) -> Verdict:
        assignment = held.assignment
        package = Package(
            job=assignment.job,
            problem_files=assignment.problem_files,
            code=assignment.code,
            canary=self._canary_before(held),
        )
        held.looked_for = bool(assignment.handle)
        held.starting = asyncio.create_task(self._started(held, package))
        if self._unwanted(held):
            self._start_no_more(held)
        await asyncio.wait([held.starting])
        if held.starting.cancelled():
            return machine_failed(str(assignment.run_id), "was ended before it was started")
        try:
            held.launch = held.starting.result()
        except (OSError, ValueError) as error:
            log.error("a run could not be started", error=repr(error))
            return machine_failed(str(assignment.run_id), f"could not be started: {error!r}")
        if held.launch.handle and held.launch.handle != assignment.handle:
            await self._write_down(held, held.launch.handle)
        held.known = bool(held.launch.handle)
        if self._unwanted(held):
            await self._stop(held, held.launch)
        await self._report_progress(held, held.launch)
        verdict = await held.launch.verdict()
        if package.canary is None or verdict.kind is VerdictKind.JUDGE_FAILED:
            return verdict
        return await self._vouched_for(held, package.canary, await held.launch.canary(), verdict)

    def _canary_before(self, held: Held) -> Package | None:
        """What counts, and gets a machine that nobody has seen before, has a canary of its own on it."""
        assignment = held.assignment
        if held.slot.here or assignment.mode is not Mode.RANKED:
            return None
        return canaries.before(self._app, assignment.run_id, assignment.gpu)

    async def _vouched_for(
        self, held: Held, brought: Package, said: Verdict | None, verdict: Verdict
    ) -> Verdict:
        """The verdict, if the device that it came from is like those before it; else it is tried on another."""
        reason = await self._insistently(
            lambda: canaries.elsewhere(self._app, held.slot.gpu, held.place.way, brought, said)
        )
        if not reason:
            return verdict
        log.error("a device elsewhere is not what it was", gpu=held.slot.gpu, reason=reason)
        fault = f"{held.slot.gpu} at {held.place.way}: {reason}"
        return machine_failed(str(held.assignment.run_id), fault)

    async def _started(self, held: Held, package: Package) -> Launch:
        """The run: the one that an earlier worker had started, if it goes on; started otherwise."""
        places = (held.slot, *held.slot.others)
        if handle := held.assignment.handle:
            for held.place in places:
                if launch := await held.place.launcher.attach(package, handle):
                    return launch
            held.looked_for = False
            if self._unwanted(held):
                raise asyncio.CancelledError
        failures: list[OSError | ValueError] = []
        for held.place in sorted(places, key=self._resting):
            try:
                launch = await held.place.launcher.start(package)
            except (OSError, ValueError) as error:
                failures.append(error)
                self._failed_to_start(held.place, error)
                continue
            if self._rests.pop(id(held.place.launcher), None):
                log.info("a launcher starts runs again", gpu=held.place.gpu, way=held.place.way)
            return launch
        held.not_here = isinstance(failures[0], OSError) and self._elsewhere(held)
        raise failures[0]

    def _failed_to_start(self, place: Slot, error: OSError | ValueError) -> None:
        """Leave its launcher alone for a while, where there is another one; but not for what is the job's own doing."""
        if place.gpu not in self._several:
            return
        log.error("a launcher starts no run", gpu=place.gpu, way=place.way, error=str(error))
        if isinstance(error, OSError):
            # A heartbeat says it, to a database that takes no NUL.
            words = "".join(letter if letter.isprintable() else " " for letter in str(error)[:300])
            self._rests[id(place.launcher)] = time.monotonic() + REST_S, words

    def _elsewhere(self, held: Held) -> bool:
        """Whether other slots of ours have a way to the kind that this one has not, and that is not known to fail."""
        return not held.slot.others and any(
            not self._resting(place)
            for slot in self._slots
            if slot.gpu == held.slot.gpu
            for place in slot.others
        )

    async def _write_down(self, held: Held, handle: str) -> None:
        if not await self._insistently(
            lambda: dispatch.goes_on(self._app, held.assignment, handle)
        ):
            held.lost = True

    async def _stop(self, held: Held, launch: Launch) -> None:
        """End it; what others can go on with is ended for its owner alone."""
        if held.known and not held.cancelled and not held.ended:
            held.left = True
            await launch.leave()
        else:
            held.ended = True
            await launch.cancel()

    def _unwanted(self, held: Held) -> bool:
        return held.cancelled or held.lost or self._stopping.is_set()

    async def _report_progress(self, held: Held, launch: Launch) -> None:
        async for event in thinned(launch.events()):
            await self._tell(held, event)

    async def _tell(self, held: Held, event: Event) -> None:
        # Progress is a courtesy: a database that is away now must not end the run.
        with contextlib.suppress(Unavailable):
            if not await dispatch.progress(self._app, held.assignment, event):
                await self._lose(held)

    async def _conclude(self, held: Held, verdict: Verdict) -> None:
        assignment = held.assignment
        if held.cancelled:
            await self._insistently(lambda: dispatch.cancelled(self._app, assignment))
        elif held.not_here or (
            self._stopping.is_set() and verdict.kind is VerdictKind.JUDGE_FAILED
        ):
            await self._insistently(
                lambda: dispatch.give_back(
                    self._app,
                    assignment,
                    keep=held.goes_on,
                    why=UNREACHED if held.not_here else RESTART,
                )
            )
        else:
            await self._collect(held, verdict)
            kept = await self._insistently(
                lambda: dispatch.finish(self._app, assignment, verdict, keep=held.goes_on)
            )
            log.info("run ended", verdict=verdict.kind.value, recorded=kept, fault=verdict.fault)

    async def _collect(self, held: Held, verdict: Verdict) -> None:
        """The run's files go first: recording the verdict is what makes them count."""
        launch = held.launch
        if launch is not None and verdict.artefacts:
            await self._insistently(
                lambda: artefacts.collect(self._app, held.assignment, verdict, launch.artefact)
            )

    async def _insistently(self, say: Callable[[], Awaitable[Any]]) -> Any:
        """Say it until the database has heard it; leases make saying it twice harmless."""
        pause = 0.1
        while True:
            try:
                return await say()
            except Unavailable as error:
                log.warning("the database does not answer", error=str(error.__cause__))
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311  no secret
            pause = min(pause * 2, 5.0)

    # --- signs of life -----------------------------------------------------------------------

    async def _heartbeat_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._app.settings.heartbeat_s)
            with contextlib.suppress(Unavailable):
                await self._heartbeat()

    async def _heartbeat(self) -> None:
        held = dict(self._held)
        assignments = {run_id: item.assignment for run_id, item in held.items()}
        alive = await dispatch.heartbeat(
            self._app,
            self.id,
            socket.gethostname(),
            self._offered(),
            {**self._about, "troubles": self._troubles()},
            self._digest,
            assignments,
        )
        await self._learn_shut()
        for run_id, item in held.items():
            # A run that ended while we asked is no longer ours, and rightly so.
            if self._held.get(run_id) is not item:
                continue
            if run_id not in alive:
                await self._lose(item)
            elif alive[run_id]:
                await self._cancel(item)

    def _offered(self) -> dict[str, int]:
        """How many runs at once, by GPU kind. What waits for a machine takes the place of one: others cannot
        expect to begin when it was claimed."""
        offered = {}
        for gpu, count in self._capacity.items():
            waiting = sum(item.backlog for item in self._launchers[gpu].values())
            offered[gpu] = max(min(1, count), count - waiting)
        return offered

    async def _lose(self, held: Held) -> None:
        """Somebody else has the run now: stop, and say nothing about it."""
        if not held.lost:
            log.warning("lost a lease", run=held.assignment.run_id)
            held.lost = True
            await self._end(held)

    async def _cancel(self, held: Held) -> None:
        if not held.cancelled:
            held.cancelled = True
            await self._end(held)

    async def _end(self, held: Held) -> None:
        if held.launch is not None:
            self._keep_alive(self._stop(held, held.launch))
        elif held.starting is not None:
            self._start_no_more(held)

    def _start_no_more(self, held: Held) -> None:
        """Give up starting it, which may be waiting for devices that another run has. But what an earlier worker has
        started is found first where its owner wants it no more: somebody must end it, or it runs as long as it may."""
        assert held.starting is not None
        if not (held.cancelled and held.looked_for):
            held.starting.cancel()

    def _keep_alive(self, work: Coroutine[Any, Any, None]) -> None:
        """Have it done beside everything else, and before the worker ends."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _listen(self) -> None:
        async with (
            self._app.events.on(queue.channel()) as work,
            self._app.events.on(CANCEL) as cancels,
        ):
            waiting = {
                asyncio.create_task(self._on_work(work)),
                asyncio.create_task(self._on_cancel(cancels)),
            }
            try:
                await asyncio.gather(*waiting)
            finally:
                for task in waiting:
                    task.cancel()

    async def _on_work(self, changes: Any) -> None:
        while True:
            await changes.wait(POLL_S)
            self._wake.set()

    async def _on_cancel(self, changes: Any) -> None:
        while True:
            if await changes.wait(60.0) and self._held:
                with contextlib.suppress(Unavailable):
                    await self._heartbeat()

    async def _clean_for_ever(self) -> None:
        while True:
            await asyncio.sleep(HOUSEKEEPING_S * random.uniform(0.5, 1.5))  # noqa: S311  no secret
            await self._beside(dispatch.housekeeping(self._app), "what is old could not be removed")

    async def _recover_for_ever(self) -> None:
        """What other workers had that are gone: also runs for GPUs that nobody serves now."""
        while True:
            await asyncio.sleep(self._app.settings.lease_s * random.uniform(0.5, 1.5))  # noqa: S311  no secret
            with contextlib.suppress(Unavailable):
                if found := await dispatch.recover(self._app):
                    log.warning("put back what silent workers had", runs=found)

    async def _reveal_for_ever(self) -> None:
        while True:
            await self._beside(reveal.due(self._app), "no freeze could be looked for")
            await asyncio.sleep(REVEAL_S)

    async def _beside(self, work: Coroutine[Any, Any, Any], complaint: str) -> None:
        """What can be done later as well: that it fails is no reason to end runs."""
        try:
            await work
        except Unavailable as error:
            log.warning(complaint, error=str(error.__cause__))
        except Exception:
            log.exception(complaint)

    # --- the end -----------------------------------------------------------------------------

    async def _shut_down(self, background: list[asyncio.Task[None]]) -> None:
        log.info("worker stops", runs=len(self._held))
        self._stopping.set()
        for held in list(self._held.values()):
            await self._end(held)
        for launch in list(self._canaries):
            self._keep_alive(launch.cancel())
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=SHUTDOWN_S)
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        with contextlib.suppress(Unavailable):
            await dispatch.leave(self._app, self.id)


def slots_of(app: App, names: Sequence[str], ids: Sequence[str] = ()) -> list[Slot]:
    """Everything this worker can have judged: each target by the first of its launchers that reaches it from
    a machine with these CUDA devices, or where that starts nothing by the next that reach it elsewhere; ``ids`` are
    the devices', of the processor too where there are any.

    Raises InvalidInput where KERNELBOT_TARGETS names what none reaches.
    """
    settings = app.settings
    site = Site(
        folder=settings.data_dir,
        environment=os.environ,
        isolation=settings.demanded_isolation,
        devices=names,
        cpu_slots=settings.worker_slots or max(1, (os.cpu_count() or 2) // 2),
    )
    found = {name: _slots(target, site, ids) for name, target in app.targets.items()}
    reachable = {name: slots for name, slots in found.items() if slots}
    return [
        slot
        for slots in restricted(reachable, settings.targets, spellings(app.targets)).values()
        for slot in slots
    ]


def _slots(target: Target, site: Site, ids: Sequence[str]) -> list[Slot]:
    found: list[list[Slot]] = []
    for way in target.launchers:
        factory = FACTORIES[way]
        # What is judged on this machine has devices, of which canaries and runs are told: it is not fallen over to, or from.
        if found and (factory.here or found[0][0].here):
            continue
        launchers = factory.make(target, target.settings.get(way, {}), site)
        if launchers:
            places = (
                _devices_of(target, site, ids, len(launchers)) if way == "local" else repeat(())
            )
            found.append(
                [
                    Slot(target.name, launcher, factory.here, devices, way)
                    for launcher, devices in zip(launchers, places, strict=False)
                ]
            )
    if not found:
        return []
    first, *others = found
    return [
        dataclasses.replace(slot, others=tuple(more[at] for more in others if at < len(more)))
        for at, slot in enumerate(first)
    ]


def _devices_of(
    target: Target, site: Site, ids: Sequence[str], count: int
) -> Sequence[tuple[str, ...]]:
    """The ids of the devices of each launcher that the local way makes for a target."""
    if not ids:
        return [()] * count
    if target.device == "cpu":
        return [(processor_id(),)] * count
    return [tuple(ids[at] for at in share) for share in devices.shares(target, site.devices)]


def processor_id() -> str:
    return f"cpu@{socket.gethostname()}"


def units_of(slots: Sequence[Slot], about: Mapping[str, Any]) -> list[Offered]:
    """The devices that these slots have, each with the GPU kinds that it serves by itself."""
    names = {processor_id(): ("cpu", str(about["cpu"]["name"]))}
    names |= {id_: ("cuda", name) for name, id_ in about["devices"]}
    own: dict[str, list[str]] = {}
    for slot in slots:
        if len(slot.devices) == 1:
            own.setdefault(slot.devices[0], []).append(slot.gpu)
    return [
        Offered(id=id_, kind=names[id_][0], name=names[id_][1], gpus=list(dict.fromkeys(gpus)))
        for id_, gpus in own.items()
    ]


async def most_ranks(app: App, kinds: Collection[str]) -> int:
    """How many ranks a run on these kinds may have: the fence must stand for as many."""
    targets = [app.targets[kind] for kind in kinds]
    processors = [target.name for target in targets if target.device == "cpu"]
    async with app.database.read() as connection:
        here = await fleet.ranks_on_a_processor(connection, processors)
    return max([here, *(target.gpus for target in targets)])


async def demand_fitness(app: App, slots: Sequence[Slot]) -> None:
    """Raise InvalidInput where runs are to be judged on this machine, and it lacks what that takes; what a
    launcher has judged elsewhere takes nothing here."""
    here = {slot.gpu for slot in slots if slot.here}
    if here:
        devices.demand_torch()
        ranks = await most_ranks(app, here)
        await asyncio.to_thread(devices.demand_fence, app.settings.demanded_isolation, ranks)


async def main(settings: Settings) -> None:
    async with build(settings) as app:
        found = await asyncio.to_thread(devices.cuda_devices)
        names = [name for name, _ in found]
        slots = slots_of(app, names, [*(id_ for _, id_ in found), processor_id()])
        await demand_fitness(app, slots)
        processor = dataclasses.asdict(device.inspect("cpu"))
        elsewhere = sorted({slot.gpu for slot in slots if not slot.here})
        about = {"cuda": names, "devices": found, "cpu": processor, "elsewhere": elsewhere}
        launchers = [place.launcher for slot in slots for place in (slot, *slot.others)]
        for launcher in launchers:
            launcher.open()
        worker = Worker(app, slots, about, units_of(slots, about))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, worker.stop)
        try:
            await worker.run()
        finally:
            await asyncio.gather(*(launcher.close() for launcher in launchers))


if __name__ == "__main__":
    chosen = Settings()
    logs.configure(chosen, "worker")
    try:
        asyncio.run(main(chosen))
    except (Refused, Unavailable) as error:
        why = f" {error.__cause__}" if isinstance(error, Unavailable) else ""
        raise SystemExit(f"The worker cannot start: {error.message}{why}") from error
