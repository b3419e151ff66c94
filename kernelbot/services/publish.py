"""From definition files to the database: what would change, said before it is done, then done whole."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain import admission
from kernelbot.domain.competition import Competition, LeaderboardSpec
from kernelbot.domain.problem import Problem
from kernelbot.domain.target import Target
from kernelbot.errors import Conflict, NotFound
from kernelbot.services import remeasure, unposed
from kernelbot.services.catalog import Catalog
from kernelbot.services.context import Context
from kernelbot.services.unposed import Posed
from kernelbot.storage import contests, people, submissions

SHOWN = 80
"""Characters of an old or new value that a plan repeats."""


class Kind(StrEnum):
    CREATED = "created"
    CHANGED = "changed"
    REMEASURED = "re-measured"  # results so far stay with their version, and are made anew
    HIDDEN = "hidden"  # named in no file any more; its results stay
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True)
class Change:
    kind: Kind
    what: str  # "competition spring", "leaderboard matmul-spring"
    detail: str


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where definition files come from."""

    name: str = ""  # a path or a repository; empty: the problems folder of this installation
    pinned: str = ""  # the commit, of a repository
    whole: bool = True  # what it does not name any more is to be hidden; False: it is one file
    takes_over: bool = False  # also what came from another source
    spares_own: bool = (
        False  # but not from the installation's own folder, which it reads at each start
    )

    @property
    def described(self) -> str:
        return _described(self.name)


def _described(source: str) -> str:
    return source or "the problems folder of this installation"


@dataclass(frozen=True, kw_only=True)
class Plan:
    changes: tuple[Change, ...]
    seal: str = ""  # of the files, of what there is, and of what would be done

    @property
    def refusals(self) -> tuple[Change, ...]:
        return tuple(change for change in self.changes if change.kind is Kind.REFUSED)


async def plan(ctx: Context, catalog: Catalog, source: Source) -> Plan:
    """What ``apply`` would do now; nothing is written."""
    async with ctx.database.read() as connection:
        return await _plan(ctx, connection, catalog, source)


async def apply(
    ctx: Context,
    catalog: Catalog,
    source: Source,
    checked: Mapping[str, str] | None = None,
    *,
    by: int | None = None,
    seal: str | None = None,
) -> Plan:
    """Bring the database in line with the files; what was done. With the ``seal`` of a plan only if that is still
    what would be done.

    A problem that changed becomes a new version. Runs keep the digest of the one they were made on,
    the board begins anew (or goes on, where results of that version are there already), and what was
    ranked is queued to be measured again. Raises Conflict, and writes nothing, if anything is refused.
    """
    async with ctx.database.transaction() as connection:
        await contests.lock_catalog(connection)
        planned = await _plan(ctx, connection, catalog, source)
        if planned.refusals:
            lines = "\n".join(f"  {item.what}: {item.detail}" for item in planned.refusals)
            raise Conflict(f"Nothing is changed, because of:\n{lines}", code="change_refused")
        if seal is not None and seal != planned.seal:
            raise Conflict(
                "Nothing is changed: what there is has changed since this was planned. Plan it again.",
                code="plan_outdated",
            )
        kept = await _write(connection, catalog, source)
        names = list(catalog.competitions)
        await contests.retire_missing(
            connection, kept, names, source.name if source.whole else None
        )
        if planned.changes:
            await people.record(
                connection, by, "catalog.sync", "catalog", leaderboards=catalog.leaderboards,
                checked=_with_digests(catalog, checked or {}), source=source.name,
                pinned=source.pinned,
            )  # fmt: skip
    return planned


@dataclass(frozen=True, kw_only=True)
class Hiding:
    """What hiding a competition does."""

    name: str
    leaderboards: tuple[str, ...]
    waiting: int  # runs that nobody has begun, and that end
    own: bool  # from the installation's own folder, which is published again at each start


async def hiding(ctx: Context, name: str) -> Hiding:
    """What ``hide`` would do; nothing is done. Raises NotFound."""
    async with ctx.database.read() as connection:
        row, hidden, names = await _shown(connection, name)
        waiting = await unposed.found(connection, hidden)
    return Hiding(name=row.name, leaderboards=names, waiting=len(waiting), own=row.source == "")


