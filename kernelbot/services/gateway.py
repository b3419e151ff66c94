"""Work for machines that ask for it over HTTPS: leased, kept alive, reported, by the functions of dispatch.

What a machine says is hostile input. It can speak for a run only while it holds the run's lease and is its
machine's latest process; the server's clock alone tells when a lease is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain.target import Target
from kernelbot.errors import Conflict, Forbidden, InvalidInput, Refused
from kernelbot.judge import parcels
from kernelbot.judge.protocol import (
    MAX_VERDICT_BYTES,
    Event,
    Mode,
    ProtocolError,
    Verdict,
    VerdictKind,
    from_json,
    load,
    machine_failed,
)
from kernelbot.launchers.base import met_no_device
from kernelbot.services import artefacts, canaries, competitions, dispatch, figures, runners
from kernelbot.services.canaries import Errand
from kernelbot.services.context import Context
from kernelbot.services.dispatch import Hold
from kernelbot.services.runners import Runner
from kernelbot.storage import devices, fleet, queue
from kernelbot.storage import runners as store
from kernelbot.storage import submissions as store_runs
from kernelbot.storage.changes import Subscription

LONGEST_POLL_S = 25.0
LOOK_S = 2.0
"""Longest time until queued work is seen whose notification was lost, and until a client that went is missed."""
FIRST_LEASE_S = 5.0
"""Silence after which a run is given to another whose machine never said that it got it."""
LONGEST_HOLD_S = 3600.0
"""After this a run is given to another, however alive its holder says it is, unless its problem's limits allow more."""
WAITING_S = 600.0
"""So much longer than those limits, for devices that other runs of the machine have."""
STEPS_AT_ONCE, STEPS_A_SECOND = 40.0, 4.0
"""Of one run's steps so many are written down at once, and so many a second in the long run; a judge tells two."""
PACES_KEPT = 4096
RUNS_A_SLOT = 2
"""So many may be held for each slot that was announced: one that is judged, and one that is being handed in."""
MOST_GIVEN_BACK = 3
"""So often in each attempt a run is given back at no cost."""
MAX_FAULT_CHARACTERS = 20_000
TOLD = frozenset({"stage", "case", "log"})
"""Kinds of steps that a judge tells."""

Gone = Callable[[], Awaitable[bool]]

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Leased:
    """An answer to a machine that asked for work."""

    runs: Sequence[Hold]
    waiting: Mapping[str, int]  # what could be taken now, by target
    drained: bool
    canary: Errand | None = None  # before anything else on its device


@dataclass(frozen=True, kw_only=True)
class Sign:
    """A run that a machine says it holds, on these of its devices."""

    run_id: int
    lease: uuid.UUID
    devices: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Heard:
    """An answer to a sign of life."""

    alive: Mapping[int, bool]  # runs that are still its own, with whether to stop them
    drained: bool
    stale: bool  # what it announced does not do any more: another version, a fence that is too weak
    shut: Mapping[str, str] = field(default_factory=dict)  # devices that take no run, and why


