"""Users, their identities and tokens; the audit log of what was done to whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain.people import Role
from kernelbot.storage.database import Database
from kernelbot.storage.tables import audit_log, identities, tokens, users

GUILD_CHANGED = "guild.change"
"""As the audit log calls what somebody chooses for a server."""

# The lookup of every signed request: one statement, one index. ``last_used_at`` is written at most
# once a minute, so that reading does not become writing.
HOLDER_OF = """
    SELECT t.id AS token_id, t.scopes, u.id, u.name, u.role, u.banned_until, u.ban_reason,
           t.expires_at,
           coalesce(t.last_used_at < now() - interval '1 minute', true) AS stale
    FROM tokens t JOIN users u ON u.id = t.user_id
    WHERE t.digest = $1 AND t.revoked_at IS NULL
      AND (t.expires_at IS NULL OR t.expires_at > now())
"""


@dataclass(frozen=True)
class Holder:
    """Whom a token stands for."""

    token_id: int
    scopes: Sequence[str]
    id: int  # of the user
    name: str
    role: str
    banned_until: datetime | None
    ban_reason: str
    expires_at: datetime | None  # of the token
    stale: bool  # its last use was written down a while ago


# An expired or revoked token deserves better words than an unknown one.
WHY_NOT = text("SELECT revoked_at IS NOT NULL AS revoked FROM tokens WHERE digest = :digest")


async def by_token(database: Database, digest: bytes) -> Holder | None:
    records = await database.ask(HOLDER_OF, digest)
    return Holder(**records[0]) if records else None


async def token_used(connection: AsyncConnection, token_id: int) -> None:
    await connection.execute(
        text("UPDATE tokens SET last_used_at = now() WHERE id = :id"), {"id": token_id}
    )


async def why_token_fails(connection: AsyncConnection, digest: bytes) -> str:
    """``unknown``, ``revoked`` or ``expired``."""
    row = (await connection.execute(WHY_NOT, {"digest": digest})).first()
    if row is None:
        return "unknown"
    return "revoked" if row.revoked else "expired"


# The boards that a person is on show another name from now on, also while they are frozen.
RENAMED = text(
    """
    UPDATE leaderboard_gpus g SET revision = g.revision + 1, shown = g.shown + 1
    FROM (SELECT leaderboard_id, gpu FROM leaderboard_gpus board
          WHERE EXISTS (SELECT FROM entries e WHERE e.leaderboard_id = board.leaderboard_id
                        AND e.gpu = board.gpu AND e.user_id = :user)
          ORDER BY leaderboard_id, gpu FOR NO KEY UPDATE) held
    WHERE g.leaderboard_id = held.leaderboard_id AND g.gpu = held.gpu
    """
)


async def find_or_create(
    connection: AsyncConnection, provider: str, subject: str, name: str
) -> Row[Any]:
    """The user behind an external account; made on first sight, renamed when the name changed."""
    found = await by_identity(connection, provider, subject)
    if found is None:
        # Two first requests of one person race here; the advisory lock makes the second one find.
        await connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 7))"),
            {"key": f"{provider}:{subject}"},
        )
        found = await by_identity(connection, provider, subject)
    if found is None:
        return await _create(connection, provider, subject, name)
    if found.name != name:
        await connection.execute(update(users).where(users.c.id == found.id).values(name=name))
        await connection.execute(RENAMED, {"user": found.id})
    return found


async def by_identity(connection: AsyncConnection, provider: str, subject: str) -> Row[Any] | None:
    """The user behind an external account, if they are known."""
    query = (
        select(users)
        .join(identities, identities.c.user_id == users.c.id)
        .where(identities.c.provider == provider, identities.c.subject == subject)
    )
    return (await connection.execute(query)).first()


async def _create(connection: AsyncConnection, provider: str, subject: str, name: str) -> Row[Any]:
    result = await connection.execute(insert(users).values(name=name).returning(users))
    user: Row[Any] = result.one()
    await connection.execute(
        insert(identities).values(provider=provider, subject=subject, user_id=user.id, name=name)
    )
    return user


async def set_role(connection: AsyncConnection, user_id: int, role: str) -> None:
    await connection.execute(update(users).where(users.c.id == user_id).values(role=role))


async def hold_roles(connection: AsyncConnection) -> None:
    """Nobody else changes roles until the end of the transaction."""
    await connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('roles', 7))"))


async def administrators(connection: AsyncConnection) -> frozenset[int]:
    rows = await connection.execute(select(users.c.id).where(users.c.role == Role.ADMIN.value))
    return frozenset(row.id for row in rows)


async def user_recorded(connection: AsyncConnection, user_id: int) -> Row[Any]:
    """The person for whom a result is recorded. Until that is done nobody bans them or voids what is
    theirs: both hold the person first (``ban``, ``hold``)."""
    suspended = func.coalesce(users.c.banned_until > func.now(), False).label("suspended")
    query = select(users, suspended).where(users.c.id == user_id).with_for_update(read=True)
    found: Row[Any] = (await connection.execute(query)).one()
    return found


async def hold(connection: AsyncConnection, user_id: int) -> None:
    """Nothing is recorded for this person until the end of the transaction."""
    query = select(users.c.id).where(users.c.id == user_id).with_for_update(key_share=True)
    await connection.execute(query)


async def users_named(connection: AsyncConnection, name: str) -> Sequence[Row[Any]]:
    query = select(users).where(users.c.name == name).order_by(users.c.id).limit(20)
    return (await connection.execute(query)).all()


# Typed "ad": "ada" before "brad"; typed "1": number 1 before 10.
LIKE = text(
    """
    SELECT u.id, u.name, u.role, coalesce(u.banned_until > now(), false) AS banned,
           coalesce((SELECT array_agg(DISTINCT i.provider ORDER BY i.provider) FROM identities i
                     WHERE i.user_id = u.id), '{}') AS providers
    FROM users u
    WHERE strpos(lower(u.name), lower(:typed)) > 0 OR starts_with(u.id::text, :typed)
    ORDER BY u.id::text = :typed DESC, starts_with(lower(u.name), lower(:typed)) DESC,
             lower(u.name), u.id
    LIMIT :limit
    """
)


async def like(connection: AsyncConnection, typed: str, limit: int) -> Sequence[Row[Any]]:
    """Those who are named so, or numbered: (id, name, role, banned, providers)."""
    return (await connection.execute(LIKE, {"typed": typed, "limit": limit})).all()


COUNTS = text(
    """
    SELECT (SELECT jsonb_object_agg(mode, sent) FROM (
                SELECT mode, count(*) AS sent FROM submissions
                WHERE user_id = :user AND repeats IS NULL GROUP BY mode) modes) AS submissions,
           (SELECT count(*) FROM submissions s JOIN runs r ON r.submission_id = s.id
            WHERE s.user_id = :user AND s.status IN ('queued', 'running')
              AND r.status IN ('queued', 'running')) AS open_runs,
           (SELECT count(*) FROM standings WHERE user_id = :user) AS places,
           (SELECT count(*) FROM entries WHERE user_id = :user AND void) AS void,
           (SELECT count(*) FROM tokens WHERE user_id = :user AND revoked_at IS NULL
              AND (expires_at IS NULL OR expires_at > now())) AS live_tokens
    """
)
LATEST = text(
    """
    SELECT s.id, l.name AS leaderboard, s.mode, s.status, s.created_at,
           coalesce((SELECT array_agg(DISTINCT r.verdict) FROM runs r
                     WHERE r.submission_id = s.id AND r.verdict IS NOT NULL), '{}') AS verdicts
    FROM submissions s JOIN leaderboards l ON l.id = s.leaderboard_id
    WHERE s.user_id = :user ORDER BY s.id DESC LIMIT :limit
    """
)


async def counts(connection: AsyncConnection, user_id: int) -> Row[Any]:
    """What a person has: (submissions by mode, open_runs, places, void, live_tokens)."""
    return (await connection.execute(COUNTS, {"user": user_id})).one()


async def latest(connection: AsyncConnection, user_id: int, limit: int) -> Sequence[Row[Any]]:
    """A person's newest submissions, with the verdicts of their runs."""
    return (await connection.execute(LATEST, {"user": user_id, "limit": limit})).all()


