"""Who is this: tokens, external accounts, and what a person may see of themselves."""

from __future__ import annotations

import hashlib
import secrets
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain.people import ALL_SCOPES, PERSONAL_SCOPES, Actor, Role, Scope
from kernelbot.errors import Forbidden, InvalidInput, NotFound, NotSignedIn
from kernelbot.services.context import Context
from kernelbot.services.views import MeView, TokenView
from kernelbot.storage import people

PREFIX = "kb_"
MAX_TOKEN_CHARACTERS = 200
MAX_LIVE_TOKENS = 50
DEFAULT_DAYS = 180
"""How long a token lasts that is made without saying: longer than a round, shorter than it takes to forget it."""
MAX_DAYS = 3650
HINT_CHARACTERS = 8

ADMIN_TOKEN_NAME = "local administrator"  # noqa: S105  what people see in the list of tokens

HOW_TO_SIGN_IN = (
    "Send a token as 'Authorization: Bearer TOKEN', or run `kernelbot login`. "
    "An administrator makes one with `kernelbot admin user NAME`; you, with another token of yours, by "
    "`kernelbot tokens create NAME`."
)


def digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


async def authenticate(ctx: Context, secret: str, channel: str) -> Actor:
    """The person a token stands for. Raises NotSignedIn, saying what is wrong with the token."""
    if not secret.isascii() or not 0 < len(secret) <= MAX_TOKEN_CHARACTERS:
        raise NotSignedIn(f"This is not a token of ours. {HOW_TO_SIGN_IN}", code="unknown_token")
    hashed = digest(secret)
    row = await people.by_token(ctx.database, hashed)
    if row is None:
        async with ctx.database.read() as connection:
            why = await people.why_token_fails(connection, hashed)
        words = {"unknown": "is not known", "revoked": "was revoked", "expired": "has expired"}
        raise NotSignedIn(f"Your token {words[why]}. {HOW_TO_SIGN_IN}", code=f"{why}_token")
    if row.stale:
        async with ctx.database.read() as connection:
            await people.token_used(connection, row.token_id)
    scopes = frozenset(Scope(scope) for scope in row.scopes if scope in set(Scope))
    return _actor(row, channel, scopes)


async def person(ctx: Context, provider: str, subject: str, name: str, channel: str) -> Actor:
    """The person behind an external account that has already been proven (a Discord interaction)."""
    async with ctx.database.transaction() as connection:
        row = await people.find_or_create(connection, provider, subject, display_name(name))
    return _actor(row, channel, PERSONAL_SCOPES)


def _actor(row: people.Holder | Row[Any], channel: str, scopes: frozenset[Scope]) -> Actor:
    return Actor(
        user_id=row.id,
        name=row.name,
        channel=channel,
        role=Role(row.role),
        scopes=scopes,
        banned_until=row.banned_until,
        ban_reason=row.ban_reason,
        expires_at=row.expires_at if isinstance(row, people.Holder) else None,
    )


def display_name(name: str) -> str:
    """A name that can be shown anywhere: one line, printable, at most 64 characters."""
    kept = "".join(
        " " if unicodedata.category(character) in ("Zs", "Zl", "Zp") else character
        for character in unicodedata.normalize("NFC", name)
        if unicodedata.category(character)[0] != "C"
    )
    return " ".join(kept.split())[:64] or "somebody"


async def me(ctx: Context, actor: Actor) -> MeView:
    async with ctx.database.read() as connection:
        identities = await people.identities_of(connection, actor.user_id)
    return MeView(
        user_id=actor.user_id,
        name=actor.name,
        role=actor.role.value,
        scopes=tuple(sorted(scope.value for scope in actor.scopes)),
        identities=tuple({"provider": row.provider, "name": row.name} for row in identities),
        banned_until=actor.banned_until,
        ban_reason=actor.ban_reason,
        token_expires_at=actor.expires_at,
    )


async def create_token(
    ctx: Context, actor: Actor, name: str, scopes: Sequence[str], days: int | None
) -> TokenView:
    """A new token of this person, of ``DEFAULT_DAYS`` where nothing is said; its secret is in this answer
    and nowhere else."""
    actor.needs(Scope.TOKENS)
    wanted = _scopes(scopes)
    _not_beyond(actor, wanted)
    return await _make_token(ctx, actor.user_id, name, wanted, days, by=actor.user_id)


def _not_beyond(actor: Actor, wanted: frozenset[Scope]) -> None:
    if beyond := wanted - actor.scopes:
        names = ", ".join(sorted(scope.value for scope in beyond))
        raise Forbidden(
            f"A token cannot give what yours does not have: {names}.", code="missing_scope"
        )


async def renew_token(ctx: Context, actor: Actor, token_id: int, days: int | None) -> TokenView:
    """Have a live token of one's own end so many days from now, whenever it was to end. Raises NotFound
    for one that is none, has ended, or has no end."""
    actor.needs(Scope.TOKENS)
    ends = _ends(days)
    async with ctx.database.transaction() as connection:
        row = await people.renew(connection, actor.user_id, token_id, ends)
        if row is None:
            raise NotFound(
                f"You have no live token {token_id} that expires; make another with "
                "`kernelbot tokens create NAME`.",
                code="unknown_token",
            )
        _not_beyond(actor, frozenset(Scope(scope) for scope in row.scopes))
        target = f"token:{token_id}"
        await people.record(
            connection, actor.user_id, "token.renew", target, until=ends.isoformat()
        )
    return _token_view(row)


