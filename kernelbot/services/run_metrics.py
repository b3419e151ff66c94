"""The runs that ended within the hour as Prometheus text: how long they waited, what was tried again, what failed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.storage import ended

BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0, 28800.0)
TOLD = {
    "wait": (
        "kernelbot_hour_queue_wait_seconds",
        "From being accepted to being given to a machine",
    ),
    "start": ("kernelbot_hour_start_seconds", "From there to the first step of the judge"),
}
# By what the fault of a verdict says; the first that fits. The text itself is for the log: it has no bound.
REASONS = {
    "problem": re.compile(r"^problem"),
    "worker_gone": re.compile(r"earlier ones ended their worker"),
    "not_started": re.compile(r"^could not be started|cannot be assembled"),
    "wrong_device": re.compile(r"where devices matching"),
    "stale_judge": re.compile(r"another version of the judge"),
    "not_believed": re.compile(r"^runner "),
    "canary": re.compile(r"^\S+ at \S+: "),
    "no_end": re.compile(r"did not end within"),
    "modal": re.compile(r"^Modal"),
}


async def add(connection: AsyncConnection, registry: CollectorRegistry) -> None:
    rows = await ended.waits(connection, BOUNDS)
    counts: dict[tuple[str, str], list[int]] = {}
    sums: dict[tuple[str, str], float] = {}
    for row in rows:
        key = (row.what, row.gpu)
        counts.setdefault(key, [0] * (len(BOUNDS) + 1))[row.bucket] += row.runs
        sums[key] = sums.get(key, 0.0) + float(row.seconds)
    registry.register(_Histograms(counts, sums))
    again = Gauge(
        "kernelbot_hour_redeliveries",
        "Further attempts of the runs that ended within the hour",
        ["gpu", "reason"],
        registry=registry,
    )
    for row in await ended.redelivered(connection):
        again.labels(row.gpu, "worker_gone").set(int(row.gone))
        again.labels(row.gpu, "fault").set(int(row.faults))
    failures = Gauge(
        "kernelbot_hour_failures",
        "Runs that ended by our fault within the hour",
        ["gpu", "reason"],
        registry=registry,
    )
    for row in await ended.faults(connection):
        failures.labels(row.gpu, reason(row.fault)).inc(row.runs)


def reason(fault: str) -> str:
    """The kind of a fault of ours, one of a few."""
    return next((name for name, words in REASONS.items() if words.search(fault)), "judge")


class _Histograms(Collector):
    """Not counted here, but read: how many there were between two bounds."""

    def __init__(
        self, counts: Mapping[tuple[str, str], Sequence[int]], sums: Mapping[tuple[str, str], float]
    ) -> None:
        self._counts, self._sums = counts, sums

    def collect(self) -> Iterable[Metric]:
        for what, (name, about) in TOLD.items():
            family = HistogramMetricFamily(
                name, f"{about}, of the runs that ended within the hour", labels=["gpu"]
            )
            for (of, gpu), found in self._counts.items():
                if of == what:
                    family.add_metric([gpu], _cumulative(found), self._sums[of, gpu])
            yield family


def _cumulative(found: Sequence[int]) -> list[tuple[str, float]]:
    bounds = [*(str(bound) for bound in BOUNDS), "+Inf"]
    return [(bound, float(sum(found[: at + 1]))) for at, bound in enumerate(bounds)]
