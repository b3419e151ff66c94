"""Codes that let people into a competition that not everybody sees."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain.competition import Visibility
from kernelbot.domain.people import Actor, Scope
from kernelbot.errors import Conflict, NotFound
from kernelbot.services import access, competitions
from kernelbot.services.context import Context
from kernelbot.services.paging import MAX_ID
from kernelbot.services.views import CompetitionView, InviteView
from kernelbot.storage import contests, invites, people

CODE_BYTES = 15
"""120 random bits are not to be guessed, so wrong codes need no counting."""

HINT_CHARACTERS = 4


async def join(ctx: Context, actor: Actor, name: str | None, code: str) -> CompetitionView:
    """Come in with a code; for whoever sees the competition already it changes nothing. Without ``name`` into the
    one that the code is for.

    A wrong code and a competition that does not exist are answered alike.
    """
    actor.needs(Scope.SUBMIT)
    async with ctx.database.transaction() as connection:
        meant = name if name is not None else await invites.leads_to(connection, _digest(code))
        row = await _named(connection, meant)
        seen = await access.of(connection, actor)
        if row is None or not (seen.sees(row) or await _let_in(connection, actor, row, code)):
            where = "no competition" if name is None else f"no competition {name[:80]!r}"
            raise NotFound(
                f"There is {where} that this code lets you into. Check "
                f"{'it' if name is None else 'both'}; a code may also be used up, expired or revoked.",
                code="unknown_invitation",
            )
    return await competitions.competition(ctx, actor, row.name)


async def _named(connection: AsyncConnection, name: str | None) -> Row[Any] | None:
    if name is None or not name.isprintable():
        return None
    return await contests.competition_named(connection, name)


async def _let_in(connection: AsyncConnection, actor: Actor, row: Row[Any], code: str) -> bool:
    if row.visibility != Visibility.INVITE:
        return False
    invite = await invites.for_one_more(connection, row.competition_id, _digest(code))
    if invite is None:
        return False
    if await invites.join(connection, row.competition_id, actor.user_id, invite):
        await _write_down(connection, actor, "competition.join", row.name, invite)
    return True


async def create(
    ctx: Context, admin: Actor, name: str, most: int | None, expires_at: datetime | None
) -> InviteView:
    """A new code, for this many people and until then; it is in this answer only."""
    code = new_code()
    async with ctx.database.transaction() as connection:
        row = await _competition(connection, admin, name)
        if row.visibility != Visibility.INVITE:
            raise Conflict(
                f"{row.name} is {row.visibility}: codes let people in where its file says "
                "'visibility: invite'.",
                code="not_by_invitation",
            )
        hint = code[:HINT_CHARACTERS]
        made = await invites.add(
            connection, row.competition_id, _digest(code), hint, most, expires_at
        )
        await _write_down(connection, admin, "invite.create", row.name, made.id)
    return _view(row.name, made, code)


def new_code() -> str:
    """None that a command line takes for an option."""
    while (code := secrets.token_urlsafe(CODE_BYTES)).startswith("-"):
        pass
    return code


async def listed(ctx: Context, admin: Actor, name: str) -> tuple[InviteView, ...]:
    """The codes of a competition without the codes themselves, the newest first."""
    async with ctx.database.read() as connection:
        row = await _competition(connection, admin, name)
        made = await invites.of_competition(connection, row.competition_id)
    return tuple(_view(row.name, item) for item in made)


async def revoke(ctx: Context, admin: Actor, name: str, invite_id: int) -> None:
    """From now on nobody comes in with it; who has come in stays."""
    async with ctx.database.transaction() as connection:
        row = await _competition(connection, admin, name)
        known = 0 < invite_id <= MAX_ID
        if not (known and await invites.revoke(connection, row.competition_id, invite_id)):
            raise NotFound(f"{row.name} has no code {invite_id} in use.", code="unknown_invitation")
        await _write_down(connection, admin, "invite.revoke", row.name, invite_id)


async def _competition(connection: AsyncConnection, admin: Actor, name: str) -> Row[Any]:
    admin.needs(Scope.ADMIN)
    return await competitions.found(connection, await access.of(connection, admin), name)


async def _write_down(
    connection: AsyncConnection, actor: Actor, action: str, name: str, invite: int
) -> None:
    await people.record(connection, actor.user_id, action, f"competition:{name}", invite=invite)


def _digest(code: str) -> bytes:
    return hashlib.sha256(code.strip().encode("utf-8", "replace")).digest()


def _view(competition: str, row: Row[Any], code: str | None = None) -> InviteView:
    return InviteView(
        id=row.id,
        competition=competition,
        hint=row.hint,
        most=row.most,
        joined=row.joined,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        code=code,
    )
