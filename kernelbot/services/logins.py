"""Signing in a command line by a code that its owner types where they are known already (RFC 8628's idea).

The command line gets a secret to ask with and a code to show. Whoever types the code lets it in, as
themselves; the token is made when the command line asks next, so that it lies nowhere in between. An
administrator may let it in as one, for a day.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from kernelbot.domain.people import PERSONAL_SCOPES, Actor, Scope
from kernelbot.errors import Conflict, NotFound
from kernelbot.services import identity
from kernelbot.services.context import Context
from kernelbot.services.views import TokenView
from kernelbot.storage import logins as store
from kernelbot.storage import people

LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""No vowels, so no words; 20 to the power of 8 codes, of which a few wait for a quarter of an hour."""
LASTS = timedelta(minutes=15)
ASK_EVERY_S = 3
MOST_WAITING = 10_000
"""Then the oldest goes: whoever begins very many shuts nobody out who types their code meanwhile."""
ADMIN_DAYS = 1
ADMIN_SCOPES = frozenset({Scope.READ, Scope.SUBMIT, Scope.ADMIN})
"""Not ``tokens``: it can neither renew itself nor make another, so its day is its end."""


@dataclass(frozen=True, kw_only=True)
class Login:
    """What a command line needs to be let in."""

    secret: str  # to ask with; for nobody's eyes
    code: str  # to be typed where its owner is known: BCDF-GHJK
    expires_at: datetime
    interval_s: int


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """What somebody is about to let in."""

    code: str
    client: str  # what it says of itself
    asked_at: datetime


async def begin(ctx: Context, client: str) -> Login:
    """Anybody may ask."""
    secret, ends = secrets.token_urlsafe(32), datetime.now(UTC) + LASTS
    async with ctx.database.transaction() as connection:
        await store.make_room(connection, MOST_WAITING)
        name = identity.display_name(client)
        while True:
            code = "".join(secrets.choice(LETTERS) for _ in range(8))
            code = f"{code[:4]}-{code[4:]}"
            if await store.add(connection, identity.digest(secret), code, name, ends):
                break
    return Login(secret=secret, code=code, expires_at=ends, interval_s=ASK_EVERY_S)


async def waiting(ctx: Context, typed: str) -> Waiting:
    """What a code belongs to, to be confirmed. Raises NotFound."""
    async with ctx.database.read() as connection:
        row = await store.by_code(connection, _code(typed))
    if row is None or row.user_id is not None:
        raise _unknown()
    return Waiting(code=row.code, client=row.client, asked_at=row.created_at)


async def approve(ctx: Context, actor: Actor, typed: str, *, as_admin: bool = False) -> None:
    """Let it in as this person, with what administrators may do only if they say so. Raises NotFound for a code
    that does not wait."""
    actor.needs(Scope.ADMIN if as_admin else Scope.TOKENS)
    async with ctx.database.transaction() as connection:
        row = await store.approve(connection, _code(typed), actor.user_id, as_admin=as_admin)
        if row is None:
            raise _unknown()
        target = f"login:{row.id}"
        await people.record(connection, actor.user_id, "login.approve", target, as_admin=as_admin)


async def collect(ctx: Context, secret: str, channel: str) -> TokenView:
    """The token, once somebody let this login in; once. Raises Conflict while nobody has, NotFound when
    it has expired or was collected."""
    digest = identity.digest(secret)
    async with ctx.database.transaction() as connection:
        row = await store.take(connection, digest)
        if row is None:
            if await store.by_digest(connection, digest) is None:
                raise NotFound("This login has expired; begin another.", code="unknown_login")
            raise Conflict("Nobody has let this login in yet.", code="authorization_pending")
    # Whether they are an administrator is asked again with each request.
    scopes, days = (ADMIN_SCOPES, ADMIN_DAYS) if row.as_admin else (PERSONAL_SCOPES, None)
    holder = scopes | {Scope.TOKENS}
    actor = Actor(user_id=row.user_id, name="", channel=channel, scopes=holder)
    wanted = sorted(scope.value for scope in scopes)
    return await identity.create_token(ctx, actor, row.client, wanted, days)


def _code(typed: str) -> str:
    """As people type it: in small letters, without the dash."""
    letters = re.sub(r"[^A-Z]", "", typed.upper())[:9]
    return f"{letters[:4]}-{letters[4:]}"


def _unknown() -> NotFound:
    return NotFound(
        "No login waits with this code: it was mistyped, used already, or has expired after 15 minutes.",
        code="unknown_login",
    )