async def _shown(
    connection: AsyncConnection, name: str
) -> tuple[Row[Any], dict[int, Posed], tuple[str, ...]]:
    """A competition, and its leaderboards that are not hidden. Raises NotFound."""
    row = await contests.competition_named(connection, name) if name.isprintable() else None
    if row is None:
        raise NotFound(f"There is no competition {name[:80]!r}.", code="unknown_competition")
    boards = [
        item
        for item in await contests.every_board(connection)
        if item.competition == row.name and not item.retired
    ]
    return row, {item.id: _hidden(item) for item in boards}, tuple(item.name for item in boards)


async def hide(ctx: Context, name: str, by: int | None = None) -> Hiding:
    """Take a competition off every list, with all its leaderboards, until its files are applied again;
    results stay. Raises NotFound."""
    async with ctx.database.transaction() as connection:
        await contests.lock_catalog(connection)
        row, hidden, names = await _shown(connection, name)
        # Jobs, submissions, then boards: in the order of whoever records (storage/queue.py).
        waiting = await unposed.hold(connection, hidden)
        await submissions.lock_queued(connection, [], [run.submission_id for run, _ in waiting])
        await contests.lock_boards(connection, list(hidden))
        await contests.retire_missing(connection, [], [row.name], None)
        await unposed.end(connection, waiting)
        await people.record(connection, by, "competition.hide", f"competition:{row.name}")
    return Hiding(name=row.name, leaderboards=names, waiting=len(waiting), own=row.source == "")


def _with_digests(catalog: Catalog, checked: Mapping[str, str]) -> dict[str, str]:
    """Which version of each problem was checked, and how."""
    return {
        f"{name} {catalog.problems[name].digest}": words
        for name, words in checked.items()
        if name in catalog.problems
    }


async def _write(connection: AsyncConnection, catalog: Catalog, source: Source) -> list[int]:
    """The ids of the leaderboards that the catalog names."""
    versions = {
        name: await contests.put_problem(connection, problem)
        for name, problem in catalog.problems.items()
    }
    specs = _specs(catalog)
    rows = await contests.every_board(connection)
    anew = _anew(catalog, rows)
    versions_before = {row.id: row.problem_digest for row in rows}
    # Jobs, submissions, then boards: in the order of whoever records (storage/queue.py).
    unjudged = await unposed.hold(connection, _taken_from_now_on(catalog, rows, source))
    queued = await submissions.lock_queued(
        connection, list(anew), [run.submission_id for run, _ in unjudged]
    )
    touched = [
        row.id
        for row in rows
        if row.name.lower() in specs
        or row.competition in catalog.competitions
        or (source.whole and row.source == source.name)
    ]
    await contests.lock_boards(connection, touched)
    kept: list[int] = []
    for competition in catalog.competitions.values():
        competition_id = await contests.put_competition(
            connection, competition, source.name, source.pinned
        )
        for spec in competition.leaderboards:
            problem_id = versions[spec.problem]
            board_id = await contests.put_leaderboard(
                connection, competition_id, competition, spec, problem_id
            )
            if board_id in anew:
                before = versions_before[board_id]
                await remeasure.everybody(
                    connection, board_id, problem_id, anew[board_id], spec.gpus, queued, before,
                    spec.freeze,
                )  # fmt: skip
            kept.append(board_id)
    await unposed.end(connection, unjudged)
    return kept


def _specs(catalog: Catalog) -> dict[str, LeaderboardSpec]:
    """By their names in lower case."""
    return {
        spec.name.lower(): spec
        for competition in catalog.competitions.values()
        for spec in competition.leaderboards
    }


def _anew(catalog: Catalog, rows: Sequence[Row[Any]]) -> dict[int, Problem]:
    """The leaderboards that get another version of their problem, by their ids, with the version."""
    specs = _specs(catalog)
    posed = {name: catalog.problems[spec.problem] for name, spec in specs.items()}
    return {
        row.id: posed[row.name.lower()]
        for row in rows
        if row.name.lower() in posed and row.problem_digest != posed[row.name.lower()].digest
    }


def _hidden(row: Row[Any]) -> Posed:
    return Posed(row.problem_digest, (), (), anew=False, hidden=True)


