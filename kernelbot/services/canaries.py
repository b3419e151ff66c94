"""Canaries: every device runs a small kernel of ours now and then, judged by the judge that judges everybody.

Whoever has free devices asks here first whether one of them is due. A device whose canary, clock or runs leave
their band is quarantined: it gets no more runs, the ranked results that it gave since its last good canary are
judged again at no cost to their owners, and everybody is told. Good canaries, or an administrator, let it in
again.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.config import ROOT
from kernelbot.domain import canary
from kernelbot.domain.canary import Band, Canary, Fate, Past, Tolerance
from kernelbot.domain.target import Target
from kernelbot.judge.protocol import Job, Limits, Mode, Verdict, VerdictKind, dump
from kernelbot.judge.protocol import Tolerance as Closeness
from kernelbot.launchers.base import Package
from kernelbot.services import figures, rejudge
from kernelbot.services.context import Context
from kernelbot.storage import devices as store
from kernelbot.storage import outbox, people, rejudged, runners

FOLDER = ROOT / "runners" / "canary"
LIMITS = Limits(build_s=120.0, check_s=60.0, measure_s=60.0, memory_bytes=16 << 30)
HOLD_S = 600.0
"""Seconds after which nobody believes any more that a canary goes on."""
KEPT_DAYS = 180
GONE_DAYS = 14
"""A device that was not there for so long is forgotten, unless it is quarantined."""
PARTS = {"cuda": {"stream": (8192, False), "product": (4096, True)},
         "cpu": {"stream": (1024, False), "product": (256, True)}}  # fmt: skip
"""What a canary measures: sizes, and whether it is the matrix product."""
TOPIC = "notice"
OF_RUNS = uuid.UUID("5e0c7e0a-5f0e-4f5e-9d0b-6d1d4c3f8a21")
"""Namespace of the leases of canaries that runs bring along."""

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Offered:
    """A device that a machine offers, under the name that ``runs.device_ids`` has for it."""

    id: str
    kind: str  # "cpu" | "cuda" | "hip"
    name: str
    gpus: Sequence[str]  # the targets that it judges for, by itself if for any


@dataclass(frozen=True, kw_only=True)
class Errand:
    """A canary in somebody's hands."""

    id: int
    lease: uuid.UUID
    device: str
    gpu: str
    package: Package = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Notice:
    """What everybody should know about the machines, in every channel."""

    text: str
    gpus: tuple[str, ...]
    since: datetime


# --- the job -------------------------------------------------------------------------------------


@functools.cache
def _files() -> tuple[Mapping[str, bytes], bytes, str]:
    """What is judged: the problem's files, the submission, and the digest of both."""
    files = {"reference.py": (FOLDER / "reference.py").read_bytes()}
    code = (FOLDER / "submission.py").read_bytes()
    said = json.dumps(PARTS, sort_keys=True).encode()
    return files, code, hashlib.sha256(files["reference.py"] + code + said).hexdigest()


def package(target: Target, canary_id: int | str) -> Package:
    """The canary as a job for a device of this target."""
    files, code, digest = _files()
    cases = tuple(
        {"size": size, "product": product} for size, product in PARTS[target.device].values()
    )
    job = Job(
        run_id=f"canary-{canary_id}",
        mode=Mode.BENCHMARK,
        problem="canary",
        problem_digest=digest,
        tests=cases,
        benchmarks=cases,
        tolerances=(Closeness(rtol=0.0, atol=0.0),),
        limits=LIMITS,
        device=target.device,
        expect_device=target.match,
    )
    return Package(job=job, problem_files=files, code=code)


