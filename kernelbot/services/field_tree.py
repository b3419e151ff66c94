"""A checkout of the field's problems from disk, read-only: problem sets and the folders they name.

::

    ROOT/
      SET.yaml             which problems, on which GPUs, until when
      GROUP/eval.py        shared files: a task may use any file of the tree
      GROUP/NAME/task.yml, reference.py, task.py ...
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from kernelbot.domain.competition import Competition, LeaderboardSpec
from kernelbot.domain.definition import DefinitionErrors, Flaw
from kernelbot.domain.field import TASK_FILE, Fetch, read_task
from kernelbot.domain.field_set import Entry, is_set, read_set
from kernelbot.domain.problem import Problem
from kernelbot.domain.target import spellings
from kernelbot.services.reading import read_document, read_regular, together_with

MAX_FILE_BYTES = 1 << 20
CLIMBING = 4
"""How many folders above a task its tree is looked for."""


@dataclass(frozen=True, kw_only=True)
class FieldSet:
    """One problem set with its problems by leaderboard name, and what is worth knowing about itself."""

    competition: Competition
    problems: Mapping[str, Problem]
    notes: tuple[Flaw, ...]


def set_files(root: Path) -> list[Path]:
    """The problem sets of a tree; a file that shows neither to be one nor a competition is taken for one."""
    files = (file for file in root.glob("*.yaml") if not file.name.startswith("."))
    return sorted(file for file in files if kind_of(file) is not False)


def kind_of(file: Path) -> bool | None:
    """Whether a file is a problem set; False: a competition; None: it cannot be told, or not be read."""
    try:
        return is_set(read_document(file, file.name)[0])
    except DefinitionErrors:
        return None


def load_task(
    folder: Path,
    *,
    root: Path | None = None,
    name: str = "",
    shown: str = "",
) -> Problem:
    """The problem in a folder with a ``task.yml``, with notes on it.

    ``root`` is the tree its files may come from; without one the nearest folder above that holds a
    problem set. ``name`` is the leaderboard's, ``shown`` the folder as messages name it. Raises
    DefinitionErrors with everything wrong with it.
    """
    folder = folder.resolve()
    root = (root or root_of(folder)).resolve()
    place = f"{shown or folder.as_posix()}/{TASK_FILE}"
    document, flaws = read_document(folder / TASK_FILE, place)
    with together_with(flaws):
        return read_task(
            document,
            name=name or folder.name.lower(),
            directory=folder.relative_to(root).as_posix(),
            fetch=_fetching(root),
            place=place,
        )


def load_set(file: Path, *, known: Collection[str] | None = None) -> FieldSet:
    """The problem set in a file with all its problems. Raises DefinitionErrors with every flaw."""
    root = file.parent.resolve()
    shown = f"{root.name}/{file.name}"
    document, flaws = read_document(file, shown)
    found = read_set(document, stem=file.stem, place=shown, known=known)
    flaws += found.flaws
    problems: dict[str, Problem] = {}
    for entry in found.entries:
        if not entry.directory:  # said already
            continue
        try:
            problems[entry.name] = _entry(root, entry, shown)
        except DefinitionErrors as errors:
            flaws += errors.flaws
    if flaws:
        raise DefinitionErrors(flaws)
    return FieldSet(
        competition=_with_default_gpus(found.competition, problems, spellings(known or ())),
        problems=problems,
        notes=found.notes,
    )


def _entry(root: Path, entry: Entry, file: str) -> Problem:
    folder = root / entry.directory
    if not folder.resolve().is_relative_to(root) or not (folder / TASK_FILE).is_file():
        reason = f"there is no {TASK_FILE} in {entry.directory!r}"
        remedy = "Give the folder of a problem, from the folder of this file"
        raise DefinitionErrors(
            [Flaw(file=file, line=entry.line, path="problems", reason=reason, remedy=remedy)]
        )
    shown = f"{root.name}/{entry.directory}"
    return load_task(folder, root=root, name=entry.name, shown=shown)


def _with_default_gpus(
    competition: Competition, problems: Mapping[str, Problem], names: Mapping[str, str]
) -> Competition:
    """A task's own GPUs stand in where its set names none, as this site calls them."""

    def own(board: LeaderboardSpec) -> tuple[str, ...]:
        task = problems[board.name].task
        labels = task.gpus if task else ()
        return tuple(dict.fromkeys(names.get(gpu.lower(), gpu) for gpu in labels))

    boards = tuple(
        replace(board, gpus=board.gpus or own(board)) for board in competition.leaderboards
    )
    return replace(competition, leaderboards=boards)


def root_of(folder: Path) -> Path:
    """Where the tree begins that a task's folder belongs to: a set's file lies there."""
    above = folder.parents[:CLIMBING]
    return next((parent for parent in above if set_files(parent)), folder.parent)


def _fetching(root: Path) -> Fetch:
    """Reads files by their path from the root, following links only inside the tree."""

    def fetch(path: str) -> bytes | str:
        try:
            file = (root / posixpath.normpath(path)).resolve(strict=True)
        except (OSError, RuntimeError):
            return "is missing"
        if not file.is_relative_to(root):
            return "is a link that leaves the tree of problems"
        content = read_regular(file, path, MAX_FILE_BYTES)
        return content.reason if isinstance(content, Flaw) else content

    return fetch