async def lease(
    ctx: Context,
    runner: Runner,
    session: uuid.UUID,
    poll: int,
    offers: Sequence[Mapping[str, int]],
    wait_s: float,
    gone: Gone,
    free: Sequence[str] = (),
    holds: Sequence[uuid.UUID] | None = None,
) -> Leased:
    """The next runs for the first of the offers for which there are any; none after ``wait_s`` seconds.
    ``free`` are devices with nothing to do: where a canary is due on one, it is the answer. ``holds`` are the leases
    that the process has: what it was given and has under none of them never reached it, and waits again at once.

    ``poll`` is larger than that of every request before it, and makes those take nothing more: they may be
    waiting for a client that has long gone. ``gone`` says whether this one has. Raises Conflict when another
    process of the machine has announced itself, or this one runs another version of the judge.
    """
    demand_session(runner, session)
    runners.demand_version(ctx, runner.tree)
    for name in {name for offer in offers for name in offer} - set(runner.targets):
        raise Forbidden(f"This runner's token is not for {name[:40]!r}.", code="foreign_target")
    async with ctx.database.read() as connection:
        units = await store.begin_poll(connection, runner.id, session, poll)
        if units is None:
            raise await _dismissed(connection, runner)
        lost = [] if holds is None else await store.lost(connection, session, holds)
    for run in lost:
        log.warning("an answer did not arrive", runner=runner.name, run=run.id)
        with contextlib.suppress(Conflict):
            await give_back(ctx, dispatch.hold(run))
    entrypoints = [queue.entrypoint(name) for name in runner.targets]
    deadline = time.monotonic() + min(wait_s, LONGEST_POLL_S)
    offered = {name for offer in offers for name, count in offer.items() if count > 0}
    # From time to time also for what silent workers left, of which no notification tells.
    looked_at = time.monotonic() - LOOK_S
    own = tuple({unit["id"] for unit in units} & set(free))
    asked = False
    async with ctx.events.on(queue.channel()) as work:
        while True:
            if await gone():
                return Leased(runs=(), waiting={}, drained=False)
            async with ctx.database.read() as connection:
                now = await store.look(connection, runner.id, session, poll, entrypoints)
            if now.revoked:
                raise runners.revoked()
            if not now.is_latest:
                raise superseded()
            # After the first look only work that has come meanwhile makes one due.
            if own and not now.drained and (now.waiting or not asked):
                asked = True
                if (errand := await canaries.due(ctx, runner.id, own)) is not None:
                    if await gone():
                        await canaries.drop(ctx, errand)
                        return Leased(runs=(), waiting={}, drained=False)
                    return Leased(runs=(), waiting=now.waiting, drained=False, canary=errand)
            if now.shut:
                offers = _without(ctx, units, offers, now.shut)
            look = time.monotonic() - looked_at >= LOOK_S
            worth = look or any(now.waiting.get(name) for name in offered)
            if look:
                looked_at = time.monotonic()
            if (
                worth
                and not now.drained
                and (runs := await _taken(ctx, runner, session, poll, offers, gone))
            ):
                return Leased(runs=runs, waiting=now.waiting, drained=False)
            left_s = deadline - time.monotonic()
            if left_s <= 0 or now.drained or not offers:
                return Leased(runs=(), waiting=now.waiting, drained=now.drained)
            await _news(work, min(left_s, LOOK_S))


async def _news(work: Subscription, seconds: float) -> None:
    """Wait until there may be work. That somebody's run has ended is none: everybody who waits would look at each
    end of anybody's."""
    until = time.monotonic() + seconds
    while (left_s := until - time.monotonic()) > 0 and await work.wait(left_s):
        if not all(map(queue.is_end, work.take())):
            return


async def _units(ctx: Context, runner: Runner) -> Mapping[str, Mapping[str, Any]]:
    """The devices that a machine has announced, by id."""
    async with ctx.database.read() as connection:
        said = await store.announcement(connection, runner.id)
    return {unit["id"]: unit for unit in said.get("units", ())}


def _without(
    ctx: Context,
    units: Sequence[Mapping[str, Any]],
    offers: Sequence[Mapping[str, int]],
    shut: Mapping[str, str],
) -> list[dict[str, int]]:
    """These offers less what the quarantined devices would have to judge."""
    left = [unit for unit in units if unit["id"] not in shut]
    most = {}
    for name in {name for offer in offers for name in offer}:
        target = ctx.targets.get(name)
        if target is None:
            continue
        fitting = len(_fitting(target, left))
        on_processor = runners.MOST_SLOTS if fitting else 0
        most[name] = on_processor if target.device == "cpu" else fitting // target.gpus
    return [
        {name: min(count, most[name]) for name, count in offer.items() if most.get(name)}
        for offer in offers
    ]