def shown(device: str, found: Verdict) -> Canary:
    """What a verdict on a canary says of its device."""
    times = found.measurements
    parts = list(PARTS[device])
    if not found.passed or len(times) != len(parts):
        said = found.fault or found.message or "no word of the judge"
        word = found.kind.value.replace("_", " ")
        wrong = found.kind is VerdictKind.WRONG_ANSWER
        return Canary(failed=f"its canary ended with {word}: {said[:200]}", wrong=wrong)
    clocks = [item.sm_mhz for item in times if item.sm_mhz > 0]
    return Canary(
        seconds={part: item.ns * 1e-9 for part, item in zip(parts, times, strict=True)},
        errors={part: item.stderr_ns / item.ns for part, item in zip(parts, times, strict=True)},
        sm_mhz=min(clocks, default=0.0),
    )


def setting(found: Verdict) -> str:
    """What times compare within: another driver or torch may be faster for good reason."""
    said = (_files()[2], found.device.name, found.device.driver, found.harness.torch)
    return hashlib.sha256("\0".join(said).encode()).hexdigest()


def tolerance(kind: str) -> Tolerance:
    return canary.PROCESSOR if kind == "cpu" else canary.GPU


# --- for workers and the gateway -----------------------------------------------------------------


async def register(
    ctx: Context, runner_id: int | None, host: str, offered: Collection[Offered]
) -> None:
    """These devices are there; ``runner_id`` None: of a worker's own machine."""
    async with ctx.database.transaction() as connection:
        await put(connection, runner_id, host, offered)


async def put(
    connection: AsyncConnection, runner_id: int | None, host: str, offered: Collection[Offered]
) -> None:
    for item in sorted(offered, key=lambda item: item.id):
        await store.put(
            connection, runner_id, device=item.id, kind=item.kind, name=item.name, host=host,
            gpus=list(item.gpus),
        )  # fmt: skip


async def due(ctx: Context, runner_id: int | None, free: Collection[str]) -> Errand | None:
    """A canary for one of these devices, which must have nothing to do: the caller runs it before anything else
    on that device, and brings in what came of it within ``HOLD_S``."""
    every_s, idle_s = ctx.settings.canary_s, ctx.settings.canary_idle_s
    if not free or not every_s:
        return None
    async with ctx.database.read() as connection:
        rows = await store.past(connection, runner_id, sorted(free), idle_s)
    wanted = [
        row
        for row in rows
        if not row.under_way and canary.is_due(_past(row), every_s=every_s, idle_s=idle_s)
    ]
    for row in wanted:
        gpu = next((name for name in row.gpus if name in ctx.targets), None)
        if gpu is None:
            continue
        lease = uuid.uuid4()
        async with ctx.database.transaction() as connection:
            found = await store.begin(connection, row.id, gpu, lease, HOLD_S)
        if found is not None:
            return Errand(
                id=found, lease=lease, device=row.device, gpu=gpu,
                package=package(ctx.targets[gpu], found),
            )  # fmt: skip
    return None


def _past(row: Row[Any]) -> Past:
    return Past(
        canary_s=None if row.canary_s is None else float(row.canary_s),
        busy_s=None if row.busy_s is None else float(row.busy_s),
        good=row.good,
        out=row.out,
        ranked_waits=row.waits,
    )


async def held(
    ctx: Context, runner_id: int | None, canary_id: int, lease: uuid.UUID
) -> Errand | None:
    """What a machine has in its hands; None when it has lost it."""
    async with ctx.database.read() as connection:
        row = await store.held(connection, runner_id, canary_id, lease)
    if row is None or row.gpu not in ctx.targets:
        return None
    made = package(ctx.targets[row.gpu], row.id)
    return Errand(id=row.id, lease=lease, device=row.device, gpu=row.gpu, package=made)


def before(ctx: Context, run_id: int, gpu: str) -> Package | None:
    """The canary that a ranked run brings along where each run gets another machine; None where there are none."""
    target = ctx.targets.get(gpu)
    if target is None or not ctx.settings.canary_s:
        return None
    return package(target, f"of-{run_id}")