def _ends(days: int | None) -> datetime:
    days = DEFAULT_DAYS if days is None else days
    if not 1 <= days <= MAX_DAYS:
        raise InvalidInput(f"A token lasts 1 to {MAX_DAYS} days.", code="bad_lifetime")
    return datetime.now(UTC) + timedelta(days=days)


async def create_user_token(
    ctx: Context,
    admin: Actor,
    user_name: str,
    token_name: str,
    scopes: Sequence[str],
    days: int | None,
) -> TokenView:
    """A person who comes by no provider (a class, a script), with a token to hand over.

    One that can do what administrators do is handed to others by the installation's own administrator only, whom
    nobody demotes for good: anybody else would keep it, and with it their rights, when they are demoted.
    """
    admin.needs(Scope.ADMIN)
    name, wanted = display_name(user_name), _scopes(scopes)
    async with ctx.database.transaction() as connection:
        user = await people.find_or_create(connection, "local", name, name)
        if Scope.ADMIN in wanted and admin.user_id not in (user.id, await _own(connection)):
            raise Forbidden(
                "Only the installation's own administrator, with the token of `kernelbot up`, hands others one with "
                "the scope admin. Leave that scope out: in Discord an administrator needs no token for /admin.",
                code="not_your_token",
            )
        await people.record(connection, admin.user_id, "user.token", f"user:{user.id}")
    return await _make_token(ctx, user.id, token_name, wanted, days, by=admin.user_id)


async def _own(connection: AsyncConnection) -> int | None:
    """Whom ``ensure_admin`` makes an administrator at each start."""
    row = await people.by_identity(connection, "local", "admin")
    return None if row is None else int(row.id)


async def _make_token(
    ctx: Context, user_id: int, name: str, scopes: frozenset[Scope], days: int | None, *, by: int
) -> TokenView:
    ends = _ends(days)
    secret = PREFIX + secrets.token_urlsafe(32)
    async with ctx.database.transaction() as connection:
        existing = await people.tokens_of(connection, user_id)
        if sum(_is_live(row) for row in existing) >= MAX_LIVE_TOKENS:
            raise InvalidInput(
                f"You have {MAX_LIVE_TOKENS} tokens; revoke one first.", code="too_many_tokens"
            )
        row = await people.add_token(
            connection,
            user_id=user_id,
            name=display_name(name),
            digest=digest(secret),
            hint=secret[:HINT_CHARACTERS],
            scopes=sorted(scope.value for scope in scopes),
            expires_at=ends,
        )
        await people.record(connection, by, "token.create", f"token:{row.id}")
    return _token_view(row, secret)


def _is_live(row: Row[Any]) -> bool:
    expired = row.expires_at is not None and row.expires_at <= datetime.now(UTC)
    return row.revoked_at is None and not expired


def _scopes(words: Sequence[str]) -> frozenset[Scope]:
    known = [scope.value for scope in Scope]
    for word in words:
        if word not in known:
            raise InvalidInput(
                f"There is no scope {word[:40]!r}. Choose from: {', '.join(known)}.",
                code="unknown_scope",
            )
    return frozenset(Scope(word) for word in words) or frozenset({Scope.READ, Scope.SUBMIT})


async def tokens(ctx: Context, actor: Actor) -> tuple[TokenView, ...]:
    actor.needs(Scope.READ)
    async with ctx.database.read() as connection:
        rows = await people.tokens_of(connection, actor.user_id)
    return tuple(_token_view(row) for row in rows)


async def revoke_token(ctx: Context, actor: Actor, token_id: int) -> None:
    actor.needs(Scope.TOKENS)
    async with ctx.database.transaction() as connection:
        if not await people.revoke(connection, actor.user_id, token_id):
            raise NotFound(f"You have no live token {token_id}.", code="unknown_token")
        await people.record(connection, actor.user_id, "token.revoke", f"token:{token_id}")


def _token_view(row: Row[Any], secret: str | None = None) -> TokenView:
    return TokenView(
        id=row.id,
        name=row.name,
        hint=row.hint,
        scopes=tuple(row.scopes),
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
        secret=secret,
    )


async def ensure_admin(ctx: Context, secret: str) -> None:
    """The installation's own administrator, reachable by this token and by no earlier one of its
    kind: who changes it does so because the old one is known to somebody. Repeatable; only a
    change is written down."""
    async with ctx.database.transaction() as connection:
        user = await people.find_or_create(connection, "local", "admin", "admin")
        await people.set_role(connection, user.id, Role.ADMIN.value)
        revoked = await people.revoke_others(connection, user.id, ADMIN_TOKEN_NAME, digest(secret))
        made = await people.put_token(
            connection,
            user_id=user.id,
            name=ADMIN_TOKEN_NAME,
            digest=digest(secret),
            hint=secret[:HINT_CHARACTERS],
            scopes=sorted(scope.value for scope in ALL_SCOPES),
        )
        if made is not None or revoked:
            await people.record(
                connection,
                None,
                "admin.token",
                f"user:{user.id}",
                hint=secret[:HINT_CHARACTERS],
                revoked=revoked,
            )
