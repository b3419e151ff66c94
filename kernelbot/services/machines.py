"""The devices that judge, for those who run the server: their state, their canaries, in and out by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain.canary import Band
from kernelbot.domain.people import Actor, Scope
from kernelbot.domain.reasons import bounded_reason
from kernelbot.errors import Conflict, NotFound
from kernelbot.services import canaries, runners, standings
from kernelbot.services.context import Context
from kernelbot.services.paging import MAX_ID, bounded
from kernelbot.services.runners import RunnerView
from kernelbot.services.views import QueueView
from kernelbot.storage import devices as store
from kernelbot.storage import fleet as workers

log = structlog.get_logger()

MOST_HELD = 100
DRIFT = 24
"""Canaries of a device that are shown beside it."""


@dataclass(frozen=True, kw_only=True)
class DeviceView:
    """A device, for those who run the server."""

    id: int
    runner: str | None  # None: of a worker's own machine
    device: str
    kind: str
    name: str
    host: str
    gpus: tuple[str, ...]
    state: str  # "ready" | "quarantined" | "silent"
    reason: str
    quarantined_at: datetime | None
    outcomes: str
    seen_at: datetime
    last_run_at: datetime | None
    canary_at: datetime | None
    canary_good: bool | None
    canary_reason: str
    good_at: datetime | None
    seconds: Mapping[str, float]
    sm_mhz: float
    bands: Mapping[str, Band]


@dataclass(frozen=True, kw_only=True)
class MachineView:
    """A process that has runs judged: an agent on a machine, or a worker of ours."""

    name: str
    kind: str  # "agent" | "worker"
    state: str  # "ready" | "drained" | "troubled" | "silent" | "new"
    trouble: str
    trusted: bool
    slots: Mapping[str, int]
    elsewhere: tuple[str, ...]  # GPU kinds that it reaches at Modal or in a cluster
    running: int
    judge_digest: str
    current: bool  # whether that is this server's judge
    seen_at: datetime | None
    host: str = ""
    isolation: str = ""  # the fence that stands there
    driver: str = ""
    torch: str = ""


@dataclass(frozen=True, kw_only=True)
class FleetView:
    machines: tuple[MachineView, ...]
    devices: tuple[DeviceView, ...]
    drift: Mapping[int, tuple[tuple[float | None, bool], ...]]
    """By device its last canaries, the oldest first: the time of each as a share of the band's median (None where
    there is none), and whether it was good."""


@dataclass(frozen=True, kw_only=True)
class UnderWay:
    """A run in progress."""

    machine: str
    submission_id: int
    leaderboard: str
    gpu: str
    mode: str
    progress: str
    so_far_s: float


@dataclass(frozen=True, kw_only=True)
class MachineStory:
    """All about one machine. Several workers of one host are one."""

    fleet: FleetView
    held: tuple[UnderWay, ...]  # the runs that it has now
    queues: tuple[QueueView, ...]  # of the GPU kinds that it serves


@dataclass(frozen=True, kw_only=True)
class CanaryView:
    """One canary of a device."""

    started_at: datetime
    good: bool | None
    reason: str
    verdict: str
    seconds: Mapping[str, float]
    errors: Mapping[str, float]
    sm_mhz: float
    watts: float
    compares: bool  # with the last one: the same driver, torch and canary


async def listed(ctx: Context, admin: Actor) -> tuple[DeviceView, ...]:
    """Every device with its last canary and its band; those of machines that were shut out are not there."""
    admin.needs(Scope.ADMIN)
    async with ctx.database.read() as connection:
        rows = [row for row in await store.every(connection) if not row.revoked]
        bands = await canaries.bands_of(connection, rows)
    return tuple(_view(ctx, row, bands[row.id]) for row in rows)


async def fleet(ctx: Context, admin: Actor) -> FleetView:
    """Everything that judges: agents, workers, what they reach elsewhere, and every device."""
    devices = await listed(ctx, admin)
    agents = await runners.listed(ctx, admin)
    async with ctx.database.read() as connection:
        hosts = await store.machines(connection)
        recent = await store.recent(connection, DRIFT)
    medians = {item.id: item.bands for item in devices}
    drift: dict[int, list[tuple[float | None, bool]]] = {item.id: [] for item in devices}
    for row in recent:
        if row.device_id in drift:
            drift[row.device_id].append((_share(row.seconds, medians[row.device_id]), row.good))
    found = [_agent(ctx, item) for item in agents] + [_worker(ctx, row) for row in hosts]
    return FleetView(
        machines=tuple(found),
        devices=devices,
        drift={device: tuple(values) for device, values in drift.items()},
    )


async def under_way(ctx: Context, admin: Actor, most: int = 50) -> tuple[UnderWay, ...]:
    """What runs now, the longest first."""
    admin.needs(Scope.ADMIN)
    return await _under_way(ctx, most, None)


async def story(ctx: Context, admin: Actor, name: str) -> MachineStory:
    """All about the agent, or the workers of the host, of this name. Raises NotFound."""
    found = await fleet(ctx, admin)
    those = tuple(item for item in found.machines if item.name.lower() == name.lower())
    if not those:
        raise NotFound(
            f"There is no runner {name[:64]!r}; `kernelbot runners` shows those there are.",
            code="unknown_runner",
        )
    names = {item.name for item in those}
    devices = tuple(item for item in found.devices if (item.runner or item.host) in names)
    kinds = {gpu for item in those for gpu in item.slots}
    held = [run for each in sorted(names) for run in await _under_way(ctx, MOST_HELD, each)]
    queues = tuple(view for view in await standings.queues(ctx) if view.gpu in kinds)
    drift = {item.id: found.drift[item.id] for item in devices}
    only = FleetView(machines=those, devices=devices, drift=drift)
    return MachineStory(fleet=only, held=tuple(held), queues=queues)


async def _under_way(ctx: Context, most: int, machine: str | None) -> tuple[UnderWay, ...]:
    async with ctx.database.read() as connection:
        rows = await workers.under_way(connection, bounded(most), machine)
    return tuple(UnderWay(**{**row._mapping, "so_far_s": float(row.so_far_s or 0)}) for row in rows)


async def device(ctx: Context, admin: Actor, device_id: int) -> DeviceView:
    """One device. Raises NotFound."""
    admin.needs(Scope.ADMIN)
    async with ctx.database.read() as connection:
        row = await _one(connection, device_id)
        bands = await canaries.bands_of(connection, [row])
    return _view(ctx, row, bands[row.id])


def _share(seconds: Mapping[str, float], known: Mapping[str, Band]) -> float | None:
    """Of the part that is furthest from its median."""
    return max(
        canaries.shares(seconds, known).values(),
        key=lambda value: abs(math.log(value)),
        default=None,
    )


def _agent(ctx: Context, item: RunnerView) -> MachineView:
    return MachineView(
        name=item.name,
        kind="agent",
        state=item.state,
        trouble=item.trouble,
        trusted=item.trusted,
        slots=item.slots,
        elsewhere=(),
        running=item.running,
        judge_digest=item.judge_digest,
        current=item.judge_digest in ("", runners.own_judge(ctx)),
        seen_at=item.last_seen_at,
        host=item.host,
        isolation=item.isolation,
        driver=item.driver,
        torch=item.torch,
    )


def _worker(ctx: Context, row: Row[Any]) -> MachineView:
    return MachineView(
        name=row.host,
        kind="worker",
        state="silent" if float(row.silent_s) > ctx.alive_s else "ready",
        trouble="; ".join(row.device.get("troubles", ())),
        trusted=True,
        slots=row.slots,
        elsewhere=tuple(row.device.get("elsewhere", ())),
        running=row.running,
        judge_digest=row.judge_digest,
        current=row.judge_digest == runners.own_judge(ctx),
        seen_at=row.heartbeat_at,
        host=row.host,
        isolation=str(row.device.get("isolation", "")),
        driver=str(row.device.get("driver", "")),
        torch=str(row.device.get("torch", "")),
    )


async def series(
    ctx: Context, admin: Actor, device_id: int, limit: int = 50
) -> tuple[DeviceView, tuple[CanaryView, ...]]:
    """A device's canaries, the newest first. Raises NotFound."""
    admin.needs(Scope.ADMIN)
    limit = bounded(limit)
    async with ctx.database.read() as connection:
        row = await _one(connection, device_id)
        bands = await canaries.bands_of(connection, [row])
        rows = await store.series(connection, device_id, limit)
    newest = rows[0].setting if rows else ""
    found = [
        CanaryView(
            started_at=row.started_at, good=row.good, reason=row.reason, verdict=row.verdict,
            seconds=row.seconds, errors=row.errors, sm_mhz=row.sm_mhz, watts=row.watts,
            compares=row.setting == newest,
        )
        for row in rows
    ]  # fmt: skip
    return _view(ctx, row, bands[row.id]), tuple(found)


