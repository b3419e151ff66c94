"""Files that runs left, in pieces of a megabyte: any process that reaches the database reaches them.

They are written under the lease of whoever judged the run and are there for nobody until the
transaction that records the verdict keeps them.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, delete, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.storage.tables import artefact_pieces, artefacts, runs

BINARY = "application/octet-stream"

KEEP = text(
    """
    UPDATE artefacts SET kept = true
    WHERE run_id = :run AND lease = :lease AND digest <> ''::bytea
    RETURNING id
    """
)
# The name stays, so that its owner can be told what is gone, and since when.
EXPIRE = """
    WITH gone AS (
        UPDATE artefacts SET gone_at = now() WHERE kept AND gone_at IS NULL AND {} RETURNING id
    )
    DELETE FROM artefact_pieces WHERE artefact_id IN (SELECT id FROM gone)
"""
EXPIRE_OLD = text(EXPIRE.format("created_at < now() - make_interval(days => :days)"))
FORGET_UNKEPT = text(
    "DELETE FROM artefacts WHERE NOT kept AND created_at < now() - interval '1 day'"
)
# The newest files of a person up to the limit stay.
BOUND_PERSON = text(
    EXPIRE.format(
        """id IN (
            SELECT id FROM (
                SELECT a.id, sum(a.bytes) OVER (ORDER BY a.id DESC) AS until_here
                FROM artefacts a JOIN runs r ON r.id = a.run_id
                WHERE a.kept AND a.gone_at IS NULL AND r.user_id = :user
            ) held WHERE until_here > :limit
        )"""
    )
)


async def begin(
    connection: AsyncConnection, run_id: int, lease: uuid.UUID, name: str, media_type: str
) -> int:
    """A new file of this run; what an earlier try left under the same name is dropped."""
    mine = (artefacts.c.run_id == run_id, artefacts.c.lease == lease, artefacts.c.name == name)
    await connection.execute(delete(artefacts).where(*mine))
    values = {"run_id": run_id, "lease": lease, "name": name, "media_type": media_type}
    made = await connection.execute(insert(artefacts).values(values).returning(artefacts.c.id))
    return int(made.scalar_one())


async def add_piece(
    connection: AsyncConnection, artefact_id: int, place: int, content: bytes
) -> None:
    values = {"artefact_id": artefact_id, "place": place, "content": content}
    await connection.execute(insert(artefact_pieces).values(values))


HOLDS = text(
    "SELECT id FROM runs WHERE id = :run AND lease = :lease AND status = 'running' FOR NO KEY UPDATE"
)
FORGET_OTHERS = text(
    "DELETE FROM artefacts WHERE run_id = :run AND lease IS DISTINCT FROM CAST(:lease AS uuid) AND NOT kept"
)


async def hold(connection: AsyncConnection, run_id: int, lease: uuid.UUID) -> bool:
    """Until the end of the transaction one file of this run is written at a time; False when the lease is lost.
    What earlier holders left of it is forgotten."""
    values = {"run": run_id, "lease": lease}
    if (await connection.execute(HOLDS, values)).first() is None:
        return False
    await connection.execute(FORGET_OTHERS, values)
    return True


async def forget_unkept(connection: AsyncConnection, run_id: int) -> None:
    """Whoever has the run next writes its files anew."""
    await connection.execute(FORGET_OTHERS, {"run": run_id, "lease": None})


OTHER_BYTES = text(
    """
    SELECT coalesce(sum(octet_length(p.content)), 0)
    FROM artefacts a JOIN artefact_pieces p ON p.artefact_id = a.id
    WHERE a.run_id = :run AND NOT (a.id = :artefact AND p.place = :place)
    """
)


async def other_bytes(
    connection: AsyncConnection, run_id: int, artefact_id: int, place: int
) -> int:
    """What all pieces of this run's files have together, but for one that may come again."""
    values = {"run": run_id, "artefact": artefact_id, "place": place}
    return int((await connection.execute(OTHER_BYTES, values)).scalar_one())