async def _taken(
    ctx: Context,
    runner: Runner,
    session: uuid.UUID,
    poll: int,
    offers: Sequence[Mapping[str, int]],
    gone: Gone,
) -> list[Hold]:
    async def may(connection: AsyncConnection, free: Mapping[str, int]) -> Mapping[str, int]:
        slots, holds = await store.may_hold(connection, runner.id, session, poll)
        most = {
            name: min(slots.get(name, 0), RUNS_A_SLOT * slots.get(name, 0) - holds.get(name, 0))
            for name in free
        }
        return {name: min(free[name], most[name]) for name in free if most[name] > 0}

    first_lease_s = min(FIRST_LEASE_S, ctx.settings.lease_s)
    for offered in offers:
        offer = {name: count for name, count in offered.items() if count > 0}
        runs = await dispatch.lease(ctx, session, offer, first_lease_s=first_lease_s, may=may)
        if runs and await gone():
            for run in runs:
                await dispatch.give_back(ctx, run)
            return []
        if runs:
            return runs
    return []


async def heartbeat(
    ctx: Context,
    runner: Runner,
    session: uuid.UUID,
    slots: Mapping[str, int],
    signs: Sequence[Sign],
    trouble: str,
) -> Heard:
    """A machine's sign of life, for all of its runs at once."""
    demand_session(runner, session)
    async with ctx.database.transaction() as connection:
        now = await store.seen(connection, runner.id, session, trouble)
        if now is None:
            raise await _dismissed(connection, runner)
        said = now.announcement
        alive = await _alive(ctx, connection, session, signs)
        shut = await devices.seen(
            connection, runner.id, sorted(unit["id"] for unit in said["units"])
        )
        offered = {
            name: min(count, said["slots"][name])
            for name, count in ({} if now.drained else slots).items()
            if name in said["slots"]
        }
        if not await fleet.seen(connection, session, offered):
            await fleet.register(
                connection, session, runner.name, offered, said, said["judge_digest"]
            )
    # By a server that was started anew, with a newer version or a stricter fence: announce again.
    proven = runners.accepted(ctx.settings.demanded_isolation, said["isolation"])
    stale = runner.tree != runners.tree(ctx)[0] or not proven
    return Heard(alive=alive, drained=now.drained, stale=stale, shut=shut)


async def _alive(
    ctx: Context, connection: AsyncConnection, session: uuid.UUID, signs: Sequence[Sign]
) -> dict[int, bool]:
    """Of the runs that a machine says it holds, those that are its own, with whether to stop them."""
    if not signs:
        return {}
    rows = await store.held(connection, session, {sign.run_id: sign.lease for sign in signs})
    mine = [row for row in rows if row.held_s < await _longest_s(ctx, connection, row)]
    said = {sign.run_id: sign.devices for sign in signs}
    return await queue.heartbeat(
        connection,
        {row.id: row.lease for row in mine},
        {row.id: sorted({*said[row.id]} & {*_own(ctx, row)}) for row in mine},
    )


def _own(ctx: Context, row: Row[Any]) -> list[str]:
    """The devices of a run's machine that are what its target says."""
    target = ctx.targets.get(row.gpu)
    return [] if target is None else _fitting(target, row.units or ())


def _fitting(target: Target, units: Sequence[Mapping[str, Any]]) -> list[str]:
    return [unit["id"] for unit in units if runners.fits(target, unit["kind"], unit["name"])]


async def _longest_s(ctx: Context, connection: AsyncConnection, row: Row[Any]) -> float:
    """How long one machine may have a run."""
    if row.held_s < LONGEST_HOLD_S:
        return LONGEST_HOLD_S
    problem = await competitions.readable(ctx, connection, row.problem_id)
    target = ctx.targets.get(row.gpu)
    if problem is None or target is None:
        return LONGEST_HOLD_S
    return max(LONGEST_HOLD_S, parcels.deadline_s(problem.limits_on(target.device)) + WAITING_S)