def _taken_from_now_on(
    catalog: Catalog, rows: Sequence[Row[Any]], source: Source
) -> dict[int, Posed]:
    """What the leaderboards take that are there already, by their ids; those that are hidden now, nothing."""
    specs, anew = _specs(catalog), _anew(catalog, rows)
    hidden = {
        row.id: _hidden(row)
        for row in rows
        if not row.retired
        and row.name.lower() not in specs
        and (
            row.competition in catalog.competitions or (source.whole and row.source == source.name)
        )
    }
    return hidden | {
        row.id: Posed(problem.digest, problem.languages, spec.gpus, row.id in anew)
        for row in rows
        if (spec := specs.get(row.name.lower())) is not None
        and (problem := catalog.problems[spec.problem])
    }


# --- planning ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Now:
    """What the database knows, shown or hidden."""

    competitions: Mapping[str, Row[Any]]
    boards: Mapping[str, Row[Any]]  # by their names in lower case
    people: Mapping[int, int]  # with a standing, by leaderboard
    measured: Mapping[int, int]  # with a result on any version of the problem
    again: Mapping[int, int]  # to be measured again on what it is to pose
    submitted: frozenset[int]  # leaderboards that somebody has sent something to


async def _plan(
    ctx: Context, connection: AsyncConnection, catalog: Catalog, source: Source
) -> Plan:
    rows = await contests.every_board(connection)
    now = _Now(
        competitions={row.name: row for row in await contests.every_competition(connection)},
        boards={row.name.lower(): row for row in rows},
        people=await contests.people_on_boards(connection),
        measured=await contests.people_measured(connection),
        again=await _measured_again(connection, catalog, rows),
        submitted=frozenset(await contests.submitted_to(connection)),
    )
    changes: list[Change] = []
    for competition in catalog.competitions.values():
        changes += _of_competition(competition, now, source)
        for spec in competition.leaderboards:
            board = now.boards.get(spec.name.lower())
            if board is not None:
                changes += _of_board(spec, board, competition, catalog, now, source)
    waiting = await unposed.found(connection, _taken_from_now_on(catalog, rows, source))
    changes += [
        _change(Kind.REFUSED, f"leaderboard {item.leaderboard}", f"{item.reason}. {item.remedy}")
        for item in misfits(catalog, ctx.targets)
    ]
    changes += _ended(waiting, {row.id: row.name for row in rows})
    shown = dict.fromkeys(row.competition for row in rows if not row.retired)
    for name in shown:
        ours = source.whole and now.competitions[name].source == source.name
        if ours and name not in catalog.competitions:
            changes.append(_change(Kind.HIDDEN, f"competition {name}", "no file defines it"))
    return Plan(changes=tuple(changes), seal=_seal(catalog, source, now, changes))


def _seal(catalog: Catalog, source: Source, now: _Now, changes: Sequence[Change]) -> str:
    """Of what decides about a plan, but not of counts: people go on submitting while somebody reads it."""
    document = {
        "source": [source.name, source.pinned, source.whole, source.takes_over],
        "competitions": {name: item.to_document() for name, item in catalog.competitions.items()},
        "problems": {name: item.content_digest for name, item in catalog.problems.items()},
        "there": {
            name: [row.document, row.source, row.pinned]
            for name, row in now.competitions.items()
            if name in catalog.competitions or row.source == source.name
        },
        "boards": [
            [row.name, row.competition, row.retired, row.content_digest, row.code_opens_at]
            for row in now.boards.values()
        ],
        "changes": sorted({f"{item.kind} {item.what}" for item in changes}),
    }
    return hashlib.sha256(json.dumps(document, sort_keys=True, default=str).encode()).hexdigest()


async def _measured_again(
    connection: AsyncConnection, catalog: Catalog, rows: Sequence[Row[Any]]
) -> dict[int, int]:
    """How many people, by leaderboard."""
    specs, before = _specs(catalog), {row.id: row for row in rows}
    found: dict[int, int] = {}
    for board_id, problem in _anew(catalog, rows).items():
        row = before[board_id]
        spec = specs[row.name.lower()]
        wanted = await remeasure.wanted(
            connection, board_id, problem, spec.gpus, row.problem_digest, spec.freeze
        )
        found[board_id] = len({item.user_id for item in wanted})
    return found


