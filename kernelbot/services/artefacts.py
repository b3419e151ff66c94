"""Files of a run, for its owner: stored with the verdict, listed, read in pieces, forgotten in time."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping

import structlog

from kernelbot.domain.people import Actor
from kernelbot.errors import Conflict, InvalidInput, NotFound
from kernelbot.judge.artefacts import MAX_BYTES, MAX_FILE_BYTES, MAX_FILES, PIECE_BYTES, sound
from kernelbot.judge.protocol import Artefact, Mode, Verdict
from kernelbot.services import submissions
from kernelbot.services.context import Context
from kernelbot.services.dispatch import Hold
from kernelbot.services.views import ArtefactView
from kernelbot.storage import artefacts as store
from kernelbot.storage import people

MOST_AT_ONCE = PIECE_BYTES
"""Of a file, in one request of a machine that judged it."""

Read = Callable[[str], AsyncIterator[bytes]]
"""The content of one of a run's files, by its name."""

MEDIA_TYPES = frozenset(
    {"application/octet-stream", "application/gzip", "application/json", "text/csv", "text/plain"}
)
"""What is said of a file that is handed out; anything else is bytes."""

log = structlog.get_logger()


async def collect(ctx: Context, held: Hold, verdict: Verdict, read: Read) -> None:
    """Store the files that a verdict lists, before it is recorded. Repeating it does no harm.

    Only a profile leaves any: what ran on secret inputs has nothing to hand out. A file that cannot
    be read, or is not as long as was said, is left out, which costs the run nothing.
    """
    if not verdict.artefacts or held.mode is not Mode.PROFILE:
        return
    if not sound(verdict.artefacts):
        log.warning("a run's files break the limits and are dropped", run=held.run_id)
        return
    for item in verdict.artefacts:
        try:
            await _collect_one(ctx, held, item, read)
        except _Incomplete as error:
            log.warning("a file was lost", run=held.run_id, name=item.name, error=str(error))


async def receive(ctx: Context, held: Hold, name: str, place: int, content: bytes) -> None:
    """A piece of a file of a run that is judged elsewhere: all but a file's last are ``PIECE_BYTES`` long.

    Repeating it does no harm. Raises InvalidInput for what no run may leave, and Conflict when the lease is lost.
    """
    if held.mode is not Mode.PROFILE:
        raise InvalidInput("Only a profile leaves files.", code="no_files")
    claimed = Artefact(name=name, bytes=place * PIECE_BYTES + len(content), media_type="")
    empty = not content and place > 0
    if place < 0 or empty or len(content) > PIECE_BYTES or not sound((claimed,)):
        raise InvalidInput(
            f"A file has a plain name and at most {MAX_FILE_BYTES:,} bytes, in pieces of "
            f"{PIECE_BYTES:,}.",
            code="bad_file",
        )
    async with ctx.database.transaction() as connection:
        if not await store.hold(connection, held.run_id, held.lease):
            raise Conflict(f"The lease of run {held.run_id} is not yours.", code="lease_lost")
        found = await store.begun(connection, held.run_id, held.lease, name, MAX_FILES)
        if found is None:
            raise InvalidInput(f"A run keeps {MAX_FILES} files.", code="too_many_files")
        others = await store.other_bytes(connection, held.run_id, found, place)
        if others + len(content) > MAX_BYTES:
            raise InvalidInput(
                f"The files of a run may have {MAX_BYTES:,} bytes together.", code="files_too_large"
            )
        await store.put_piece(connection, found, place, content)


