"""Reading leaderboards: one ranking function, cached by the revision that recording raises."""

from __future__ import annotations

import asyncio
import bisect
import time
from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain import admission, evidence, ranking
from kernelbot.domain.competition import Freeze, freeze_at
from kernelbot.domain.people import Actor, Scope
from kernelbot.domain.ranking import Earlier, Entry, Standing
from kernelbot.domain.target import spellings
from kernelbot.errors import InvalidInput, NotFound
from kernelbot.services import access, competitions, intake
from kernelbot.services.context import Context
from kernelbot.services.paging import MAX_ID, bounded, number
from kernelbot.services.views import (
    BestView,
    BoardStory,
    LeaderboardView,
    OwnPlace,
    Page,
    QueueView,
    RecordView,
    StandingsPage,
)
from kernelbot.storage import contests, devices, fleet, people
from kernelbot.storage import standings as store
from kernelbot.storage.standings import Revision

BOARDS_KEPT = 500
"""Ranked boards kept in memory by a process; the least recently read goes first."""

EVIDENCE_KEPT = 20_000
"""Entries of which a process remembers what their times rest on."""

RECORDS_SHOWN = 300
"""Of a story: more steps than that cannot be told apart."""

PEOPLE_KEPT_S = 5.0
"""How old the numbers of people in the list of leaderboards may be."""


Key = TypeVar("Key")


@dataclass(frozen=True)
class Board:
    """A leaderboard on one GPU, ranked, at one revision."""

    leaderboard: str
    gpu: str
    revision: int
    standings: tuple[Standing, ...]
    by_user: dict[int, Standing]
    self_evaluated: bool = False
    light_seconds: float | None = None  # the score of somebody as fast as can be
    frozen_until: datetime | None = None  # till then others' newer results are not in it
    seen_through: bool = False  # but they are, for an organizer
    # As they were shown, by position; of this very board, so no copy of it has them.
    told: dict[int, Standing] = field(default_factory=dict, init=False, compare=False, repr=False)


async def leaderboards(
    ctx: Context, actor: Actor | None = None, *, competition_id: int | None = None
) -> tuple[LeaderboardView, ...]:
    """All that this person may see, or those of one competition, in the order of their competitions."""
    async with ctx.database.read() as connection:
        seen = await access.of(connection, actor)
        rows = [
            row
            for row in seen.of(await contests.boards(connection))
            if competition_id in (None, row.competition_id)
        ]
        counts = await _people_on_boards(ctx, connection)
        frozen = await _shown_in_a_freeze(ctx, connection, rows, actor)
    return tuple(
        _board_view(row, counts.get(row.id, 0), seen.at, frozen.get(row.id)) for row in rows
    )


async def _people_on_boards(ctx: Context, connection: AsyncConnection) -> Mapping[int, int]:
    """A few seconds old at most: counting reads every standing there is, and anybody may ask."""
    kept: tuple[float, Mapping[int, int]] | None = ctx.cache.get("people")
    if kept is None or time.monotonic() - kept[0] > PEOPLE_KEPT_S:
        asked_at = time.monotonic()
        kept = ctx.cache["people"] = (asked_at, await contests.people_on_boards(connection))
    return kept[1]


async def leaderboard(ctx: Context, actor: Actor | None, name: str) -> LeaderboardView:
    """One board and its people, counted now; in a freeze as of its beginning, but for an organizer. Raises
    NotFound, with the name it may be meant for."""
    async with ctx.database.read() as connection:
        seen = await access.of(connection, actor)
        row = await contests.board_named(connection, name) if _can_be_asked(name) else None
        if row is None or not seen.sees(row):
            known = [item.name for item in seen.of(await contests.boards(connection))]
            raise admission.unknown_leaderboard(name, known)
        counts = await contests.people_on_boards(connection, row.id)
        frozen = await _shown_in_a_freeze(ctx, connection, [row], actor)
    return _board_view(row, counts.get(row.id, 0), seen.at, frozen.get(row.id))


@dataclass(frozen=True)
class _Shown:
    """What the frozen boards of a leaderboard show, on all GPUs together."""

    people: int  # with a standing on the version that is posed
    measured_again: int  # submissions whose place is an earlier one