async def begun(
    connection: AsyncConnection, run_id: int, lease: uuid.UUID, name: str, most: int
) -> int | None:
    """The file of this run that comes in pieces, new or begun before; None when it would be one more than
    ``most``."""
    mine = (artefacts.c.run_id == run_id, artefacts.c.lease == lease)
    rows = await connection.execute(select(artefacts.c.id, artefacts.c.name).where(*mine))
    known = {row.name: int(row.id) for row in rows}
    if name in known or len(known) >= most:
        return known.get(name)
    values = {"run_id": run_id, "lease": lease, "name": name, "media_type": BINARY}
    made = await connection.execute(insert(artefacts).values(values).returning(artefacts.c.id))
    return int(made.scalar_one())


async def put_piece(
    connection: AsyncConnection, artefact_id: int, place: int, content: bytes
) -> None:
    """A piece that may have come before."""
    values = {"artefact_id": artefact_id, "place": place, "content": content}
    await connection.execute(
        upsert(artefact_pieces)
        .values(values)
        .on_conflict_do_update(index_elements=["artefact_id", "place"], set_={"content": content})
    )


UPLOADED = text(
    """
    SELECT a.id, a.name, count(p.place) AS pieces, coalesce(max(p.place), -1) AS last,
           coalesce(sum(octet_length(p.content)), 0) AS bytes
    FROM artefacts a LEFT JOIN artefact_pieces p ON p.artefact_id = a.id
    WHERE a.run_id = :run AND a.lease = :lease AND NOT a.kept GROUP BY a.id, a.name
    """
)


async def uploaded(
    connection: AsyncConnection, run_id: int, lease: uuid.UUID
) -> Sequence[Row[Any]]:
    """What came in pieces under this lease: (id, name, pieces, last, bytes)."""
    return (await connection.execute(UPLOADED, {"run": run_id, "lease": lease})).all()


async def describe(connection: AsyncConnection, artefact_id: int, media_type: str) -> None:
    query = update(artefacts).where(artefacts.c.id == artefact_id).values(media_type=media_type)
    await connection.execute(query)


async def drop(connection: AsyncConnection, artefact_id: int) -> None:
    await connection.execute(delete(artefacts).where(artefacts.c.id == artefact_id))


async def complete(connection: AsyncConnection, artefact_id: int, size: int, digest: bytes) -> None:
    await connection.execute(
        text("UPDATE artefacts SET bytes = :size, digest = :digest WHERE id = :id"),
        {"id": artefact_id, "size": size, "digest": digest},
    )


async def keep(connection: AsyncConnection, run_id: int, lease: uuid.UUID) -> int:
    """Make the files that are complete under this lease the run's; how many there are."""
    return len((await connection.execute(KEEP, {"run": run_id, "lease": lease})).all())


async def of_runs(connection: AsyncConnection, run_ids: Sequence[int]) -> Sequence[Row[Any]]:
    """What these runs left, also what is gone."""
    query = (
        select(artefacts, runs.c.gpu)
        .join(runs, runs.c.id == artefacts.c.run_id)
        .where(runs.c.id.in_(run_ids), artefacts.c.kept)
        .order_by(artefacts.c.id)
    )
    return (await connection.execute(query)).all()


async def piece(connection: AsyncConnection, artefact_id: int, place: int) -> bytes | None:
    query = select(artefact_pieces.c.content).where(
        artefact_pieces.c.artefact_id == artefact_id, artefact_pieces.c.place == place
    )
    found = (await connection.execute(query)).scalar_one_or_none()
    return None if found is None else bytes(found)


async def forget(connection: AsyncConnection, days: int) -> None:
    """Files past their time, and those of runs that somebody else has finished."""
    await connection.execute(EXPIRE_OLD, {"days": days})
    await connection.execute(FORGET_UNKEPT)


async def bound_person(connection: AsyncConnection, user_id: int, limit: int) -> None:
    """Delete a person's oldest files beyond this many bytes."""
    await connection.execute(BOUND_PERSON, {"user": user_id, "limit": limit})