async def settle(ctx: Context, held: Hold, verdict: Verdict) -> None:
    """Of what was received, make whole what the verdict lists, and drop the rest. Before it is recorded."""
    listed = {item.name: item for item in verdict.artefacts} if sound(verdict.artefacts) else {}
    async with ctx.database.transaction() as connection:
        for found in await store.uploaded(connection, held.run_id, held.lease):
            item = listed.get(found.name)
            if (
                item is None
                or found.bytes != item.bytes
                or found.pieces != found.last + 1
                or found.pieces != max(1, -(-item.bytes // PIECE_BYTES))
            ):
                log.warning("a file was lost", run=held.run_id, name=found.name)
                await store.drop(connection, found.id)
                continue
            digest = hashlib.sha256()
            for place in range(found.pieces):
                digest.update(await store.piece(connection, found.id, place) or b"")
            await store.describe(connection, found.id, _media_type(item))
            await store.complete(connection, found.id, item.bytes, digest.digest())


def _media_type(item: Artefact) -> str:
    return item.media_type if item.media_type in MEDIA_TYPES else "application/octet-stream"


class _Incomplete(Exception):
    """The file is not what the verdict said."""


async def _readable(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same chunks; a file's trouble is told from the database's."""
    try:
        async for chunk in chunks:
            yield chunk
    except OSError as error:
        raise _Incomplete(repr(error)) from error


async def _collect_one(ctx: Context, held: Hold, item: Artefact, read: Read) -> None:
    media_type = _media_type(item)
    digest, size, waiting, place = hashlib.sha256(), 0, bytearray(), 0
    async with ctx.database.transaction() as connection:
        made = await store.begin(connection, held.run_id, held.lease, item.name, media_type)
        async for chunk in _readable(read(item.name)):
            digest.update(chunk)
            size += len(chunk)
            waiting += chunk
            if size > item.bytes:
                raise _Incomplete(f"longer than {item.bytes} bytes")
            while len(waiting) >= PIECE_BYTES:
                await store.add_piece(connection, made, place, bytes(waiting[:PIECE_BYTES]))
                del waiting[:PIECE_BYTES]
                place += 1
        if size != item.bytes:
            raise _Incomplete(f"{size} of {item.bytes} bytes")
        if waiting:
            await store.add_piece(connection, made, place, bytes(waiting))
        await store.complete(connection, made, size, digest.digest())


async def listed(ctx: Context, actor: Actor, submission_id: int) -> tuple[ArtefactView, ...]:
    """The files of one's own submission, those that have expired too; of anybody's for an
    administrator."""
    view = await submissions.submission(ctx, actor, submission_id)
    return tuple(item for run in view.runs for item in run.artefacts)


async def opened(
    ctx: Context, actor: Actor, submission_id: int, name: str
) -> tuple[ArtefactView, AsyncIterator[bytes]]:
    """One file and its content in pieces. An administrator's look at somebody's is written down."""
    view = await submissions.submission(ctx, actor, submission_id)
    found = {item.name: item for run in view.runs for item in run.artefacts}
    if name not in found or found[name].expired_at is not None:
        raise NotFound(_missing(ctx, submission_id, name, found), code="unknown_artefact")
    if view.user_id != actor.user_id:
        async with ctx.database.transaction() as connection:
            target = f"submission:{submission_id}"
            await people.record(connection, actor.user_id, "artefact.read", target)
    return found[name], _pieces(ctx, found[name])


def _missing(ctx: Context, submission_id: int, name: str, found: Mapping[str, ArtefactView]) -> str:
    there = [item.name for item in found.values() if item.expired_at is None]
    have = f" It has: {', '.join(there)}." if there else ""
    said = f"Submission {submission_id} has no file {name[:100]!r}"
    if name in found:
        said += f" any more: it expired on {found[name].expired_at:%Y-%m-%d %H:%M} UTC"
    most = ctx.settings.artefact_bytes >> 20
    return (
        f"{said}.{have} Files are kept for {ctx.settings.artefact_days} days, "
        f"and of a person's only the newest {most:,} MiB."
    )


async def _pieces(ctx: Context, item: ArtefactView) -> AsyncIterator[bytes]:
    for place in range(-(-item.bytes // PIECE_BYTES)):
        async with ctx.database.read() as connection:
            content = await store.piece(connection, item.id, place)
        if content is None:  # deleted meanwhile: the reader sees that the end is missing
            return
        yield content