async def _shown_in_a_freeze(
    ctx: Context, connection: AsyncConnection, rows: Sequence[Row[Any]], actor: Actor | None
) -> Mapping[int, _Shown]:
    """By leaderboard, of those that are frozen for this reader: a number that goes on counting tells that
    hidden results come, and of whom there was nothing before."""
    frozen = [] if access.organizes(actor) else [row.id for row in rows if _holding(row)]
    found: dict[int, list[Standing]] = {board_id: [] for board_id in frozen}
    for row in await store.revisions_of(connection, frozen) if frozen else ():
        freeze = _holding(row)
        if freeze is not None:  # it may end at this very moment
            found[row.id] += (await _frozen(ctx, connection, row, freeze)).standings
    return {
        board_id: _Shown(
            people=len({item.entry.user_id for item in placed if item.earlier is None}),
            measured_again=len({item.entry.submission_id for item in placed if item.earlier}),
        )
        for board_id, placed in found.items()
    }


def _board_view(
    row: Row[Any], entrants: int, now: datetime, frozen: _Shown | None
) -> LeaderboardView:
    started = row.opens_at is None or row.opens_at <= now
    return LeaderboardView(
        name=row.name,
        competition=row.competition,
        problem=row.problem,
        title=row.title,
        summary=row.summary,
        languages=tuple(row.languages),
        gpus=tuple(row.gpus),
        scoring=row.scoring,
        opens_at=row.opens_at,
        closes_at=row.closes_at,
        is_open=started and (row.closes_at is None or now < row.closes_at),
        ranked_per_hour=row.ranked_per_hour,
        other_per_hour=row.other_per_hour,
        people=entrants if frozen is None else frozen.people,
        self_evaluated=row.self_evaluated,
        frozen_from=row.frozen_from,
        frozen_until=row.frozen_until,
        code_opens_at=row.code_opens_at,
        measured_again=row.measured_again if frozen is None else frozen.measured_again,
    )


def _can_be_asked(name: str) -> bool:
    """Postgres has no NUL in text and UTF-8 no lone surrogates; nothing is named so either."""
    return name.isprintable()


async def board(ctx: Context, actor: Actor | None, name: str, gpu: str | None) -> Board:
    """The ranked board as this person sees it: one small read to learn its revision, the rest from
    memory if unchanged."""
    return await _board(ctx, await _chosen(ctx, actor, name, gpu), actor)


async def _board(ctx: Context, wanted: Revision, actor: Actor | None) -> Board:
    known = _unchanged(ctx, actor, wanted)
    if known is not None:
        return known
    async with ctx.database.read() as connection:
        ((_, board),) = (await _seen(ctx, connection, [wanted], actor)).values()
    return board


def _unchanged(ctx: Context, actor: Actor | None, row: Revision) -> Board | None:
    """The board from memory alone, where that says what this person sees of it."""
    freeze = _holding(row)
    if freeze is None:
        known = _cache(ctx).get((row.id, row.gpu))
        return known if known is not None and known.revision == row.revision else None
    frozen = _frozen_cache(ctx).get((row.id, row.gpu, freeze)) if actor is None else None
    return frozen if frozen is not None and frozen.revision == row.shown else None


async def boards(
    ctx: Context, actor: Actor | None, names: Sequence[str]
) -> dict[tuple[str, str], tuple[Board, Board]]:
    """By name (in lower case) and GPU those of these boards that this person sees: as it is in
    everybody's eyes, or in every organizer's, and as it is in theirs, which a freeze makes another."""
    rows = await store.revisions(ctx.database, *names)
    async with ctx.database.read() as connection:
        seen = (await access.of(connection, actor)).of(rows)
        return await _seen(ctx, connection, seen, actor)


