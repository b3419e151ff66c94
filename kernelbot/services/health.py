"""Is it alive, and how much does it hold: for load balancers and Prometheus."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain.submission import Status
from kernelbot.judge.protocol import VerdictKind
from kernelbot.services import banners, fleet_metrics, run_metrics, standings
from kernelbot.services.context import Context
from kernelbot.storage import fleet, outbox


async def ready(ctx: Context) -> dict[str, float]:
    """How long the database takes to answer, in milliseconds. Raises Unavailable when it does not."""
    begun = time.perf_counter()
    async with ctx.database.read() as connection:
        await fleet.ping(connection)
    return {"database_ms": round((time.perf_counter() - begun) * 1000, 2)}


async def metrics(ctx: Context) -> bytes:
    """Queues, slots, verdicts, workers and the outbox as Prometheus text; every process gives the
    same, because all of it is read from the database."""
    registry = CollectorRegistry()
    await _queues(ctx, registry)
    async with ctx.database.read() as connection:
        await _ended(connection, registry)
        await _workers(connection, registry)
        await _outbox(connection, registry)
        await fleet_metrics.add(ctx, connection, registry)
        await run_metrics.add(connection, registry)
    return generate_latest(registry)


async def _queues(ctx: Context, registry: CollectorRegistry) -> None:
    queued = Gauge("kernelbot_queued_runs", "Runs waiting", ["gpu"], registry=registry)
    running = Gauge("kernelbot_running_runs", "Runs in progress", ["gpu"], registry=registry)
    slots = Gauge(
        "kernelbot_slots", "Runs that live workers can do at once", ["gpu"], registry=registry
    )
    oldest = Gauge(
        "kernelbot_oldest_queued_seconds", "Longest wait in the queue", ["gpu"], registry=registry
    )
    stalled = Gauge(
        "kernelbot_stalled_queue",
        "1 where a run has waited too long beside a slot that is free",
        ["gpu"],
        registry=registry,
    )
    views = await standings.queues(ctx)
    held_up = await banners.stalled(ctx, views)
    for view in views:
        stalled.labels(view.gpu).set(view.gpu in held_up)
        queued.labels(view.gpu).set(view.queued)
        running.labels(view.gpu).set(view.running)
        slots.labels(view.gpu).set(view.slots)
        oldest.labels(view.gpu).set(view.oldest_s or 0)


async def _ended(connection: AsyncConnection, registry: CollectorRegistry) -> None:
    """Of the last hour rather than of all time: an index answers that, however many there are."""
    ended = Gauge(
        "kernelbot_hour_verdicts", "Runs that ended within the hour", ["kind"], registry=registry
    )
    retried = Gauge(
        "kernelbot_hour_retried_runs",
        "Of these, runs that needed more than one attempt",
        registry=registry,
    )
    # All kinds from the start: an alarm on one that has never happened needs its zero.
    for kind in (*VerdictKind, Status.CANCELLED):
        ended.labels(kind.value).set(0)
    for row in await fleet.ended_lately(connection):
        ended.labels(row.kind).set(row.runs)
        retried.inc(row.retried)


async def _workers(connection: AsyncConnection, registry: CollectorRegistry) -> None:
    silent = Gauge(
        "kernelbot_worker_silent_seconds",
        "Since any worker for the GPU was heard of",
        ["gpu"],
        registry=registry,
    )
    for gpu, seconds in (await fleet.silent(connection)).items():
        silent.labels(gpu).set(seconds)


async def _outbox(connection: AsyncConnection, registry: CollectorRegistry) -> None:
    waiting = Gauge(
        "kernelbot_outbox_waiting", "Announcements not delivered", ["topic"], registry=registry
    )
    late = Gauge("kernelbot_outbox_oldest_seconds", "Oldest of them", ["topic"], registry=registry)
    for row in await outbox.waiting(connection):
        waiting.labels(row.topic).set(row.waiting)
        late.labels(row.topic).set(float(row.oldest))
