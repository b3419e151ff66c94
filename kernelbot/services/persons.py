"""People as administrators see them: found by what one knows of them, with what they did; and their roles."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain.people import Actor, Role, Scope
from kernelbot.errors import Conflict, InvalidInput, NotFound
from kernelbot.services.context import Context
from kernelbot.services.paging import MAX_ID
from kernelbot.storage import people

DISCORD = "discord"
NUMBERED = re.compile(r"#([0-9]{1,30})", re.ASCII)
MENTIONED = re.compile(r"<@!?([0-9]{1,20})>|discord:([0-9]{1,20})", re.ASCII)
LATEST = 5
"""Submissions in a profile."""


@dataclass(frozen=True, kw_only=True)
class Named:
    """Somebody whom a decision was about."""

    user_id: int
    name: str


@dataclass(frozen=True, kw_only=True)
class Known:
    """Somebody to choose."""

    user_id: int
    name: str
    role: Role
    banned: bool
    providers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One submission in a profile."""

    id: int
    leaderboard: str
    mode: str
    status: str
    verdicts: tuple[str, ...]  # of its runs that ended
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Who somebody is and what they did, without any of their code."""

    user_id: int
    name: str
    role: Role
    created_at: datetime
    banned_until: datetime | None  # also when that is over
    ban_reason: str
    identities: tuple[dict[str, str], ...]  # provider, subject, name
    live_tokens: int
    submissions: dict[str, int]  # by mode
    open_runs: int
    places: int  # leaderboards and GPUs they have a place on
    void: int  # entries that were taken off
    latest: tuple[Sent, ...]  # the newest first


@dataclass(frozen=True, kw_only=True)
class RoleChange:
    user_id: int
    name: str
    role: Role
    changed: bool  # False: they had it already
    oneself: bool = False


@dataclass(frozen=True, kw_only=True)
class RolePlan:
    """What is to be confirmed: people choose their names themselves, not their accounts."""

    change: RoleChange
    identities: tuple[dict[str, str], ...]  # provider, subject, name


async def found(connection: AsyncConnection, word: str) -> Row[Any]:
    """Somebody by name, by ``#id`` where several share a name, or by their account at Discord (a mention, or
    ``discord:123``). Raises NotFound, and Conflict with the ids of those who share the name."""
    number, mention = NUMBERED.fullmatch(word.strip()), MENTIONED.fullmatch(word.strip())
    if number is not None:
        # Never somebody who calls themselves so: whoever writes a number means it.
        row = await people.user_or_none(connection, min(int(number[1]), MAX_ID))
        if row is None:
            raise NotFound(
                f"There is nobody with the number {number[0][:32]}.", code="unknown_user"
            )
        return row
    if mention is not None:
        row = await people.by_identity(connection, DISCORD, mention[1] or mention[2])
        if row is None:
            raise NotFound(
                "This person of Discord has not used the bot yet, so they are not known here.",
                code="unknown_user",
            )
        return row
    rows = await people.users_named(connection, word) if "\0" not in word else ()
    if not rows:
        raise NotFound(f"There is nobody named {word[:80]!r}.", code="unknown_user")
    if len(rows) > 1:
        ids = ", ".join(f"#{row.id}" for row in rows)
        raise Conflict(f"Several people are named {word[:80]!r}: {ids}. Use one of those.")
    return rows[0]


async def like(ctx: Context, admin: Actor, typed: str, limit: int = 25) -> tuple[Known, ...]:
    """Those whose name has this in it or whose number begins so, who begin with it first."""
    admin.needs(Scope.ADMIN)
    wanted = typed.strip().removeprefix("#")
    if not wanted.isprintable():
        return ()
    async with ctx.database.read() as connection:
        rows = await people.like(connection, wanted[:64], limit)
    return tuple(
        Known(
            user_id=row.id,
            name=row.name,
            role=Role(row.role),
            banned=row.banned,
            providers=tuple(row.providers),
        )
        for row in rows
    )


async def profile(ctx: Context, admin: Actor, word: str) -> Profile:
    admin.needs(Scope.ADMIN)
    async with ctx.database.read() as connection:
        row = await found(connection, word)
        identities = await people.identities_of(connection, row.id)
        counts = await people.counts(connection, row.id)
        latest = await people.latest(connection, row.id, LATEST)
    return Profile(
        user_id=row.id,
        name=row.name,
        role=Role(row.role),
        created_at=row.created_at,
        banned_until=row.banned_until,
        ban_reason=row.ban_reason,
        identities=_accounts(identities),
        live_tokens=counts.live_tokens,
        submissions=counts.submissions or {},
        open_runs=counts.open_runs,
        places=counts.places,
        void=counts.void,
        latest=tuple(
            Sent(
                id=item.id,
                leaderboard=item.leaderboard,
                mode=item.mode,
                status=item.status,
                verdicts=tuple(item.verdicts),
                created_at=item.created_at,
            )
            for item in latest
        ),
    )


def _accounts(rows: Sequence[Row[Any]]) -> tuple[dict[str, str], ...]:
    return tuple(
        {"provider": row.provider, "subject": row.subject, "name": row.name} for row in rows
    )


async def planned_role(ctx: Context, admin: Actor, word: str, role: str) -> RolePlan:
    """What ``set_role`` would do; nothing is done. Raises what it would raise, but for oneself; and InvalidInput
    where a name alone says who is to become an administrator.
    """
    admin.needs(Scope.ADMIN)
    wanted = _role(role)
    if wanted is Role.ADMIN and not (
        NUMBERED.fullmatch(word.strip()) or MENTIONED.fullmatch(word.strip())
    ):
        raise InvalidInput(
            "Anybody can take a name. Say who becomes an administrator by their #number (choose from what is offered "
            "while you type), a mention or discord: and the id of their account.",
            code="not_by_name",
        )
    async with ctx.database.read() as connection:
        row = await found(connection, word)
        _not_the_last(row, wanted, await people.administrators(connection))
        identities = await people.identities_of(connection, row.id)
    return RolePlan(change=_change(admin, row, wanted), identities=_accounts(identities))


async def set_role(
    ctx: Context, admin: Actor, word: str, role: str, *, sure: bool = False
) -> RoleChange:
    """Make somebody known an administrator, or a member again; it holds from their next request on, with
    every token and in Discord.

    The last administrator stays one. ``sure`` is needed to put oneself out.
    """
    admin.needs(Scope.ADMIN)
    wanted = _role(role)
    async with ctx.database.transaction() as connection:
        # Of two who put each other out at once the second finds the first gone.
        await people.hold_roles(connection)
        row = await found(connection, word)
        admins = await people.administrators(connection)
        if admin.user_id not in admins:
            raise Conflict("You are not an administrator any more.", code="not_an_admin")
        _not_the_last(row, wanted, admins)
        change = _change(admin, row, wanted)
        if change.oneself and change.changed and not sure:
            raise Conflict(
                "This would take your own rights away, and only another administrator can give them back. "
                "Say that you are sure (`--yes`, or `sure` in the API).",
                code="would_put_yourself_out",
            )
        if change.changed:
            await people.set_role(connection, row.id, wanted.value)
            target = f"user:{row.id}"
            await people.record(connection, admin.user_id, "user.role", target, role=wanted.value)
    return change


def _role(word: str) -> Role:
    try:
        return Role(word.strip().lower())
    except ValueError:
        choices = ", ".join(role.value for role in Role)
        raise InvalidInput(
            f"There is no role {word[:40]!r}. Choose one of: {choices}.", code="unknown_role"
        ) from None


def _not_the_last(row: Row[Any], wanted: Role, admins: frozenset[int]) -> None:
    if wanted is not Role.ADMIN and admins == {row.id}:
        raise Conflict(
            f"{row.name} is the last administrator. Make somebody else one first.",
            code="last_administrator",
        )


def _change(admin: Actor, row: Row[Any], wanted: Role) -> RoleChange:
    return RoleChange(
        user_id=row.id,
        name=row.name,
        role=wanted,
        changed=row.role != wanted.value,
        oneself=row.id == admin.user_id,
    )
