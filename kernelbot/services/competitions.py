"""Problems and competitions, read by everybody who may see them."""

from __future__ import annotations

import io
import zipfile
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain import scoring
from kernelbot.domain.definition import Node
from kernelbot.domain.people import Actor
from kernelbot.domain.problem import PROBLEM_FILE, Problem, tolerance_document
from kernelbot.errors import NotFound, did_you_mean
from kernelbot.judge.protocol import spec
from kernelbot.services import access, light
from kernelbot.services.access import Access
from kernelbot.services.context import Context
from kernelbot.services.located_yaml import parse, written
from kernelbot.services.views import CompetitionView, ProblemView
from kernelbot.storage import contests

PROBLEMS_KEPT = 200
"""Versions of problems kept in memory by a process; the least recently used goes first."""

ARCHIVE_DATE = (2020, 1, 1, 0, 0, 0)
"""Fixed, so that the same problem gives the same bytes."""


async def problems(ctx: Context, actor: Actor | None = None) -> tuple[ProblemView, ...]:
    """The problems of the leaderboards that this person sees."""
    async with ctx.database.read() as connection:
        boards = await _boards_seen(connection, actor)
        ids = dict.fromkeys(row.problem_id for row in boards)
        return tuple([await _view(ctx, connection, problem_id, boards) for problem_id in ids])


async def problem(ctx: Context, actor: Actor | None, name: str) -> ProblemView:
    async with ctx.database.read() as connection:
        boards = await _boards_seen(connection, actor)
        return await _view(ctx, connection, _problem_id(boards, name), boards)


async def problem_archive(ctx: Context, actor: Actor | None, name: str) -> bytes:
    """What a competitor needs to work at home, as a zip: statement, reference, types, starters."""
    async with ctx.database.read() as connection:
        boards = await _boards_seen(connection, actor)
        posed = await stored(ctx, connection, _problem_id(boards, name))
    return archive(posed)


def archive(problem: Problem) -> bytes:
    """The problem's folder without its example submissions and hidden cases, byte for byte the same
    each time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        files = {**problem.files, **_open_definition(problem)}
        for path in sorted(files):
            if not path.startswith("examples/"):
                info = zipfile.ZipInfo(f"{problem.name}/{path}", ARCHIVE_DATE)
                info.compress_type = zipfile.ZIP_DEFLATED
                file.writestr(info, files[path])
    return buffer.getvalue()


def _open_definition(problem: Problem) -> dict[str, bytes]:
    """The definition of a problem with hidden cases as anybody may see it: without them, and without
    comments, which may speak of them."""
    if not (problem.hidden or problem.cpu_hidden):
        return {}
    document, _ = parse(problem.files[PROBLEM_FILE], PROBLEM_FILE)
    assert document is not None, "it was read when it was published"
    return {PROBLEM_FILE: written(_without_hidden(document)).encode()}


def _without_hidden(section: Node) -> Node:
    values = section.value if isinstance(section.value, dict) else {}
    kept = {key: item for key, item in values.items() if key != "hidden"}
    if (cpu := kept.get("cpu")) is not None and isinstance(cpu.value, dict):
        kept["cpu"] = _without_hidden(cpu)
    return replace(section, value=kept)


async def _boards_seen(connection: AsyncConnection, actor: Actor | None) -> list[Row[Any]]:
    seen = await access.of(connection, actor)
    return seen.of(await contests.boards(connection))


def _problem_id(boards: list[Row[Any]], name: str) -> int:
    """By the problem's name or by the name of a leaderboard that poses it."""
    for row in boards:
        if name.lower() in (row.problem.lower(), row.name.lower()):
            return int(row.problem_id)
    known = {row.problem for row in boards}
    raise NotFound(
        f"There is no problem {name[:80]!r}.{did_you_mean(name[:80], known)}",
        code="unknown_problem",
    )