async def quarantine(ctx: Context, admin: Actor, device_id: int, reason: str) -> bool:
    """Take a device out, and have what it gave since its last good canary judged again. False: it is out, and that
    did not work now; workers see to it.
    """
    admin.needs(Scope.ADMIN)
    bounded_reason(reason)
    async with ctx.database.transaction() as connection:
        device = await _one(connection, device_id)
        if canaries.is_elsewhere(device):
            raise Conflict(
                f"{device.device} is no machine: each run there has another one, so there is none to take out. "
                f"Pause the intake of {device.gpus[0]} with hold, and nothing begins there; a release begins its band "
                "anew."
            )
        if device.quarantined_at is not None:
            raise Conflict(f"Device {device_id} is out already: {device.reason}")
        await canaries.take_out(connection, device_id, reason, admin.user_id)
    try:
        await canaries.watch(ctx)
    except Exception as error:  # whatever it is, the device is out
        log.warning("workers judge again what a device gave", device=device_id, exc_info=error)
        return False
    return True


async def release(ctx: Context, admin: Actor, device_id: int, reason: str) -> None:
    """Let a device take runs again; its band begins anew, with what it is now. Raises Conflict where it is in, but for a
    place where each run has another machine: nothing but its band keeps runs from counting there."""
    admin.needs(Scope.ADMIN)
    bounded_reason(reason)
    await canaries.watch(ctx)  # what it gave is judged again all the same
    async with ctx.database.transaction() as connection:
        device = await _one(connection, device_id)
        if await canaries.let_in(connection, device_id, reason, admin.user_id, anew=True):
            return
        if canaries.is_elsewhere(device):
            await canaries.begin_anew(connection, device, reason, admin.user_id)
        else:
            raise Conflict(f"Device {device_id} is not quarantined.")


async def _one(connection: AsyncConnection, device_id: int) -> Row[Any]:
    rows = await store.every(connection, device_id) if 0 < device_id <= MAX_ID else ()
    if not rows:
        raise NotFound(
            f"There is no device {device_id}; the list of machines shows those there are.",
            code="unknown_device",
        )
    return rows[0]


def _view(ctx: Context, row: Row[Any], bands: Mapping[str, Band]) -> DeviceView:
    silent = float(row.silent_s) > max(60.0, 2 * ctx.alive_s)
    out = row.quarantined_at is not None
    return DeviceView(
        id=row.id,
        runner=row.runner,
        device=row.device,
        kind=row.kind,
        name=row.name,
        host=row.host,
        gpus=tuple(row.gpus),
        state="quarantined" if out else "silent" if silent else "ready",
        reason=row.reason,
        quarantined_at=row.quarantined_at,
        outcomes=row.outcomes,
        seen_at=row.seen_at,
        last_run_at=row.last_run_at,
        canary_at=row.canary_at,
        canary_good=row.canary_good,
        canary_reason=row.canary_reason or "",
        good_at=row.good_at,
        seconds=row.canary_seconds or {},
        sm_mhz=row.canary_mhz or 0.0,
        bands=bands,
    )