async def leave(ctx: Context, runner: Runner, session: uuid.UUID) -> None:
    """The process ends in order; what it still holds goes to others by its silence."""
    demand_session(runner, session)
    async with ctx.database.transaction() as connection:
        await store.leave(connection, runner.id, session)
    await dispatch.leave(ctx, session)


async def package(
    ctx: Context, runner: Runner, session: uuid.UUID, run_id: int, lease: uuid.UUID
) -> bytes:
    """Everything needed to judge a run that is held, as a parcel."""
    demand_session(runner, session)
    found = await dispatch.assignment(ctx, session, run_id, lease)
    if found is None:
        raise lost(run_id)
    demanded = ctx.settings.demanded_isolation
    return parcels.pack_job(found.job, found.problem_files, found.code, demanded)


@dataclass(frozen=True, kw_only=True)
class Remote(Hold):
    """A run in the hands of a machine that asked for it."""

    named: bool  # it has said on which of its devices
    fitting: Sequence[str]  # those that are what the target says
    names: frozenset[str]  # what all of its devices are called
    ranks: int  # devices that it is judged on, where it is judged on a GPU


async def held(
    ctx: Context, runner: Runner, session: uuid.UUID, run_id: int, lease: uuid.UUID
) -> Remote:
    """The run that this process holds under this lease. Raises Conflict when it does not, or no more."""
    row = await _row(ctx, runner, session, run_id, lease)
    return Remote(
        **vars(dispatch.hold(row)),
        named=row.device_ids is not None,
        fitting=_own(ctx, row),
        names=frozenset(unit["name"] for unit in row.units or ()),
        ranks=await _ranks(ctx, row),
    )


async def _ranks(ctx: Context, row: Row[Any]) -> int:
    target = ctx.targets.get(row.gpu)
    async with ctx.database.read() as connection:
        problem = await competitions.readable(ctx, connection, row.problem_id)
    if problem is None or target is None:
        return 1
    return problem.on_gpus(target.gpus).ranks_on(target.device)


async def _row(
    ctx: Context, runner: Runner, session: uuid.UUID, run_id: int, lease: uuid.UUID
) -> Row[Any]:
    demand_session(runner, session)
    async with ctx.database.read() as connection:
        rows = await store.held(connection, session, {run_id: lease})
    if not rows:
        raise lost(run_id)
    return rows[0]


async def progress(
    ctx: Context,
    runner: Runner,
    session: uuid.UUID,
    run_id: int,
    lease: uuid.UUID,
    events: Sequence[Event],
) -> None:
    """Steps of a run, in order; of those of one stage in a request the last, and no more than a judge would tell:
    the last of a request rather than those before it."""
    demand_session(runner, session)
    last = {event.stage: at for at, event in enumerate(events)}
    steps = [events[at] for at in sorted(last.values())]
    may = _paced(ctx, runner.id, run_id, len(steps))
    if not may and steps:
        await _row(ctx, runner, session, run_id, lease)  # that it is lost is told all the same
    for event in steps[len(steps) - may :]:
        if not await dispatch.tell(ctx, run_id, lease, event, session):
            raise lost(run_id)


@dataclass
class _Pace:
    """Steps that may be told, and since when that is so."""

    left: float
    at: float


def _paced(ctx: Context, runner_id: int, run_id: int, wanted: int) -> int:
    """How many of so many steps of a run with this machine may be written down now, as far as this process knows.
    What an agent of ours tells never comes to that."""
    paces: OrderedDict[tuple[int, int], _Pace] = ctx.cache.setdefault("paces", OrderedDict())
    now = time.monotonic()
    pace = paces.setdefault((runner_id, run_id), _Pace(STEPS_AT_ONCE, now))
    paces.move_to_end((runner_id, run_id))
    if len(paces) > PACES_KEPT:
        paces.popitem(last=False)
    pace.left = min(STEPS_AT_ONCE, pace.left + (now - pace.at) * STEPS_A_SECOND)
    pace.at = now
    may = min(wanted, int(pace.left))
    pace.left -= may
    return may