async def _seen(
    ctx: Context, connection: AsyncConnection, rows: Sequence[Revision], actor: Actor | None
) -> dict[tuple[str, str], tuple[Board, Board]]:
    reader = actor.user_id if actor else None
    own: Mapping[tuple[int, str], Entry] = {}
    if reader is not None and not access.organizes(actor):
        frozen = [row.id for row in rows if _holding(row)]
        own = await store.own_entries(connection, frozen, reader) if frozen else {}
    found = {}
    for row in rows:
        freeze = _holding(row)
        if freeze is None or access.organizes(actor):
            common = await _ranked(ctx, connection, row)
            if freeze is not None:
                common = replace(common, frozen_until=freeze.ends, seen_through=True)
            theirs = common
        else:
            common = await _frozen(ctx, connection, row, freeze)
            theirs = _with_own(common, own.get((row.id, row.gpu)))
        found[row.name.lower(), row.gpu] = common, theirs
    return found


async def board_of_run(
    ctx: Context, connection: AsyncConnection, leaderboard_id: int, gpu: str, owner: int
) -> Board:
    """The board a run counts on as the run's owner sees it, also when it was hidden or retired since;
    on the caller's connection, because whoever holds one and waits for another can wait for ever."""
    row = await store.revision(connection, leaderboard_id, gpu)
    freeze = _holding(row)
    if freeze is None:
        return await _ranked(ctx, connection, row)
    own = await store.own_entries(connection, [row.id], owner)
    return _with_own(await _frozen(ctx, connection, row, freeze), own.get((row.id, gpu)))


def _holding(row: Revision | Row[Any]) -> Freeze | None:
    return freeze_at(row.frozen_from, row.frozen_until, row.at)


async def _frozen(
    ctx: Context, connection: AsyncConnection, row: Revision | Row[Any], freeze: Freeze
) -> Board:
    """The board of what had counted when the freeze began, less what was voided since. It is read anew
    only when something of that changes: new results raise no number of it, which also would tell that
    they come."""
    cache = _frozen_cache(ctx)
    key = (row.id, row.gpu, freeze)
    # A lock and no shared task, which could outlive the connection of the caller it reads on.
    async with ctx.cache.setdefault("freezing", defaultdict(asyncio.Lock))[key]:
        known = cache.get(key)
        if known is None or known.revision < row.shown:
            made = await _made(ctx, connection, row, freeze)
            known = replace(made, revision=row.shown, frozen_until=freeze.ends)
            _keep(cache, key, known)
    return known


def _with_own(frozen: Board, own: Entry | None) -> Board:
    """With what the reader has reached since."""
    if own is None:
        return frozen
    before = frozen.by_user.get(own.user_id)
    if before is not None and before.entry == own:
        return frozen
    others = [item for item in frozen.standings if item.entry.user_id != own.user_id]
    posed = [item.entry for item in others if item.earlier is None]
    earlier = [item for item in others if item.earlier is not None]
    placed = ranking.arranged(ranking.rank([*posed, own]), earlier)
    return replace(frozen, standings=placed, by_user=_by_user(placed))


def _by_user(placed: Sequence[Standing]) -> dict[int, Standing]:
    return {item.entry.user_id: item for item in placed}


async def _ranked(ctx: Context, connection: AsyncConnection, row: Revision | Row[Any]) -> Board:
    cache = _cache(ctx)
    key = (row.id, row.gpu)
    known = cache.get(key)
    if known is None or known.revision != row.revision:
        # Read after the revision: at worst the entries are newer than the number under which
        # they are kept, and the next revision replaces them.
        known = await _made(ctx, connection, row)
    _keep(cache, key, known)
    return known


async def _made(
    ctx: Context,
    connection: AsyncConnection,
    row: Revision | Row[Any],
    freeze: Freeze | None = None,
) -> Board:
    if freeze is None:
        placed = ranking.rank(await store.entries(connection, row.id, row.gpu))
    else:
        placed = await _version(connection, row, row.digest, freeze)
    standings = await _with_earlier(ctx, connection, row, placed, freeze)
    return Board(
        leaderboard=row.name,
        gpu=row.gpu,
        revision=row.revision,
        standings=standings,
        by_user=_by_user(standings),
        self_evaluated=await contests.self_evaluated(connection, row.id),
        light_seconds=await competitions.light_seconds(ctx, connection, row.problem_id, row.gpu),
    )


