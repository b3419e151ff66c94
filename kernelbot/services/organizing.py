"""Competitions as organizers see and change them from a distance: planned from files that they send or name,
applied as they were planned, hidden by name.

The commands on the machine of the installation check a problem before it is published, which runs its reference.
Here nothing of a problem is run: what was never checked as it is goes through those commands.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain.people import Actor, Scope
from kernelbot.domain.problem import Problem
from kernelbot.errors import Conflict, InvalidInput
from kernelbot.services import archives, catalog, checks, competitions, publish, sources
from kernelbot.services.catalog import Catalog
from kernelbot.services.context import Context
from kernelbot.services.located_yaml import each_once
from kernelbot.services.publish import Hiding, Plan, Source
from kernelbot.services.sources import Opened, Reach
from kernelbot.storage import contests
from kernelbot.storage import drafts as store

log = structlog.get_logger()

SENT = "files attached in Discord"
"""Where competitions come from whose files were sent: whichever file is sent next, it is the same source."""
KEPT, MOST_KEPT = timedelta(hours=2), 5
"""Longer than a plan may be confirmed."""
AS_PUBLISHED = "published before as it is"


@dataclass(frozen=True, kw_only=True)
class Sent:
    """Definition files, as one file."""

    name: str  # of the file, for messages
    content: bytes = field(repr=False)
    source: Source
    again: str  # what a command on the machine of the installation calls them


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What applying would do."""

    plan: Plan
    notes: tuple[str, ...]  # what is right in the files and will surprise
    source: Source
    leaderboards: tuple[str, ...]
    draft: int | None  # where the files are kept; None: nothing is to be applied


def attached(name: str, content: bytes, *, takes_over: bool) -> Sent:
    """A file that somebody sent. Raises InvalidInput for what cannot be one."""
    again = "FILE" if archives.ending(name) == ".yaml" else "FOLDER"
    source = Source(name=SENT, whole=False, takes_over=takes_over, spares_own=True)
    return Sent(name=name, content=content, source=source, again=again)


async def fetched(
    ctx: Context, admin: Actor, url: str, ref: str, folder: str, *, takes_over: bool
) -> Sent:
    """The files of a repository that everybody may read. Raises InvalidInput, TooLarge."""
    admin.needs(Scope.ADMIN)
    if "#" not in url and (ref or folder):
        url = f"{url}#{ref or 'HEAD'}" + (f":{folder}" if folder else "")
    elif ref or folder:
        raise InvalidInput("Name the reference and folder once: in the address, or beside it.")
    hosts = [host.strip() for host in ctx.settings.git_hosts.split(",") if host.strip()]

    def read() -> tuple[Opened, bytes]:
        with tempfile.TemporaryDirectory(prefix="kernelbot-") as place:
            files = sources.cloned(url, Path(place) / "files", Reach.DISTANT, hosts)
            return files, archives.packed(files.root)

    files, content = await asyncio.to_thread(read)
    source = Source(
        name=files.name, pinned=files.pinned, whole=True, takes_over=takes_over, spares_own=True
    )
    return Sent(name="files.tar.gz", content=content, source=source, again=f"'{url}'")


async def propose(ctx: Context, admin: Actor, sent: Sent, *, keep: bool) -> Proposal:
    """What applying these files would do; with ``keep`` they can be applied later as they are now.

    Raises DefinitionErrors with everything that is wrong with them, and InvalidInput for problems that nobody
    has checked.
    """
    admin.needs(Scope.ADMIN)
    found = await _catalog(ctx, sent.name, sent.content)
    await _demand_checked(ctx, found, sent.again)
    plan = await publish.plan(ctx, found, sent.source)
    draft = None
    if keep and plan.changes and not plan.refusals:
        async with ctx.database.transaction() as connection:
            await store.forget(connection, admin.user_id, KEPT, MOST_KEPT - 1)
            draft = await store.add(connection, admin.user_id, sent.name, sent.content)
    return Proposal(
        plan=plan,
        notes=tuple(checks.surprises(found)),
        source=sent.source,
        leaderboards=tuple(found.leaderboards),
        draft=draft,
    )


async def apply(ctx: Context, admin: Actor, draft: int, source: Source, seal: str) -> Plan:
    """Do what was planned, whole or not at all. Raises Conflict where it would be something else by now."""
    admin.needs(Scope.ADMIN)
    async with ctx.database.read() as connection:
        row = await store.one(connection, draft, admin.user_id)
    if row is None:
        raise Conflict("These files are not kept any more. Send them again.", code="draft_gone")
    found = await _catalog(ctx, row.name, row.content)
    checked = await _demand_checked(ctx, found, source.name if source.pinned else "FILE")
    done = await publish.apply(ctx, found, source, checked, by=admin.user_id, seal=seal)
    try:
        async with ctx.database.transaction() as connection:
            await store.remove(connection, draft)
    except Exception as error:  # it is published; what is left over is forgotten with its time
        log.warning("the files of a publication stay", draft=draft, error=repr(error))
    return done


async def planned_hiding(ctx: Context, admin: Actor, name: str) -> Hiding:
    """What ``hide`` would do; nothing is done. Raises NotFound."""
    admin.needs(Scope.ADMIN)
    return await publish.hiding(ctx, name)