async def cancelled(
    ctx: Context, runner: Runner, session: uuid.UUID, run_id: int, lease: uuid.UUID
) -> None:
    """It has stopped a run as it was told to. Raises Conflict for one that nobody asked to stop."""
    row = await _row(ctx, runner, session, run_id, lease)
    if not row.cancel_requested:
        raise Conflict(f"Nobody asked to stop run {run_id}.", code="not_cancelled")
    if not await dispatch.cancelled(ctx, dispatch.hold(row)):
        raise lost(run_id)


async def give_back(ctx: Context, hold: Hold) -> None:
    """It ends, cannot judge just now, or never got it: somebody else takes the run, at once the first time. A run that comes back and back has
    failed by our fault, with the pauses and the end that such a run has."""
    async with ctx.database.read() as connection:
        again = await store_runs.steps(
            connection, hold.submission_id, hold.run_id, "retry", hold.attempt
        )
    if again < MOST_GIVEN_BACK:
        told = await dispatch.give_back(ctx, hold, before=again)
    else:
        found = machine_failed(str(hold.run_id), f"given back {again} times")
        told = await dispatch.finish(ctx, hold, found)
    if not told:
        raise lost(hold.run_id)


async def finish(ctx: Context, runner: Runner, hold: Remote, content: bytes) -> Verdict:
    """What a machine says came of a run, recorded as far as it may be believed; what was recorded.

    Whatever is wrong with it is a fault of ours and of that machine, and the run is tried again.
    """
    found = await _believed(ctx, runner, hold, content)
    if hold.fitting and not hold.named:
        # Of which of its devices it did not say, it may have been any.
        async with ctx.database.transaction() as connection:
            await store.name_devices(connection, hold.run_id, hold.lease, hold.fitting)
    if hold.mode is Mode.PROFILE:  # nothing else may leave files
        await artefacts.settle(ctx, hold, found)
    if not await dispatch.finish(ctx, hold, found):
        raise lost(hold.run_id)
    log.info(
        "an agent's run ended", runner=runner.name, run=hold.run_id, verdict=found.kind.value,
        fault=found.fault[:2000],
    )  # fmt: skip
    return found


async def _read(content: bytes) -> Verdict:
    """Beside everything else: megabytes of JSON take a while. Raises ProtocolError."""
    return await asyncio.to_thread(load, Verdict, content, limit=MAX_VERDICT_BYTES)


async def _believed(ctx: Context, runner: Runner, hold: Remote, content: bytes) -> Verdict:
    try:
        found = await _read(content)
    except ProtocolError as error:
        return machine_failed(
            str(hold.run_id), f"runner {runner.name} sent what is no verdict: {error}"
        )
    if reason := _doubt(ctx, str(hold.run_id), hold.gpu, found, hold.names, hold.ranks):
        return machine_failed(str(hold.run_id), f"runner {runner.name}: {reason}")
    return replace(found, fault=found.fault[:MAX_FAULT_CHARACTERS])


async def canary_package(
    ctx: Context, runner: Runner, session: uuid.UUID, canary_id: int, lease: uuid.UUID
) -> bytes:
    """Everything needed to judge a canary that is held, as a parcel."""
    errand = await _errand(ctx, runner, session, canary_id, lease)
    made, demanded = errand.package, ctx.settings.demanded_isolation
    return parcels.pack_job(made.job, made.problem_files, made.code, demanded)


async def drop_canary(
    ctx: Context, runner: Runner, session: uuid.UUID, canary_id: int, lease: uuid.UUID
) -> None:
    """A machine that ends has ended its canary: the next process gets another at once."""
    await canaries.drop(ctx, await _errand(ctx, runner, session, canary_id, lease))