async def _with_earlier(
    ctx: Context,
    connection: AsyncConnection,
    row: Revision | Row[Any],
    placed: Sequence[Standing],
    freeze: Freeze | None,
) -> tuple[Standing, ...]:
    """And behind them who is still to be measured again, each with the place they had: those who are have
    places among themselves already, and times on different versions compare with nothing."""
    waiting = await store.unmeasured(
        connection, row.id, row.gpu, row.digest, freeze.begins if freeze else None
    )
    kept: list[Standing] = []
    for digest in dict.fromkeys(waiting.values()):
        before = await _version(connection, row, digest, freeze)
        if not before:
            continue
        best = min(item.entry.seconds for item in before)
        problem_id = await contests.version_of(connection, row.id, digest)
        reached = await competitions.light_seconds(ctx, connection, problem_id, row.gpu)
        held = Earlier(best=best, light=reached)
        kept += [
            replace(item, earlier=held)
            for item in before
            if waiting.get(item.entry.user_id) == digest
        ]
    return ranking.arranged(placed, kept)


async def _version(
    connection: AsyncConnection, row: Revision | Row[Any], digest: str, freeze: Freeze | None
) -> list[Standing]:
    """The board of a version of the problem, now or when the freeze began."""
    if freeze is None:
        return ranking.rank(await store.on_version(connection, row.id, row.gpu, digest))
    found = await store.board_before(connection, row.id, row.gpu, digest, freeze.begins)
    return ranking.rank(ranking.pooled(found))


def _cache(ctx: Context) -> OrderedDict[tuple[int, str], Board]:
    kept: OrderedDict[tuple[int, str], Board] = ctx.cache.setdefault("boards", OrderedDict())
    return kept


def _frozen_cache(ctx: Context) -> OrderedDict[tuple[int, str, Freeze], Board]:
    kept: OrderedDict[tuple[int, str, Freeze], Board] = ctx.cache.setdefault(
        "frozen", OrderedDict()
    )
    return kept


def _keep(cache: OrderedDict[Key, Board], key: Key, board: Board) -> None:
    cache[key] = board
    cache.move_to_end(key)
    while len(cache) > BOARDS_KEPT:
        cache.popitem(last=False)


async def _chosen(ctx: Context, actor: Actor | None, name: str, gpu: str | None) -> Revision:
    """The revision of a board that this person sees, on the GPU that is meant."""
    rows = await store.revisions(ctx.database, name) if _can_be_asked(name) else []
    if not rows or not await _sees(ctx, actor, rows[0]):
        raise NotFound(f"There is no leaderboard {name[:80]!r}.", code="unknown_leaderboard")
    offered = [row for row in rows if row.offered] or rows
    if gpu is None and len(offered) == 1:
        return offered[0]
    choices = [row.gpu for row in offered]
    if gpu is None:
        raise InvalidInput(
            f"{rows[0].name} is ranked per GPU. Say which one you mean: {', '.join(choices)}.",
            code="no_gpu",
            detail={"choices": choices},
        )
    meant = spellings(ctx.targets).get(gpu.lower(), gpu).lower()
    for row in rows:
        if row.gpu.lower() in (gpu.lower(), meant):
            return row
    raise NotFound(
        f"{rows[0].name} has no GPU {gpu[:40]!r}. It has: {', '.join(choices)}.",
        code="unknown_gpu",
        detail={"choices": choices},
    )


async def _sees(ctx: Context, actor: Actor | None, row: Revision) -> bool:
    if access.of_strangers().sees(row):  # most are public, and cost nothing more
        return True
    async with ctx.database.read() as connection:
        return (await access.of(connection, actor)).sees(row)


async def standings(
    ctx: Context,
    actor: Actor | None,
    name: str,
    gpu: str | None,
    *,
    cursor: str | None = None,
    limit: int = 50,
) -> StandingsPage:
    """A page of a board in ranking order; ``mine`` is the reader's own place wherever it is."""
    found = await board(ctx, actor, name, gpu)
    after, limit = number(cursor, 0), bounded(limit)
    start = bisect.bisect_right(found.standings, after, key=lambda item: item.position)
    items = found.standings[start : start + limit]
    more = start + limit < len(found.standings)
    own = found.by_user.get(actor.user_id) if actor else None
    told = await _told(ctx, found, items if own is None else [*items, own])
    return StandingsPage(
        leaderboard=found.leaderboard,
        gpu=found.gpu,
        revision=found.revision,
        total=len(found.standings),
        items=told[: len(items)],
        mine=None if own is None else told[-1],
        cursor=str(items[-1].position) if more else None,
        self_evaluated=found.self_evaluated,
        light_seconds=found.light_seconds,
        frozen_until=found.frozen_until,
        seen_through=found.seen_through,
    )