async def hide(ctx: Context, admin: Actor, name: str) -> Hiding:
    """Take a competition off every list. Raises NotFound."""
    admin.needs(Scope.ADMIN)
    return await publish.hide(ctx, name, admin.user_id)


# --- reading what was sent -----------------------------------------------------------------------


async def _catalog(ctx: Context, name: str, content: bytes) -> Catalog:
    with each_once(), tempfile.TemporaryDirectory(prefix="kernelbot-") as place:
        files = await asyncio.to_thread(archives.unpacked, name, content, Path(place))
        words = await asyncio.to_thread(catalog.words_of, files.root)
        async with ctx.database.read() as connection:
            published = await _published(ctx, connection, words)
        library = ctx.settings.problems_dir
        return await asyncio.to_thread(files.load, ctx.targets, library, published)


async def _published(
    ctx: Context, connection: AsyncConnection, words: set[str]
) -> Mapping[str, Problem]:
    """The problems of these names as leaderboards pose them. Of several of one name the one of a competition that
    is meant, else what is shown, else the latest."""
    rows = [row for row in await contests.every_posed(connection) if row.problem in words]
    rows.sort(key=lambda row: (row.competition in words, not row.retired, row.problem_id))
    latest = {row.problem: int(row.problem_id) for row in rows}
    found = {
        name: await competitions.readable(ctx, connection, problem_id)
        for name, problem_id in latest.items()
    }
    return {name: problem for name, problem in found.items() if problem is not None}


async def _demand_checked(ctx: Context, found: Catalog, again: str) -> dict[str, str]:
    """How each problem was checked that gets a leaderboard. Raises InvalidInput for those that were not."""
    wanted = checks.posed(found)
    recorded = await asyncio.to_thread(checks.recorded, ctx.settings, wanted)
    async with ctx.database.read() as connection:
        digests = {row.digest for row in await contests.every_posed(connection)}
    words = {}
    missing = []
    for problem in wanted:
        if problem.name in recorded:
            words[problem.name] = recorded[problem.name].words
        elif problem.digest in digests:
            words[problem.name] = AS_PUBLISHED
        else:
            missing.append(problem.name)
    if missing:
        names = ", ".join(missing)
        these = "these problems as they are" if missing[1:] else "this problem as it is"
        raise InvalidInput(
            f"Nobody has checked {these} in these files: {names}. Checking runs reference code, which is not done "
            f"from here. On a machine of the installation `kernelbot competition apply {again}` checks and publishes "
            "the same files. Or run `kernelbot problem check FOLDER --record` there on each, put what it notes "
            "into checked.json of the installation's problems, and send this again.",
            code="unchecked_problem",
            detail={"problems": missing},
        )
    return words


# --- seeing --------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class BoardState:
    name: str
    state: str  # "upcoming" | "open" | "over" | "hidden"
    opens_at: datetime | None
    closes_at: datetime | None
    frozen_from: datetime | None
    frozen_until: datetime | None
    people: int
    measured_again: int  # submissions still to be, after a new version of the problem
    rejudged: int  # runs that are judged again at somebody's wish


@dataclass(frozen=True, kw_only=True)
class CompetitionState:
    name: str
    title: str
    state: str  # of its leaderboards: "open" where one is, else "upcoming", "over" or "hidden"
    visibility: str
    phases: tuple[str, ...]
    source: str
    pinned: str
    boards: tuple[BoardState, ...]


async def listed(ctx: Context, admin: Actor) -> tuple[CompetitionState, ...]:
    """Every competition with where its leaderboards stand, those too that are hidden."""
    admin.needs(Scope.ADMIN)
    async with ctx.database.read() as connection:
        rows = await contests.every_competition(connection)
        boards = await contests.states(connection)
    by_competition: dict[str, list[BoardState]] = {row.name: [] for row in rows}
    for board in boards:
        by_competition[board.competition].append(_board_state(board))
    return tuple(_state(row, tuple(by_competition[row.name])) for row in rows)


ORDER = ("open", "upcoming", "over", "hidden")


def _state(row: Row[Any], boards: tuple[BoardState, ...]) -> CompetitionState:
    document = row.document
    return CompetitionState(
        name=row.name,
        title=str(document.get("title", "")) or row.name,
        state=min((board.state for board in boards), key=ORDER.index, default="hidden"),
        visibility=str(document.get("visibility", "")),
        phases=tuple(str(phase.get("name", "")) for phase in document.get("phases") or ()),
        source=row.source,
        pinned=row.pinned,
        boards=boards,
    )


def _board_state(row: Row[Any]) -> BoardState:
    state = "open"
    if row.retired:
        state = "hidden"
    elif row.opens_at is not None and row.at < row.opens_at:
        state = "upcoming"
    elif row.closes_at is not None and row.at >= row.closes_at:
        state = "over"
    return BoardState(
        name=row.name, state=state, opens_at=row.opens_at, closes_at=row.closes_at,
        frozen_from=row.frozen_from, frozen_until=row.frozen_until, people=row.people,
        measured_again=row.measured, rejudged=row.rejudged,
    )  # fmt: skip