async def elsewhere(
    ctx: Context, gpu: str, way: str, brought: Package, found: Verdict | None
) -> str:
    """Write down what such a canary said, in the series of its GPU kind; why what was measured beside it does not
    count, or "". Nothing is taken out by it: the next run gets another machine. Safe to repeat: one canary that is said twice is
    one."""
    target = ctx.targets[gpu]
    if found is None or found.run_id != brought.job.run_id or not figures.sound(found):
        return "the canary that was to be judged before it was not"
    lease = uuid.uuid5(OF_RUNS, dump(found))
    async with ctx.database.transaction() as connection:
        await store.put(
            connection, None, device=f"{gpu}@{way}", kind=target.device, name=found.device.name,
            host=way, gpus=[gpu],
        )  # fmt: skip
        device = await store.named(connection, f"{gpu}@{way}")
        if (told := await store.told(connection, device.id, lease)) is not None:
            return told
        begun = await store.begin(connection, device.id, gpu, lease, HOLD_S)
        if begun is None:
            return "its canary could not be written down beside another one"
        reason = await _finished(ctx, connection, device, gpu, begun, lease, found) or ""
        if reason:
            await _moved(connection, device, setting(found))
        return reason


async def _moved(connection: AsyncConnection, device: Row[Any], alike: str) -> None:
    """Begin the band of a place anew where its last canaries were all outside it, and alike."""
    rows = await store.series(connection, device.id, canary.MOVED)
    last = [
        Canary(seconds=row.seconds, errors=row.errors, sm_mhz=row.sm_mhz)
        for row in rows
        if not row.good and row.setting == alike and row.started_at >= device.band_from
    ]
    if canary.moved(last, tolerance(device.kind)):
        why = f"{canary.MOVED} canaries in a row outside the band, and alike"
        await begin_anew(connection, device, why, None)


async def begin_anew(
    connection: AsyncConnection, device: Row[Any], why: str, by: int | None
) -> None:
    """What a device is compared with begins now, whatever it was before."""
    await store.restart_band(connection, device.id)
    await people.record(connection, by, "device.band", f"device:{device.id}", reason=why)
    log.warning("the band of a device begins anew", device=device.device, why=why)


def is_elsewhere(device: Row[Any]) -> bool:
    """Whether this is a place where each run has another machine, as :func:`elsewhere` calls it."""
    return device.runner_id is None and device.device in {
        f"{gpu}@{device.host}" for gpu in device.gpus
    }


async def drop(ctx: Context, errand: Errand) -> None:
    """It was ended before it ended: that says nothing about the device."""
    async with ctx.database.transaction() as connection:
        await store.drop(connection, errand.id, errand.lease)


async def finish(
    ctx: Context, runner_id: int | None, canary_id: int, lease: uuid.UUID, found: Verdict
) -> bool:
    """What came of a canary; False when it was too late."""
    async with ctx.database.transaction() as connection:
        row = await store.held(connection, runner_id, canary_id, lease)
        if row is None:
            return False
        device = await store.lock(connection, row.device_id)
        if not await _write_down(ctx, connection, device, row.gpu, canary_id, lease, found):
            return False
    await watch(ctx)
    return True


async def _write_down(
    ctx: Context,
    connection: AsyncConnection,
    device: Row[Any],
    gpu: str,
    canary_id: int,
    lease: uuid.UUID,
    found: Verdict,
) -> bool:
    reason = await _finished(ctx, connection, device, gpu, canary_id, lease, found)
    if reason is None:
        return False
    flags = await store.flags(connection, device.id, max(canary.STRIKES, canary.GOOD_AGAIN))
    wrong = found.kind is VerdictKind.WRONG_ANSWER
    fate = canary.fate(flags, out=device.quarantined_at is not None, wrong=wrong)
    if fate is Fate.OUT:
        await take_out(connection, device.id, reason, None)
    elif fate is Fate.BACK and not device.by_hand:
        why = f"{canary.GOOD_AGAIN} good canaries in a row"
        await let_in(connection, device.id, why, None, anew=False)
    return True


