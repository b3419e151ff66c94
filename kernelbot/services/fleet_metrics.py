"""The machines as Prometheus gauges: runners, devices with their canaries, unconfirmed places, what is spent."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain.canary import FAULT
from kernelbot.services import canaries, usage
from kernelbot.services.context import Context
from kernelbot.storage import confirmations, runners
from kernelbot.storage import devices as store
from kernelbot.storage import usage as spent

GONE_S = 86400.0
"""After so long without a sign of life a device is not told of any more, unless it is quarantined."""
DEVICE = ("device", "name", "runner", "gpu")


async def add(ctx: Context, connection: AsyncConnection, registry: CollectorRegistry) -> None:
    await _runners(connection, registry)
    await _devices(connection, registry)
    await _unconfirmed(connection, registry)
    await _spent(ctx, connection, registry)


async def _runners(connection: AsyncConnection, registry: CollectorRegistry) -> None:
    silent = Gauge(
        "kernelbot_runner_silent_seconds",
        "Since an agent that has announced itself was heard of",
        ["runner"],
        registry=registry,
    )
    running = Gauge(
        "kernelbot_runner_running_runs", "Runs that an agent has", ["runner"], registry=registry
    )
    drained = Gauge(
        "kernelbot_runner_drained", "1 where an agent is to take nothing", ["runner"],
        registry=registry,
    )  # fmt: skip
    troubled = Gauge(
        "kernelbot_runner_troubled", "1 where an agent says that it cannot judge", ["runner"],
        registry=registry,
    )  # fmt: skip
    for row in await runners.signs(connection):
        silent.labels(row.name).set(float(row.silent_s or 0))
        running.labels(row.name).set(row.running)
        drained.labels(row.name).set(row.drained)
        troubled.labels(row.name).set(bool(row.trouble))


async def _devices(connection: AsyncConnection, registry: CollectorRegistry) -> None:
    out = Gauge(
        "kernelbot_device_quarantined", "1 where a device takes no run", DEVICE, registry=registry
    )
    good = Gauge(
        "kernelbot_device_canary_good", "1 where a device's last canary was in its band", DEVICE,
        registry=registry,
    )  # fmt: skip
    age = Gauge(
        "kernelbot_device_canary_age_seconds", "Since a device's last canary", DEVICE,
        registry=registry,
    )  # fmt: skip
    seconds = Gauge(
        "kernelbot_device_canary_seconds", "Time of a part of a device's last canary",
        [*DEVICE, "part"], registry=registry,
    )  # fmt: skip
    ratio = Gauge(
        "kernelbot_device_canary_ratio", "The same as a share of the median of its band",
        [*DEVICE, "part"], registry=registry,
    )  # fmt: skip
    clock = Gauge(
        "kernelbot_device_sm_mhz", "Clock during a device's last canary", DEVICE, registry=registry
    )
    faults = Gauge(
        "kernelbot_device_fault_share", "Of a device's last runs those that ended by our fault",
        DEVICE, registry=registry,
    )  # fmt: skip
    rows = await store.every(connection)
    bands = await canaries.bands_of(connection, rows)
    for row in rows:
        if row.revoked or (float(row.silent_s) > GONE_S and row.quarantined_at is None):
            continue
        labels = (row.device, row.name, row.runner or row.host, " ".join(row.gpus))
        out.labels(*labels).set(row.quarantined_at is not None)
        faults.labels(*labels).set(row.outcomes.count(FAULT) / max(1, len(row.outcomes)))
        if row.canary_at is None:
            continue
        good.labels(*labels).set(bool(row.canary_good))
        if not canaries.is_elsewhere(row):  # those come with runs, whenever there are any
            age.labels(*labels).set(float(row.canary_age_s))
        if row.canary_mhz:
            clock.labels(*labels).set(row.canary_mhz)
        for part, value in row.canary_seconds.items():
            seconds.labels(*labels, part).set(value)
        for part, share in canaries.shares(row.canary_seconds, bands[row.id]).items():
            ratio.labels(*labels, part).set(share)


async def _unconfirmed(connection: AsyncConnection, registry: CollectorRegistry) -> None:
    places = Gauge(
        "kernelbot_unconfirmed_places",
        "Places on podiums that no trusted machine has confirmed",
        ["gpu", "state"],
        registry=registry,
    )
    oldest = Gauge(
        "kernelbot_unconfirmed_oldest_seconds", "Oldest of them", ["gpu", "state"],
        registry=registry,
    )  # fmt: skip
    for row in await confirmations.unsettled(connection):
        places.labels(row.gpu, row.state).set(row.places)
        oldest.labels(row.gpu, row.state).set(float(row.oldest))


async def _spent(ctx: Context, connection: AsyncConnection, registry: CollectorRegistry) -> None:
    hours = Gauge(
        "kernelbot_hour_gpu_hours", "GPU-hours of the runs that ended within the hour", ["gpu"],
        registry=registry,
    )  # fmt: skip
    cost = Gauge(
        "kernelbot_hour_cost", "What they cost, by the prices of targets.yaml", ["gpu"],
        registry=registry,
    )  # fmt: skip
    for gpu, seconds in (await spent.lately(connection)).items():
        used = usage.gpu_hours(ctx, gpu, seconds)
        hours.labels(gpu).set(used)
        price = usage.cost(ctx, gpu, used)
        if price is not None:
            cost.labels(gpu).set(price)