def _ended(waiting: Sequence[tuple[Row[Any], str]], names: Mapping[int, str]) -> Iterator[Change]:
    """What waits and will not be judged, for each reason."""
    counted = Counter((run.leaderboard_id, why) for run, why in waiting)
    for (board_id, why), runs in counted.items():
        said = why.removesuffix(unposed.FREE).strip()
        detail = f"{runs} waiting {'run ends' if runs == 1 else 'runs end'}: {said}"
        yield _change(Kind.CHANGED, f"leaderboard {names[board_id]}", detail)


@dataclass(frozen=True, kw_only=True)
class Misfit:
    """A kind of GPU on which every submission to a leaderboard would be refused."""

    leaderboard: str
    reason: str
    remedy: str


def misfits(catalog: Catalog, targets: Mapping[str, Target]) -> Iterator[Misfit]:
    """Kinds that have another number of GPUs than the problem runs on at once."""
    for competition in catalog.competitions.values():
        for spec in competition.leaderboards:
            problem = catalog.problems[spec.problem]
            ranks, sizes = problem.ranks_on("cuda"), problem.world_sizes
            words = admission.ranks_in_words(ranks, sizes)
            for gpu in spec.gpus:
                target = targets.get(gpu)
                if target is None or target.device == "cpu":
                    continue
                if not admission.has_gpus(target.gpus, ranks, sizes):
                    more = "" if sizes else " or more"
                    yield Misfit(
                        leaderboard=spec.name,
                        reason=f"{problem.name} runs on {words} GPUs at once, and {gpu} has {target.gpus}",
                        remedy=f"Name a kind with 'gpus: {words}'{more} in the file of targets",
                    )


def _of_competition(competition: Competition, now: _Now, source: Source) -> Iterator[Change]:
    what = f"competition {competition.name}"
    row = now.competitions.get(competition.name)
    if row is None:
        names = ", ".join(board.name for board in competition.leaderboards)
        yield _change(Kind.CREATED, what, f"with the leaderboards {names}")
        return
    if row.source != source.name:
        theirs = _described(row.source)
        if not _takes(source, row.source):
            remedy = _elsewhere(source, row.source, "Give it and its leaderboards other names")
            yield _change(Kind.REFUSED, what, f"its files come from {theirs}. {remedy}")
            return
        moved = f"its files come from {source.described} now, no longer from {theirs}"
        yield _change(Kind.CHANGED, what, moved)
    elif row.pinned != source.pinned:
        yield _change(Kind.CHANGED, what, f"commit {row.pinned or 'none'} -> {source.pinned}")
    sent_to = (board.competition for board in now.boards.values() if board.id in now.submitted)
    if row.document.get("licence") != competition.licence and competition.name in sent_to:
        remedy = "keep it, or give the competition and its leaderboards new names"
        yield _change(Kind.REFUSED, what, f"people have submitted under its licence; {remedy}")
    before, after = _normal(row.document), competition.to_document()
    if before is None:
        yield _change(Kind.CHANGED, what, "what there is was stored by another version")
        return
    old = {item["name"]: item for item in before.pop("leaderboards")}
    new = {item["name"]: item for item in after.pop("leaderboards")}
    yield from _differences(what, before, after)
    for name, spec in new.items():
        if name in old:
            yield from _differences(f"leaderboard {name}", old[name], spec)
        elif name.lower() not in now.boards:
            yield _change(Kind.CREATED, f"leaderboard {name}", f"of the problem {spec['problem']}")
    for name in old.keys() - new.keys():
        board = now.boards.get(name.lower())
        if board is not None and board.competition == competition.name and not board.retired:
            ranked = now.people.get(board.id, 0)
            yield _change(Kind.HIDDEN, f"leaderboard {name}", f"results of {ranked} people stay")