async def _finished(
    ctx: Context,
    connection: AsyncConnection,
    device: Row[Any],
    gpu: str,
    canary_id: int,
    lease: uuid.UUID,
    found: Verdict,
) -> str | None:
    """Why a canary is not good, or ""; None when it is over already."""
    now = shown(ctx.targets[gpu].device, found)
    alike = setting(found)
    good = await store.good_of(connection, {device.id: alike}, canary.LOOKED_AT)
    reason = canary.outside(now, bands(good, device.kind))
    if not await store.finish(
        connection, canary_id, lease, verdict=found.kind.value, good=not reason, reason=reason,
        setting=alike, seconds=json.dumps(dict(now.seconds)), errors=json.dumps(dict(now.errors)),
        sm_mhz=now.sm_mhz, watts=max((item.watts for item in found.measurements), default=0.0),
        judge=found.harness.judge_digest,
    ):  # fmt: skip
        return None
    log.info(
        "a canary ended", device=device.device, name=device.name, gpu=gpu, good=not reason,
        reason=reason, seconds=dict(now.seconds), sm_mhz=now.sm_mhz,
    )  # fmt: skip
    return reason


def shares(seconds: Mapping[str, float], known: Mapping[str, Band]) -> dict[str, float]:
    """Each part's time as a share of its band's median, where there is a band."""
    return {part: value / known[part].median for part, value in seconds.items() if part in known}


async def bands_of(
    connection: AsyncConnection, devices: Sequence[Row[Any]]
) -> dict[int, dict[str, Band]]:
    """The band of each of these devices, by id, within what its last canary compares with."""
    good: dict[int, list[Row[Any]]] = {device.id: [] for device in devices}
    settings = {device.id: device.canary_setting or "" for device in devices}
    for row in await store.good_of(connection, settings, canary.LOOKED_AT):
        good[row.device_id].append(row)
    return {device.id: bands(good[device.id], device.kind) for device in devices}


def bands(good: Sequence[Row[Any]], kind: str) -> dict[str, Band]:
    """The bands that these good canaries make, the newest first."""
    told = [Canary(seconds=row.seconds, errors=row.errors, sm_mhz=row.sm_mhz) for row in good]
    return canary.bands(told, tolerance(kind))


async def alive(ctx: Context, runner_id: int | None, devices: Collection[str]) -> dict[str, str]:
    """A sign of life of these devices; those of them that must take no run, each with the reason."""
    async with ctx.database.transaction() as connection:
        found = await store.seen(connection, runner_id, sorted(devices))
    return {device: reason for device, reason in found.items() if device in devices}


async def judged_by(ctx: Context, run_id: int, lease: uuid.UUID, devices: Sequence[str]) -> None:
    """A worker says which of its devices judge a run."""
    async with ctx.database.transaction() as connection:
        await runners.name_devices(connection, run_id, lease, devices)


async def run_ended(
    connection: AsyncConnection, run_id: int, submission_id: int, found: Verdict
) -> None:
    """How a run ended, for the error rate of the devices that judged it. A fault of the problem's is none of
    theirs. The caller holds all that it needs: the devices come last."""
    ours = found.kind is VerdictKind.JUDGE_FAILED
    if ours and found.fault.startswith("problem"):
        return
    mark = canary.FAULT if ours else canary.FINE
    for row in await store.ended(connection, run_id, mark, submission_id if ours else None):
        reason = canary.failing(row.outcomes, len(set(row.fault_users) - {0}))
        if reason and row.quarantined_at is None:
            await take_out(connection, row.id, reason, None)


# --- out and in ----------------------------------------------------------------------------------


async def take_out(
    connection: AsyncConnection, device_id: int, reason: str, by: int | None
) -> None:
    """Whom an administrator takes out (``by``), canaries do not let in again."""
    device = await store.take_out(connection, device_id, reason, by_hand=by is not None)
    if device is None:
        return
    target = f"device:{device_id}"
    await people.record(connection, by, "device.quarantine", target, reason=reason)
    log.error(
        "a device is quarantined", device=device.device, name=device.name, host=device.host,
        runner=device.runner_id, reason=reason,
    )  # fmt: skip


