"""Is it alive, and how much does it hold: for load balancers and Prometheus."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from kernelbot.services import standings
from kernelbot.services.context import Context
from kernelbot.storage import fleet, outbox


async def ready(ctx: Context) -> dict[str, float]:
    """How long the database takes to answer, in milliseconds. Raises Unavailable when it does not."""
    begun = time.perf_counter()
    async with ctx.database.read() as connection:
        await fleet.ping(connection)
    return {"database_ms": round((time.perf_counter() - begun) * 1000, 2)}


async def metrics(ctx: Context) -> bytes:
    """Queues, slots and the outbox as Prometheus text; every process gives the same."""
    registry = CollectorRegistry()
    queued = Gauge("kernelbot_queued_runs", "Runs waiting", ["gpu"], registry=registry)
    running = Gauge("kernelbot_running_runs", "Runs in progress", ["gpu"], registry=registry)
    slots = Gauge(
        "kernelbot_slots", "Runs that live workers can do at once", ["gpu"], registry=registry
    )
    oldest = Gauge(
        "kernelbot_oldest_queued_seconds", "Longest wait in the queue", ["gpu"], registry=registry
    )
    for view in await standings.queues(ctx):
        queued.labels(view.gpu).set(view.queued)
        running.labels(view.gpu).set(view.running)
        slots.labels(view.gpu).set(view.slots)
        oldest.labels(view.gpu).set(view.oldest_s or 0)
    waiting = Gauge(
        "kernelbot_outbox_waiting", "Announcements not delivered", ["topic"], registry=registry
    )
    late = Gauge("kernelbot_outbox_oldest_seconds", "Oldest of them", ["topic"], registry=registry)
    async with ctx.database.read() as connection:
        for row in await outbox.waiting(connection):
            waiting.labels(row.topic).set(row.waiting)
            late.labels(row.topic).set(float(row.oldest))
    return generate_latest(registry)
