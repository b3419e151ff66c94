"""What servers show of competitions: as it should be, as it was left, and whose turn it is to see to it.

A server that names a category shows every competition that everybody may see. What is done about it in Discord is
written down as it is done, so whoever comes next goes on from there.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain import desk as rules
from kernelbot.domain.competition import Competition, freeze_at, is_visible
from kernelbot.domain.desk import BOARD, FORUM, RULES, Card, Moment, Thing, Window
from kernelbot.services import access, standings
from kernelbot.services.context import Context
from kernelbot.services.views import Announcement, LeaderboardView
from kernelbot.storage import contests
from kernelbot.storage import desk as store
from kernelbot.storage import standings as boards_store

TOPIC = "post"
"""Of what is said beside a thing, once in each server that shows it."""

HOLD_S = 60.0
COMPARE_EVERY, COMPARE_ENDED_EVERY = timedelta(minutes=10), timedelta(days=1)
"""With what is really there, which tells what people deleted while nobody heard of it."""
GUILDS_AT_ONCE = 20
"""Read in one go, so that who waits for an answer meanwhile gets it."""
REFUSED_S, LONGEST_REFUSED_S, LONGEST_OUTAGE_S = 30.0, 3600.0, 300.0
"""After trouble nobody tries again before, longer each time; not so long where it passes by itself."""


@dataclass(frozen=True, kw_only=True)
class DeskView:
    """A competition in a server."""

    guild_id: int
    competition_id: int
    competition: Competition
    category_id: int | None
    public: bool
    shown: bool  # False: its things are there no more, or say so
    boards: Mapping[str, LeaderboardView]  # by key; only those that are shown
    windows: tuple[Window, ...]
    revisions: Mapping[str, str]  # of the standings, by key
    things: Mapping[str, Thing]
    at: datetime
    free: bool  # nobody sees to it just now, and it is not to be left alone after trouble
    compared_at: datetime | None
    changed_at: datetime | None  # when we heard that somebody has changed something there
    settings_at: datetime | None
    new_settings: bool  # since somebody saw to it
    failures: int
    memo: dict[Any, Any] = field(compare=False, repr=False)
    """Of all servers that show the competition alike: what was worked out for one of them."""

    @property
    def begun(self) -> bool:
        return any(thing.place_id is not None for thing in self.things.values())

    @property
    def compares(self) -> bool:
        """Whether it is to be held against what is really there."""
        if not self.begun or self.compared_at is None or self.new_settings:
            return self.begun
        if self.changed_at is not None and self.compared_at < self.changed_at:
            return True
        ended = all(item.closes is not None and item.closes <= self.at for item in self.windows)
        return self.at - self.compared_at > (COMPARE_ENDED_EVERY if ended else COMPARE_EVERY)


@dataclass(frozen=True, kw_only=True)
class Beside:
    """Something to be said where a thing is."""

    place_id: int
    since: datetime
    topic: str  # "podium" | "reveal" | "moment"
    payload: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class MomentView:
    """A phase that begins, ends, or soon does."""

    title: str
    phase: str
    moment: Moment
    at: datetime


@dataclass(frozen=True, kw_only=True)
class DeskStatus:
    """How a server shows a competition, for those who organize the server."""

    competition: str
    trouble: str  # empty: all is as it should be
    left_away: int  # things that somebody has deleted so often that they are not made again


class NotOurs(Exception):
    """Somebody else sees to it by now."""


@dataclass(frozen=True, kw_only=True)
class _Told:
    """A competition with what everybody may see of it, the same in each server."""

    competition: Competition
    public: bool
    boards: Mapping[str, LeaderboardView]
    windows: tuple[Window, ...]
    revisions: Mapping[str, str]
    memo: dict[Any, Any] = field(default_factory=dict)


async def survey(ctx: Context, guild_ids: Collection[int]) -> tuple[DeskView, ...]:
    """Every competition that these servers show, have shown or could show."""
    found: list[DeskView] = []
    told: dict[int, _Told] | None = None
    ids = sorted(guild_ids)
    for first in range(0, len(ids), GUILDS_AT_ONCE):
        some = ids[first : first + GUILDS_AT_ONCE]
        async with ctx.database.read() as connection:
            rows = await store.every(connection, some)
            kept = await store.things(connection, some) if rows else []
        if rows and told is None:
            told = await _told(ctx, rows)
        found += _views(rows, kept, told or {})
        await asyncio.sleep(0)
    return tuple(found)


async def _one(ctx: Context, guild_id: int, competition_id: int) -> DeskView | None:
    async with ctx.database.read() as connection:
        row = await store.one(connection, guild_id, competition_id)
        if row is None:
            return None
        kept = await store.things(connection, [guild_id], competition_id)
    found = _views([row], kept, await _told(ctx, [row], competition_id))
    return found[0] if found else None


async def _told(
    ctx: Context, rows: Sequence[Row[Any]], only: int | None = None
) -> dict[int, _Told]:
    """By competition, of those that are in these rows."""
    described = {row.competition_id: row for row in rows}
    seen = {board.name: board for board in await standings.leaderboards(ctx, competition_id=only)}
    async with ctx.database.read() as connection:
        posed = [row for row in await contests.boards(connection) if row.name in seen]
        documents = await store.documents(connection, list(described))
    revisions = await _revisions(ctx, [row.name for row in posed])
    boards: dict[int, dict[str, LeaderboardView]] = {}
    for row in posed:
        boards.setdefault(row.competition_id, {})[rules.board_key(row.id)] = seen[row.name]
    found = {}
    for known, document in documents.items():
        competition = _readable(ctx, known, document)
        if competition is not None:
            found[known] = _of(described[known], competition, boards.get(known, {}), revisions)
    return found


def _of(
    row: Row[Any],
    competition: Competition,
    boards: Mapping[str, LeaderboardView],
    revisions: Mapping[str, str],
) -> _Told:
    phases = {spec.name.lower(): spec.phase for spec in competition.leaderboards}
    times = [
        (phases.get(board.name.lower(), ""), board.opens_at, board.closes_at)
        for board in boards.values()
    ]
    return _Told(
        competition=competition,
        public=is_visible(row.visibility, row.public_from, row.at, joined=False, organizer=False),
        boards=boards,
        windows=rules.windows(competition.phases, times),
        revisions=revisions,
    )


def _readable(ctx: Context, competition_id: int, document: dict[str, Any]) -> Competition | None:
    """None: another version of this program stored what we cannot read; it is left as it is."""
    read: dict[int, tuple[dict[str, Any], Competition]] = ctx.cache.setdefault("desk", {})
    known = read.get(competition_id)
    if known is None or known[0] != document:
        try:
            known = read[competition_id] = (document, Competition.from_document(document))
        except (KeyError, TypeError, ValueError):
            return None
    return known[1]


async def _revisions(ctx: Context, names: Sequence[str]) -> dict[str, str]:
    """What tells that the standings which everybody sees have changed, by key of the leaderboard."""
    found: dict[str, list[str]] = {}
    for row in await boards_store.revisions(ctx.database, *names) if names else ():
        frozen = freeze_at(row.frozen_from, row.frozen_until, row.at) is not None
        mark = f"{row.gpu}={row.shown}f" if frozen else f"{row.gpu}={row.revision}"
        found.setdefault(rules.board_key(row.id), []).append(mark)
    return {key: " ".join(marks) for key, marks in found.items()}


def _views(
    rows: Sequence[Row[Any]], kept: Sequence[store.Kept], told: Mapping[int, _Told]
) -> list[DeskView]:
    things: dict[tuple[int, int], dict[str, Thing]] = {}
    for guild_id, competition_id, values in kept:
        thing = Thing(**dict(zip(store.THING_FIELDS, values, strict=True)))
        things.setdefault((guild_id, competition_id), {})[thing.key] = thing
    return [
        _view(row, found, things.get((row.guild_id, row.competition_id), {}))
        for row in rows
        if (found := told.get(row.competition_id)) is not None
    ]


def _view(row: Row[Any], told: _Told, things: Mapping[str, Thing]) -> DeskView:
    shown = row.category_id is not None and told.public and bool(told.boards)
    new_settings = row.settings_at != row.followed
    return DeskView(
        guild_id=row.guild_id,
        competition_id=row.competition_id,
        competition=told.competition,
        category_id=row.category_id,
        public=told.public,
        shown=shown,
        boards=told.boards if shown else {},
        windows=told.windows if shown else (),
        revisions=told.revisions,
        things=things,
        at=row.at,
        free=not row.held and (row.due or new_settings),
        compared_at=row.compared_at,
        changed_at=row.changed_at,
        settings_at=row.settings_at,
        new_settings=new_settings,
        failures=row.failures or 0,
        memo=told.memo,
    )


# --- seeing to one ---------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Turn:
    """Whoever has it is the only one who changes what is there, until ``HOLD_S`` after the last ``kept``."""

    desk: DeskView
    holder: uuid.UUID


async def take(ctx: Context, desk: DeskView) -> Turn | None:
    """The turn to see to it, with what it should be now; None while somebody else has it."""
    holder = uuid.uuid4()
    async with ctx.database.transaction() as connection:
        if not await store.take(connection, desk.guild_id, desk.competition_id, holder, HOLD_S):
            return None
        if desk.new_settings:
            await store.forgive(connection, desk.guild_id, desk.competition_id)
    now = await _one(ctx, desk.guild_id, desk.competition_id)
    return None if now is None else Turn(desk=now, holder=holder)


async def again(ctx: Context, turn: Turn) -> DeskView:
    """As it is by now, and held for as long as at first. Raises NotOurs when the turn is over."""
    async with ctx.database.transaction() as connection:
        await _kept(connection, turn)
    found = await _one(ctx, turn.desk.guild_id, turn.desk.competition_id)
    if found is None:
        raise NotOurs
    return found


async def made(
    ctx: Context,
    turn: Turn,
    key: str,
    shown: str,
    place_id: int,
    *,
    channel_id: int | None = None,
    message_id: int | None = None,
    revision: str = "",
    words: str = "",
    ends_at: datetime | None = None,
    alone: bool = True,
) -> None:
    """It is there now, and shows this; unless ``alone``, it has to be written again. Raises NotOurs when the
    turn is over."""
    async with ctx.database.transaction() as connection:
        await _kept(connection, turn)
        await store.put(
            connection, turn.desk.guild_id, turn.desk.competition_id, key,
            place_id=place_id, channel_id=channel_id, message_id=message_id,
            shown=shown if alone else "", revision=revision if alone else "",
            words=words if alone else "", ends_at=ends_at, alone=alone,
        )  # fmt: skip


async def lost(ctx: Context, turn: Turn, keys: Sequence[str], *, wished: bool) -> None:
    """They are not there; ``wished``: because a person has deleted them."""
    async with ctx.database.transaction() as connection:
        await _kept(connection, turn)
        await store.lost(
            connection, turn.desk.guild_id, turn.desk.competition_id, keys, 1 if wished else 0
        )


async def lost_message(ctx: Context, guild_id: int, competition_id: int, thing: Thing) -> None:
    """Somebody has deleted the message of a thing."""
    async with ctx.database.transaction() as connection:
        if thing.message_id is not None:
            await store.lost_message(
                connection, guild_id, competition_id, thing.key, thing.message_id
            )


async def _kept(connection: AsyncConnection, turn: Turn) -> None:
    desk = turn.desk
    if not await store.keep(connection, desk.guild_id, desk.competition_id, turn.holder, HOLD_S):
        raise NotOurs


async def leave(ctx: Context, turn: Turn, trouble: str, *, lasts: bool, compared: bool) -> float:
    """The turn is over. With trouble nobody comes again for a while, whose seconds are returned; ``lasts``:
    until somebody does something about it."""
    desk = turn.desk
    pause = _pause(desk.failures, lasts) if trouble else 0.0
    async with ctx.database.transaction() as connection:
        await store.leave(
            connection, desk.guild_id, desk.competition_id, turn.holder,
            began=desk.at, trouble=trouble, pause_s=pause, compared=compared,
            settings_at=desk.settings_at,
        )  # fmt: skip
    return pause


def _pause(failures: int, lasts: bool) -> float:
    longest = LONGEST_REFUSED_S if lasts else LONGEST_OUTAGE_S
    return min(longest, REFUSED_S * 2.0 ** min(failures, 10))


async def look_again(ctx: Context, guild_id: int, places: Collection[int]) -> None:
    """These have changed in a server, or without any all of it: compare soon what is there."""
    async with ctx.database.transaction() as connection:
        await store.look_again(connection, guild_id, list(places))


async def look_later(ctx: Context, guild_id: int, competition_id: int) -> None:
    """Something seems to have changed: compare in the next turn, which comes no sooner."""
    async with ctx.database.transaction() as connection:
        await store.look_later(connection, guild_id, competition_id)


async def status(ctx: Context, guild_id: int) -> tuple[DeskStatus, ...]:
    """Of each competition that the server shows or has shown."""
    async with ctx.database.read() as connection:
        rows = await store.troubles(connection, guild_id, rules.MOST_LOST)
    return tuple(
        DeskStatus(competition=row.competition, trouble=row.trouble, left_away=row.left_away)
        for row in rows
    )


# --- cards -----------------------------------------------------------------------------------------


def cards(desk: DeskView, wanted: Mapping[str, str]) -> list[Card]:
    """Those that are there, of the leaderboards that are shown; ``wanted`` is what should be on each."""
    return [
        Card(
            guild_id=desk.guild_id,
            competition_id=desk.competition_id,
            key=thing.key,
            channel_id=thing.channel_id,
            message_id=thing.message_id,
            shown=thing.revision,
            wanted=wanted[thing.key],
            post=thing.shown,
            next_at=thing.next_at,
            failures=thing.failures,
        )
        for thing in desk.things.values()
        if thing.key in wanted and thing.message_id and thing.channel_id
    ]


async def take_card(ctx: Context, card: Card) -> bool:
    """Whether this edit is ours: nobody has made one since the card was read, nor may for a while."""
    async with ctx.database.transaction() as connection:
        return await store.take_card(connection, card, rules.CARD_EVERY.total_seconds(), HOLD_S)


async def hold_card(ctx: Context, turn: Turn, key: str) -> bool:
    """The same for whoever has the turn to see to all, who need not wait for anything but an edit; False: one
    is under way, and may be the last to arrive."""
    async with ctx.database.transaction() as connection:
        await _kept(connection, turn)
        return await store.hold_card(
            connection, turn.desk.guild_id, turn.desk.competition_id, key, HOLD_S
        )


async def card_shown(ctx: Context, card: Card, words: str) -> None:
    """It shows what was wanted, ``words`` is the digest of its message; unless somebody has seen to its post
    meanwhile, who has to do it again then."""
    async with ctx.database.transaction() as connection:
        await store.shown(connection, card, words, rules.CARD_EVERY.total_seconds())


async def card_later(ctx: Context, card: Card, *, lasts: bool, channel: bool = False) -> float:
    """It could not be edited, nor be tried for the seconds that are returned; ``channel``: nor any other
    in its channel."""
    pause = _pause(card.failures, lasts)
    async with ctx.database.transaction() as connection:
        await store.later(connection, card, pause)
        if channel:
            await store.rest(connection, card.guild_id, card.channel_id, pause)
    return pause


# --- what is said beside ---------------------------------------------------------------------------


async def plan_moments(ctx: Context, desks: Sequence[DeskView]) -> int:
    """Put in what is to be said now of phases that begin, end or soon do; repeating it does no harm."""
    guilds: dict[int, list[int]] = {}
    shown: dict[int, DeskView] = {}
    for desk in desks:
        if desk.shown:
            guilds.setdefault(desk.competition_id, []).append(desk.guild_id)
            shown[desk.competition_id] = desk
    count = 0
    async with ctx.database.transaction() as connection:
        for desk in shown.values():
            for window in desk.windows:
                for moment, at in rules.moments(window, desk.at):
                    count += await _tell_moment(
                        connection, desk.competition_id, guilds[desk.competition_id], window,
                        moment, at,
                    )  # fmt: skip
    return count


async def _tell_moment(
    connection: AsyncConnection, competition_id: int, guilds: Sequence[int], window: Window,
    moment: Moment, at: datetime,
) -> int:  # fmt: skip
    once = f"moment:{competition_id}:{window.phase}:{moment.value}:{int(at.timestamp())}"
    payload = {
        "topic": "moment",
        "phase": window.phase,
        "moment": moment.value,
        "at": at.isoformat(),
    }
    return await store.tell(
        connection, RULES, once, payload, competition_id=competition_id, guilds=guilds
    )


async def beside(ctx: Context, item: Announcement) -> Beside | None:
    """Where this is to be said; None: nowhere any more."""
    payload = dict(item.payload)
    desk = await _one(ctx, payload["guild_id"], payload["competition_id"])
    thing = None if desk is None or not desk.shown else desk.things.get(payload["thing"])
    if thing is None or thing.place_id is None:
        return None
    async with ctx.database.read() as connection:
        board = await _board_of(connection, payload)
    if board is not None and not access.of_strangers().sees(board):
        return None
    return Beside(
        place_id=thing.place_id, since=item.created_at, topic=payload["topic"], payload=payload
    )


async def _board_of(connection: AsyncConnection, payload: Mapping[str, Any]) -> Any:
    """The leaderboard that it is about, if it is about one."""
    if "told" not in payload:
        return None
    key = str(payload["thing"]).removeprefix(BOARD)
    return await contests.board_of(connection, int(key))


async def moment(ctx: Context, found: Beside) -> MomentView | None:
    """What there is to say of a phase; None: it is not so any more."""
    told = found.payload
    desk = await _one(ctx, told["guild_id"], told["competition_id"])
    if desk is None:
        return None
    wanted = (Moment(told["moment"]), datetime.fromisoformat(told["at"]))
    for window in desk.windows:
        if window.phase == told["phase"] and wanted in rules.moments(window, desk.at):
            return MomentView(
                title=desk.competition.title, phase=window.title, moment=wanted[0], at=wanted[1]
            )
    return None


def forum(desk: DeskView) -> Thing | None:
    """The forum, where it is there."""
    found = desk.things.get(FORUM)
    return found if found is not None and found.place_id is not None else None