async def let_in(
    connection: AsyncConnection, device_id: int, why: str, by: int | None, *, anew: bool
) -> bool:
    device = await store.let_in(connection, device_id, anew=anew)
    if device is None:
        return False
    target = f"device:{device_id}"
    await people.record(connection, by, "device.release", target, reason=why, anew=anew)
    log.info("a device is let in again", device=device.device, name=device.name, why=why)
    text = f"{_kinds(device)}: {_called(device)} is itself again and back in service."
    key = f"device:{device.id}:{device.quarantines}:back"
    await outbox.add(connection, key, TOPIC, _banner(text, device.gpus, "back"))
    return True


async def watch(ctx: Context) -> int:
    """Of the devices that were taken out and of which nobody has been told: have what they gave since their last
    good canary judged again, and tell everybody, once; how many there were. For any process, now and then."""
    async with ctx.database.read() as connection:
        rows = await store.untold(connection)
    for row in rows:
        async with ctx.database.transaction() as connection:
            runs = await _doubt(connection, row)
            text = _out_words(row, len(runs))
            key = f"device:{row.id}:{row.quarantines}"
            await outbox.add(connection, key, TOPIC, _banner(text, row.gpus, "out"))
        log.warning("what a device gave is judged again", device=row.device, runs=len(runs))
    return len(rows)


async def _doubt(connection: AsyncConnection, device: Row[Any]) -> list[int]:
    """Have the ranked results that a device gave since its last good canary judged again. They are what counts
    until then, and no longer: the new runs are not compared with them."""
    suspects = await store.suspects(connection, device.runner_id, device.device, device.since)
    wanted = {(row.submission_id, row.gpu) for row in suspects}
    entries = await rejudged.entries(connection, [submission for submission, _ in wanted], None)
    chosen = {
        (row.submission_id, row.gpu): row for row in entries if (row.asked, row.gpu) in wanted
    }
    why = "the device that judged it left the band of its canaries"
    found = await rejudge.again(connection, None, list(chosen.values()), why=why)
    await store.doubt(connection, [row.id for row in suspects])
    return sorted(found)


def _banner(text: str, gpus: Sequence[str], state: str) -> dict[str, Any]:
    return {"text": text, "gpus": list(gpus), "state": state, "channel": ""}


def _out_words(device: Row[Any], again: int) -> str:
    results = {0: "No ranked result is in doubt", 1: "One ranked result is"}.get(
        again, f"{again} ranked results are"
    )
    judged = " judged again at no cost; places stay until then" if again else ""
    return f"{_kinds(device)}: {_called(device)} is out of service until it is itself again. {results}{judged}."


def _called(device: Row[Any]) -> str:
    """What everybody may read of it: what an agent calls its devices is a stranger's text."""
    if device.runner_id is not None:
        return "a machine's device"
    return " ".join(re.sub(r"[^\w()+-]+", " ", device.name).split())[:60] or "a device"


def _kinds(device: Row[Any]) -> str:
    return ", ".join(device.gpus) or "A device"


async def notices(ctx: Context) -> tuple[Notice, ...]:
    """Which devices are out of service now; no machine is named. Channels ask for
    ``banners.notices``, which has these too."""
    async with ctx.database.read() as connection:
        rows = await store.every(connection)
    found: dict[str, Notice] = {}
    for row in rows:
        if row.quarantined_at is not None and not row.revoked:
            text = (
                f"{_kinds(row)}: {_called(row)} is out of service until it is itself again. Ranked results that it "
                "gave last are judged again at no cost; places stay until then."
            )
            found.setdefault(
                text, Notice(text=text, gpus=tuple(row.gpus), since=row.quarantined_at)
            )
    return tuple(found.values())