def _normal(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """As this version would have stored it; None if it cannot read it."""
    try:
        return Competition.from_document(document).to_document()
    except (KeyError, TypeError, ValueError):
        return None


def _differences(
    what: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[Change]:
    for key, value in after.items():
        if before.get(key) != value:
            yield _change(
                Kind.CHANGED, what, f"{key}: {_short(before.get(key))} -> {_short(value)}"
            )


def _short(value: object) -> str:
    text = "none" if value in (None, "", []) else " ".join(_plain(value).split())
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        said = {key: item for key, item in value.items() if item not in (None, "", [])}
        return ", ".join(f"{key} {_plain(item)}" for key, item in said.items())
    if isinstance(value, list):
        apart = "; " if any(isinstance(item, Mapping) for item in value) else ", "
        return apart.join(_plain(item) for item in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _of_board(
    spec: LeaderboardSpec,
    board: Row[Any],
    competition: Competition,
    catalog: Catalog,
    now: _Now,
    source: Source,
) -> Iterator[Change]:
    """A leaderboard that there is already, shown or hidden."""
    what = f"leaderboard {spec.name}"
    problem = catalog.problems[spec.problem]
    if board.competition != competition.name:
        yield from _taken(what, board, catalog, now, source)
    if board.id in now.submitted:
        yield from _broken_promises(what, spec, board, competition)
    if board.retired:
        ranked = now.people.get(board.id, 0)
        yield _change(Kind.CHANGED, what, f"shown again, with results of {ranked} people")
    if board.problem == problem.name:
        yield from _of_version(what, board, problem, now)


def _broken_promises(
    what: str, spec: LeaderboardSpec, board: Row[Any], competition: Competition
) -> Iterator[Change]:
    """People handed their code in for a problem, under a licence, to be shown not before some time."""
    remedy = "give this one another name with 'leaderboard: ...'"
    if board.competition != competition.name and board.licence != competition.licence:
        told = f"people have submitted under the licence of {board.competition}; {remedy}"
        yield _change(Kind.REFUSED, what, told)
    if board.problem != spec.problem:
        told = f"people have submitted to it for the problem {board.problem}; {remedy}"
        yield _change(Kind.REFUSED, what, told)
    promised, wanted = board.code_opens_at, spec.code_opens
    if wanted is not None and (promised is None or wanted < promised):
        told = (
            f"code was to open {promised or 'never'}, and people have submitted; "
            "only a later time is possible"
        )
        yield _change(Kind.REFUSED, what, told)


def _taken(
    what: str, board: Row[Any], catalog: Catalog, now: _Now, source: Source
) -> Iterator[Change]:
    """A leaderboard may move between competitions of one source that are changed together."""
    ours = now.competitions[board.competition].source == source.name
    together = board.competition in catalog.competitions or (
        ours and (source.whole or board.retired)
    )
    theirs = now.competitions[board.competition].source
    if together or _takes(source, theirs):
        yield _change(Kind.CHANGED, what, f"moves from {board.competition}")
    else:
        remedy = _elsewhere(source, theirs, "give this one another name with 'leaderboard: ...'")
        detail = f"belongs to the competition {board.competition}; {remedy}"
        yield _change(Kind.REFUSED, what, detail)


def _takes(source: Source, theirs: str) -> bool:
    """Whether what comes from another source may be taken over."""
    return source.takes_over and not (source.spares_own and not theirs)


def _elsewhere(source: Source, theirs: str, remedy: str) -> str:
    if source.spares_own and not theirs:
        return f"{remedy}, or change it in that folder: it is read at each start"
    return f"{remedy}, or take it over with --take-over"


def _of_version(what: str, board: Row[Any], problem: Problem, now: _Now) -> Iterator[Change]:
    if board.problem_digest != problem.digest:
        ranked, again = now.measured.get(board.id, 0), now.again.get(board.id, 0)
        measured = f", those of {again} are measured again" if again else ", none is measured again"
        if again == ranked:
            measured = " and are measured again"
        kept = f"results of {ranked} people stay with the old one{measured}"
        detail = f"a new version of {problem.name}; {kept}"
        yield _change(Kind.REMEASURED, what, detail)
    elif board.content_digest != problem.content_digest:
        yield _change(Kind.CHANGED, what, f"texts or examples of {problem.name}")


def _change(kind: Kind, what: str, detail: str) -> Change:
    return Change(kind=kind, what=what, detail=detail)
