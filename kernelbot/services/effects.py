"""What a decision would do to leaderboards, told before it is made. Nothing here changes anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain import ranking
from kernelbot.domain.people import Actor, Scope
from kernelbot.domain.ranking import Entry, Standing
from kernelbot.errors import NotFound
from kernelbot.judge.protocol import Verdict, from_json
from kernelbot.services import persons, rejudge
from kernelbot.services.context import Context
from kernelbot.services.paging import MAX_ID
from kernelbot.storage import contests, people, standings
from kernelbot.storage import submissions as store


@dataclass(frozen=True, kw_only=True)
class Fall:
    """A place that would be lost."""

    leaderboard: str
    gpu: str
    rank: int
    people: int  # who have a place there
    rank_after: int | None  # with their next best code; None: they have no other
    moves_up: int  # people whose rank gets better


@dataclass(frozen=True, kw_only=True)
class VoidEffect:
    submission_id: int
    user_name: str
    leaderboard: str
    void: bool  # it is already
    falls: tuple[Fall, ...]  # empty: better code of theirs holds their places


@dataclass(frozen=True, kw_only=True)
class BanEffect:
    user_id: int
    user_name: str
    banned_until: datetime | None  # the ban in force, which this one would replace
    ban_reason: str
    open_runs: int  # that wait or run, and would not count
    falls: tuple[Fall, ...]  # if all of theirs is voided


@dataclass(frozen=True, kw_only=True)
class RefuseEffect:
    run_id: int
    submission_id: int
    user_name: str
    leaderboard: str
    gpu: str
    rule: str
    again: bool  # it judged a place again, which stays


async def of_void(ctx: Context, admin: Actor, submission_id: int) -> VoidEffect:
    """Raises NotFound for what stands on no leaderboard."""
    admin.needs(Scope.ADMIN)
    async with ctx.database.read() as connection:
        known = 0 < submission_id <= MAX_ID
        sent = await store.submission(connection, submission_id) if known else None
        touched = await standings.places_of_code(connection, submission_id) if sent else ()
        if sent is None or not touched:
            raise NotFound(
                f"Submission {submission_id} stands on no leaderboard.", code="unknown_submission"
            )
        entries = await standings.void_of_code(connection, submission_id)
        falls = [
            await _without(connection, row, sent.leaderboard, bytes(sent.code_digest))
            for row in touched
        ]
    return VoidEffect(
        submission_id=submission_id,
        user_name=sent.user_name,
        leaderboard=sent.leaderboard,
        void=all(entries),
        falls=tuple(fall for fall in falls if fall is not None),
    )


async def of_ban(ctx: Context, admin: Actor, word: str) -> BanEffect:
    admin.needs(Scope.ADMIN)
    async with ctx.database.read() as connection:
        person = await persons.found(connection, word)
        counts = await people.counts(connection, person.id)
        falls = []
        for row in await standings.places_of_person(connection, person.id):
            board = await contests.board_of(connection, row.leaderboard_id)
            falls.append(await _without(connection, row, board.name, None))
    return BanEffect(
        user_id=person.id,
        user_name=person.name,
        banned_until=person.banned_until if _in_force(person) else None,
        ban_reason=person.ban_reason,
        open_runs=counts.open_runs,
        falls=tuple(fall for fall in falls if fall is not None),
    )


def _in_force(person: Row[Any]) -> bool:
    return person.banned_until is not None and person.banned_until > datetime.now(UTC)


async def _without(
    connection: AsyncConnection, place: Row[Any], leaderboard: str, code: bytes | None
) -> Fall | None:
    """What becomes of a person's place without this code of theirs, or without any; None: nothing."""
    entries = await standings.entries(connection, place.leaderboard_id, place.gpu)
    before = ranking.rank(entries)
    own = _of(before, place.user_id)
    if own is None:
        return None
    next_best: list[Entry] = []
    if code is not None:
        next_best = await standings.best_without(
            connection, place.leaderboard_id, place.gpu, place.user_id, code
        )
        if next_best and next_best[0].run_id == own.entry.run_id:
            return None
    after = ranking.rank([item for item in entries if item.user_id != place.user_id] + next_best)
    ranks = {item.entry.user_id: item.rank for item in before}
    now = _of(after, place.user_id)
    return Fall(
        leaderboard=leaderboard,
        gpu=place.gpu,
        rank=own.rank,
        people=len(before),
        rank_after=now.rank if now else None,
        moves_up=sum(item.rank < ranks[item.entry.user_id] for item in after),
    )


def _of(placed: Sequence[Standing], user_id: int) -> Standing | None:
    return next((item for item in placed if item.entry.user_id == user_id), None)


async def of_refusal(ctx: Context, admin: Actor, run_id: int) -> RefuseEffect:
    """Raises NotFound for what does not wait for a decision."""
    admin.needs(Scope.ADMIN)
    async with ctx.database.read() as connection:
        rows = await store.quarantined(connection, run_id - 1, 1) if 0 < run_id <= MAX_ID else ()
        if not rows or rows[0].id != run_id:
            raise NotFound(f"Run {run_id} does not wait for a decision.", code="unknown_run")
        row = rows[0]
        sent = await store.submission(connection, row.submission_id)
    assert sent is not None, "submissions are never deleted"
    return RefuseEffect(
        run_id=run_id,
        submission_id=row.submission_id,
        user_name=row.user_name,
        leaderboard=row.leaderboard,
        gpu=row.gpu,
        rule=from_json(Verdict, row.document).rule,
        again=rejudge.is_one(sent),
    )