async def identities_of(connection: AsyncConnection, user_id: int) -> Sequence[Row[Any]]:
    query = select(identities).where(identities.c.user_id == user_id)
    return (await connection.execute(query.order_by(identities.c.created_at))).all()


async def ban(
    connection: AsyncConnection, user_id: int, until: datetime | None, reason: str
) -> None:
    await connection.execute(
        update(users).where(users.c.id == user_id).values(banned_until=until, ban_reason=reason)
    )


async def add_token(connection: AsyncConnection, **values: Any) -> Row[Any]:
    result = await connection.execute(insert(tokens).values(**values).returning(tokens))
    made: Row[Any] = result.one()
    return made


async def put_token(connection: AsyncConnection, **values: Any) -> int | None:
    """Make sure that a live token with this digest exists; its id when it was none before."""
    made = await connection.execute(
        upsert(tokens)
        .values(**values)
        .on_conflict_do_update(
            index_elements=["digest"],
            set_={"revoked_at": None},
            where=tokens.c.revoked_at.is_not(None),
        )
        .returning(tokens.c.id)
    )
    made_id: int | None = made.scalar()
    return made_id


async def tokens_of(connection: AsyncConnection, user_id: int) -> Sequence[Row[Any]]:
    query = select(tokens).where(tokens.c.user_id == user_id).order_by(tokens.c.id.desc())
    return (await connection.execute(query.limit(200))).all()