async def stored(ctx: Context, connection: AsyncConnection, problem_id: int) -> Problem:
    """A version of a problem never changes, so what is used is read once a process."""
    kept: OrderedDict[int, Problem] = ctx.cache.setdefault("problems", OrderedDict())
    if problem_id not in kept:
        kept[problem_id] = await contests.problem(connection, problem_id)
        while len(kept) > PROBLEMS_KEPT:
            kept.popitem(last=False)
    kept.move_to_end(problem_id)
    return kept[problem_id]


async def readable(ctx: Context, connection: AsyncConnection, problem_id: int) -> Problem | None:
    """The same, or None when another version of this program stored what we cannot read: what
    people have sent is shown all the same."""
    try:
        return await stored(ctx, connection, problem_id)
    except (KeyError, TypeError, ValueError):
        return None


async def light_seconds(
    ctx: Context, connection: AsyncConnection, problem_id: int, gpu: str
) -> float | None:
    """The score of somebody as fast as can be on this version of a problem, where that is known."""
    problem = await readable(ctx, connection, problem_id)
    if problem is None:
        return None
    return scoring.best_seconds(problem.scoring, light.bounds(ctx, problem, gpu))


async def _view(
    ctx: Context, connection: AsyncConnection, problem_id: int, boards: list[Row[Any]]
) -> ProblemView:
    found = await stored(ctx, connection, problem_id)
    return ProblemView(
        name=found.name,
        title=found.title,
        summary=found.summary,
        statement=found.statement,
        digest=found.open_digest,
        languages=found.languages,
        scoring=found.scoring.value,
        tests=tuple(spec(case) for case in found.tests),
        benchmarks=tuple(spec(case) for case in found.benchmarks),
        tolerances=tuple(tolerance_document(item) for item in found.tolerances),
        starters={name: found.starter(name) for name in found.starters},
        starter_suffixes={name: PurePath(path).suffix for name, path in found.starters.items()},
        leaderboards=tuple(row.name for row in boards if row.problem_id == problem_id),
        speed_of_light=light.table(
            ctx, found, (gpu for row in boards if row.problem_id == problem_id for gpu in row.gpus)
        ),
        self_evaluated=bool(found.task and found.task.self_evaluated),
        packages=found.packages,
    )


async def competitions(ctx: Context, actor: Actor | None = None) -> tuple[CompetitionView, ...]:
    """All that this person may see, as their organizers wrote them."""
    async with ctx.database.read() as connection:
        seen = await access.of(connection, actor)
        rows = seen.of(await contests.all_competitions(connection))
    return tuple(_competition_view(row, seen) for row in rows)


async def competition(ctx: Context, actor: Actor | None, name: str) -> CompetitionView:
    """One of them. Raises NotFound, with the name it may be meant for."""
    async with ctx.database.read() as connection:
        seen = await access.of(connection, actor)
        row = await found(connection, seen, name)
    return _competition_view(row, seen)


async def is_public(ctx: Context, name: str) -> bool:
    """Whether everybody sees this competition."""
    try:
        await competition(ctx, None, name)
    except NotFound:
        return False
    return True


async def found(connection: AsyncConnection, seen: Access, name: str) -> Row[Any]:
    row = await contests.competition_named(connection, name) if name.isprintable() else None
    if row is None or not seen.sees(row):
        known = [item.name for item in seen.of(await contests.all_competitions(connection))]
        raise unknown(name, known)
    return row


def unknown(name: str, known: Sequence[str]) -> NotFound:
    return NotFound(
        f"There is no competition {name[:80]!r}.{did_you_mean(name[:80], known)}",
        code="unknown_competition",
    )


def _competition_view(row: Row[Any], seen: Access) -> CompetitionView:
    return CompetitionView(
        document=row.document,
        joined=row.competition_id in seen.joined,
        source=row.source if seen.organizer or _is_elsewhere(row) else "",
        pinned=row.pinned,
    )


def _is_elsewhere(row: Row[Any]) -> bool:
    """Whether its files come from a repository that others can reach: not from a path on our machine."""
    return bool(row.pinned) and not row.source.startswith("file:")