async def _told(ctx: Context, board: Board, items: Sequence[Standing]) -> tuple[Standing, ...]:
    """Items of a board as they are shown: those marked whose times the judge's own clock has not seen. The very same
    objects each time, so that a page which has not changed is known by comparing them."""
    new = [item for item in items if item.position not in board.told]
    if new:
        weak = await _device_timed(ctx, [item.entry for item in new])
        for item in new:
            shown = item
            if item.entry.run_id in weak:
                shown = replace(item, entry=replace(item.entry, device_timed=True))
            board.told.setdefault(item.position, shown)
    return tuple(board.told[item.position] for item in items)


async def _device_timed(ctx: Context, entries: Sequence[Entry]) -> set[int]:
    """The runs of those entries that count a time which a device has told by itself. Read once of what is in an entry, and
    only of those that somebody looks at."""
    kept: OrderedDict[tuple[int, int, float], bool] = ctx.cache.setdefault(
        "evidence", OrderedDict()
    )
    keys = [(entry.run_id, entry.runs, entry.seconds) for entry in entries]
    known = {key: kept[key] for key in keys if key in kept}
    if missing := [key for key in keys if key not in known]:
        async with ctx.database.read() as connection:
            rows = await store.evidence(connection, {run: runs for run, runs, _ in missing})
        # What a problem's own program says is told of the whole board.
        weak = {
            row.id
            for row in rows
            if evidence.is_weak(row.kind, row.evidence) and row.evidence != evidence.OWN_PROGRAM
        }
        found = {key: key[0] in weak for key in missing}
        known |= found
        kept |= found
        while len(kept) > EVIDENCE_KEPT:
            kept.popitem(last=False)
    return {run for (run, _, _), weak in known.items() if weak}


@dataclass(frozen=True)
class Edition:
    """What a story is made of: while it is the same, the story is."""

    leaderboard: str
    gpu: str
    revision: int
    frozen_until: datetime | None


async def edition(ctx: Context, actor: Actor | None, name: str, gpu: str | None) -> Edition:
    """Of a board that this person sees; a small read where nothing has changed."""
    found = await _board(ctx, await _chosen(ctx, actor, name, gpu), None)
    return Edition(found.leaderboard, found.gpu, found.revision, found.frozen_until)


async def story(ctx: Context, actor: Actor | None, name: str, gpu: str | None) -> BoardStory:
    """A board that this person sees as everybody who sees it is shown it."""
    row = await _chosen(ctx, actor, name, gpu)
    freeze = _holding(row)
    found = await _board(ctx, row, None)
    async with ctx.database.read() as connection:
        posed = await contests.board_named(connection, row.name)
        rows = await store.records(
            connection,
            row.id,
            row.gpu,
            row.digest,
            hidden_from=freeze.begins if freeze else None,
            limit=RECORDS_SHOWN,
        )
    first = await _told(ctx, found, found.standings[: ranking.PODIUM])
    ends = [row.at, freeze.begins if freeze else None, posed.closes_at if posed else None]
    return BoardStory(
        leaderboard=found.leaderboard,
        title=posed.title if posed else "",
        gpu=found.gpu,
        total=len(found.standings),
        first=first,
        records=tuple(
            RecordView(user_id=item.user_id, seconds=item.seconds, at=item.created_at)
            for item in reversed(rows)
        ),
        light_seconds=found.light_seconds,
        until=min(end for end in ends if end is not None),
        frozen_until=found.frozen_until,
    )


async def own_places(ctx: Context, actor: Actor) -> tuple[OwnPlace, ...]:
    """Where the reader stands on the leaderboards that they see, the best place first."""
    actor.needs(Scope.READ)
    return await _places(ctx, actor, actor.user_id)