async def renew(
    connection: AsyncConnection, user_id: int, token_id: int, ends: datetime
) -> Row[Any] | None:
    """Give a live token another end; None when this user has no such token that has one."""
    query = (
        update(tokens)
        .where(
            tokens.c.id == token_id,
            tokens.c.user_id == user_id,
            tokens.c.revoked_at.is_(None),
            tokens.c.expires_at > func.now(),
        )
        .values(expires_at=ends)
        .returning(tokens)
    )
    found: Row[Any] | None = (await connection.execute(query)).first()
    return found


async def revoke(connection: AsyncConnection, user_id: int, token_id: int) -> bool:
    """False when this user has no such live token."""
    result = await connection.execute(
        text(
            "UPDATE tokens SET revoked_at = now() "
            "WHERE id = :id AND user_id = :user AND revoked_at IS NULL"
        ),
        {"id": token_id, "user": user_id},
    )
    return bool(result.rowcount)


async def revoke_others(connection: AsyncConnection, user_id: int, name: str, digest: bytes) -> int:
    """Revoke this user's live tokens of this name but the one with this digest; how many."""
    result = await connection.execute(
        text(
            "UPDATE tokens SET revoked_at = now() WHERE user_id = :user AND name = :name "
            "AND digest <> :digest AND revoked_at IS NULL"
        ),
        {"user": user_id, "name": name, "digest": digest},
    )
    return int(result.rowcount)


async def record(
    connection: AsyncConnection, actor_id: int | None, action: str, target: str, **detail: Any
) -> int:
    """Write down who did what to what; the number of the line."""
    values = {"actor_id": actor_id, "action": action, "target": target, "detail": detail}
    made = await connection.execute(insert(audit_log).values(**values).returning(audit_log.c.id))
    return int(made.scalar_one())


async def latest_of(
    connection: AsyncConnection, action: str, target: str, limit: int
) -> Sequence[datetime]:
    """When this was done to this, the newest first."""
    query = (
        select(audit_log.c.created_at)
        .where(audit_log.c.target == target, audit_log.c.action == action)
        .order_by(audit_log.c.id.desc())
        .limit(limit)
    )
    return (await connection.execute(query)).scalars().all()


async def audit(
    connection: AsyncConnection, target: str | None, before: int, limit: int, *, servers: bool
) -> Sequence[Row[Any]]:
    """Entries with ids below ``before``, newest first; about one target, or about all, with or without what
    people chose for their servers."""
    query = (
        select(audit_log, users.c.name.label("actor"))
        .outerjoin(users, users.c.id == audit_log.c.actor_id)
        .where(audit_log.c.id < before)
        .order_by(audit_log.c.id.desc())
        .limit(limit)
    )
    if target is not None:
        query = query.where(audit_log.c.target == target)
    elif not servers:
        query = query.where(audit_log.c.action != GUILD_CHANGED)
    return (await connection.execute(query)).all()


async def user_or_none(connection: AsyncConnection, user_id: int) -> Row[Any] | None:
    return (await connection.execute(select(users).where(users.c.id == user_id))).first()
