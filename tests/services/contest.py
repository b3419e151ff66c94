"""Publishing a competition from a test: the first shipped one with what the test changes about it."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kernelbot.app import App
from kernelbot.domain.competition import Competition, Freeze, LeaderboardSpec
from kernelbot.domain.problem import sealed
from kernelbot.services import publish
from kernelbot.services.catalog import Catalog, load_catalog
from kernelbot.services.publish import Plan, Source

HOUR = timedelta(hours=1)


def now() -> datetime:
    return datetime.now(UTC)


def frozen(*, begins: timedelta = timedelta(0), ends: timedelta = HOUR) -> Freeze:
    """A freeze that begins and ends so long from now."""
    at = now()
    return Freeze(begins=at + begins, ends=at + ends)


def board(name: str = "vectoradd", **values: Any) -> LeaderboardSpec:
    """A leaderboard on the processor; it poses the problem of its name if none is given."""
    return LeaderboardSpec(**{"name": name, "problem": name, "gpus": ("CPU",), **values})


def contest(*boards: LeaderboardSpec, **values: Any) -> Competition:
    described = {"name": "getting-started", "title": "A contest", "licence": "MIT"}
    return Competition(**{**described, **values}, leaderboards=boards or (board(),))


def catalog_of(app: App, shelf: Path, *competitions: Competition) -> Catalog:
    loaded = load_catalog(shelf, list(app.targets))
    return dataclasses.replace(loaded, competitions={item.name: item for item in competitions})


def posed_anew(catalog: Catalog, name: str = "vectoradd", **change: Any) -> Catalog:
    """With another version of a problem."""
    change = change or {"cpu_tests": ({"size": 5},)}
    changed = sealed(dataclasses.replace(catalog.problems[name], **change))
    return dataclasses.replace(catalog, problems={**catalog.problems, name: changed})


async def published(
    app: App, shelf: Path, *competitions: Competition, source: Source | None = None
) -> Plan:
    catalog = catalog_of(app, shelf, *competitions)
    return await publish.apply(app, catalog, source or Source())