async def finish_canary(
    ctx: Context,
    runner: Runner,
    session: uuid.UUID,
    canary_id: int,
    lease: uuid.UUID,
    content: bytes,
) -> Verdict:
    """What a machine says came of a canary; what cannot be believed counts as a failure of its device."""
    errand = await _errand(ctx, runner, session, canary_id, lease)
    run_id = errand.package.job.run_id
    unit = (await _units(ctx, runner)).get(errand.device, {})
    try:
        found = await _read(content)
        reason = _doubt(ctx, run_id, errand.gpu, found, {unit.get("name", "")}, 1)
    except ProtocolError as error:
        reason = f"sent what is no verdict: {error}"
    if reason:
        fault = f"runner {runner.name}: {reason}"
        found = Verdict(kind=VerdictKind.JUDGE_FAILED, run_id=run_id, fault=fault)
    if not await canaries.finish(ctx, runner.id, canary_id, lease, found):
        raise lost_canary(canary_id)
    return found


async def _errand(
    ctx: Context, runner: Runner, session: uuid.UUID, canary_id: int, lease: uuid.UUID
) -> Errand:
    demand_session(runner, session)
    errand = await canaries.held(ctx, runner.id, canary_id, lease)
    if errand is None:
        raise lost_canary(canary_id)
    return errand


def _doubt(
    ctx: Context,
    run_id: str,
    gpu: str,
    found: Verdict,
    announced: Collection[str],
    ranks: int,
) -> str:
    """Why a verdict cannot be one of our judge on so many devices of the run's target; "" when it can."""
    if found.run_id != run_id:
        return f"the verdict is about run {found.run_id[:40]!r}"
    if not figures.sound(found):
        return "the verdict has figures that no judge measures"
    if found.kind is VerdictKind.JUDGE_FAILED:
        return ""  # it may have failed before it knew anything
    if found.harness.judge_digest != runners.own_judge(ctx):
        return f"the verdict is of another judge, {found.harness.judge_digest[:64]!r}"
    target = ctx.targets.get(gpu)
    if target is None:
        return f"{gpu} is no target any more"
    device = found.device
    if met_no_device(found):
        return ""
    if not runners.fits(target, device.kind, device.name) or device.name not in announced:
        return f"the verdict is of the device {device.name[:100]!r}, which is no {gpu} of its own"
    if target.device != "cpu" and device.count < ranks:
        return f"the verdict is of {device.count} devices; it takes {ranks}"
    if not runners.accepted(ctx.settings.demanded_isolation, found.harness.isolation):
        return f"the fence was {found.harness.isolation[:40]!r}"
    return ""


def demand_session(runner: Runner, session: uuid.UUID) -> None:
    """Raise Conflict unless this is the machine's latest process."""
    if runner.session != session:
        raise superseded()


async def _dismissed(connection: AsyncConnection, runner: Runner) -> Refused:
    """Why a session that was good when the request came in is good no more."""
    gone = await store.is_revoked(connection, runner.id)
    return runners.revoked() if gone else superseded()


def superseded() -> Conflict:
    return Conflict(
        "Another process has announced itself with this token since, or asked for work after this request.",
        code="session_lost",
    )


def lost(run_id: int) -> Conflict:
    return Conflict(
        f"The lease of run {run_id} is not yours any more: whoever holds it decides.",
        code="lease_lost",
    )


def lost_canary(canary_id: int) -> Conflict:
    return Conflict(f"Canary {canary_id} is not yours any more.", code="lease_lost")


def read_events(documents: Sequence[object]) -> list[Event]:
    """Steps as a machine sends them: only such as a judge tells, never one that says how a run ended. Raises
    InvalidInput."""
    with contextlib.suppress(ProtocolError):
        events = [from_json(Event, document) for document in documents]
        if all(
            event.kind in TOLD
            and 0 <= event.done <= figures.MOST_CASES
            and 0 <= event.total <= figures.MOST_CASES
            for event in events
        ):
            return events
    raise InvalidInput("Not every event is one of this protocol.", code="bad_event")