async def places_of(ctx: Context, admin: Actor, user_id: int) -> tuple[OwnPlace, ...]:
    """Where somebody stands, through every freeze: for organizers."""
    admin.needs(Scope.ADMIN)
    return await _places(ctx, admin, user_id)


async def _places(ctx: Context, reader: Actor, user_id: int) -> tuple[OwnPlace, ...]:
    async with ctx.database.read() as connection:
        rows = (await access.of(connection, reader)).of(await contests.boards(connection))
        entries = await store.own_entries(connection, [row.id for row in rows], user_id)
    names = {row.id: row.name for row in rows}
    on = list(dict.fromkeys(names[board_id] for board_id, _ in entries))
    found = []
    for _, seen in (await boards(ctx, reader, on)).values() if on else ():
        standing = seen.by_user.get(user_id)
        if standing is not None:
            found.append(
                OwnPlace(
                    leaderboard=seen.leaderboard,
                    gpu=seen.gpu,
                    standing=standing,
                    total=len(seen.standings),
                )
            )
    found.sort(key=lambda place: (place.standing.rank, place.leaderboard, place.gpu))
    return tuple(found)


async def history(
    ctx: Context,
    actor: Actor | None,
    name: str,
    gpu: str | None,
    *,
    user_name: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page:
    """Personal bests as they were set, newest first; of everybody or of one person."""
    return await _bests(ctx, actor, name, gpu, None, user_name, cursor, limit)


async def personal(
    ctx: Context,
    actor: Actor,
    name: str,
    gpu: str | None,
    *,
    cursor: str | None = None,
    limit: int = 50,
) -> Page:
    """One's own bests as they were set."""
    actor.needs(Scope.READ)
    return await _bests(ctx, actor, name, gpu, actor.user_id, None, cursor, limit)


async def _bests(
    ctx: Context,
    actor: Actor | None,
    name: str,
    gpu: str | None,
    user_id: int | None,
    user_name: str | None,
    cursor: str | None,
    limit: int,
) -> Page:
    before, limit = number(cursor, MAX_ID), bounded(limit)
    row = await _chosen(ctx, actor, name, gpu)
    freeze = None if access.organizes(actor) else _holding(row)
    async with ctx.database.read() as connection:
        if user_name is not None:
            # By number, so that the index of a person's bests serves; those who share a name are
            # few, and together found by it.
            if not _can_be_asked(user_name):
                return Page(items=())
            named = await people.users_named(connection, user_name)
            if not named:
                return Page(items=())
            if len(named) == 1:
                user_id, user_name = int(named[0].id), None
        rows = await store.bests_of(
            connection,
            row.id,
            row.gpu,
            user_id=user_id,
            user_name=user_name,
            before=before,
            limit=limit + 1,
            hidden_from=freeze.begins if freeze else None,
            reader=actor.user_id if actor else None,
        )
    items = tuple(
        BestView(
            user_name=row.user_name,
            submission_id=row.submission_id,
            seconds=row.seconds,
            error=row.error,
            at=row.created_at,
        )
        for row in rows[:limit]
    )
    return Page(items=items, cursor=str(rows[limit - 1].id) if len(rows) > limit else None)


async def queues(ctx: Context) -> tuple[QueueView, ...]:
    """Every GPU that somebody offers, waits for or serves."""
    async with ctx.database.read() as connection:
        queued, running = await fleet.queues(connection)
        slots = await fleet.slots(connection, ctx.alive_s)
        out = await devices.out_of_service(connection)
        boards = await contests.boards(connection)
    pauses = await intake.paused(ctx)
    waiting = {row.gpu: row for row in queued}
    offered = {gpu for row in access.of_strangers().of(boards) for gpu in row.gpus}
    names = [name for name in ctx.targets if name in offered]
    names += sorted(({*waiting, *running, *slots} | offered) - set(names))
    return tuple(
        QueueView(
            gpu=gpu,
            queued=waiting[gpu].queued if gpu in waiting else 0,
            running=running.get(gpu, 0),
            slots=slots.get(gpu, 0),
            oldest_s=float(waiting[gpu].oldest) if gpu in waiting else None,
            paused=intake.of(gpu, pauses),
            out_of_service=out.get(gpu, 0),
        )
        for gpu in names
    )
