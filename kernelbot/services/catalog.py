"""Problems and competitions from disk, checked, as values. Read-only; knows no database.

::

    problems/
      competitions/*.yaml
      NAME/problem.yaml, statement.md, reference.py, starter/, examples/
      shared/*               what links of several problems point to
      *.yaml                 problem sets of the field (field_tree.py), if it is such a tree

Files are opened without following links out of their folder, but for those to ``shared``, and without
waiting on anything that is not a regular file: a problem folder may come from a stranger's repository.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from kernelbot.domain.competition import Competition
from kernelbot.domain.competition_file import read_competition
from kernelbot.domain.competition_scoring import Share
from kernelbot.domain.definition import DefinitionErrors, Flaw, Node
from kernelbot.domain.field import TASK_FILE
from kernelbot.domain.problem import PROBLEM_FILE, Problem
from kernelbot.domain.problem_file import read_problem
from kernelbot.services import field_tree
from kernelbot.services.located_yaml import decode, parse
from kernelbot.services.reading import read_document, read_regular, together_with, why

COMPETITIONS_DIR = "competitions"
SHARED_DIR = "shared"
PROBLEMS_DIR = "problems"
BESIDE_PROBLEMS = (COMPETITIONS_DIR, SHARED_DIR)
"""Folders between those of the problems that are none."""

MAX_FILE_BYTES = 1 << 20
MAX_FOLDER_BYTES = 8 << 20
MAX_FILES = 200
MAX_FOLDER_DEPTH = 10

_TEXT_SUFFIXES = (".py", ".md", ".yaml", ".yml", ".cu", ".hip", ".cuh", ".h", ".txt")
_LEFT_BEHIND = (
    "__pycache__",
)  # what tools leave in a folder; also everything beginning with a dot


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """Everything under one ``problems/``, by name."""

    problems: Mapping[str, Problem]
    competitions: Mapping[str, Competition]
    notes_on_sets: tuple[Flaw, ...] = ()

    def limited_to(self, problems: Collection[str]) -> Catalog:
        """Without the leaderboards of other problems, and competitions that have none left."""
        limited = {
            name: replace(
                competition,
                leaderboards=tuple(
                    board for board in competition.leaderboards if board.problem in problems
                ),
            )
            for name, competition in self.competitions.items()
        }
        kept = {name: item for name, item in limited.items() if item.leaderboards}
        return replace(self, competitions=kept)

    @property
    def notes(self) -> list[Flaw]:
        """What is right in files of the field and will surprise."""
        on_problems = [note for problem in self.problems.values() for note in problem.notes]
        return list(dict.fromkeys([*self.notes_on_sets, *on_problems]))

    @property
    def leaderboards(self) -> list[str]:
        """The names of all of them."""
        return [
            board.name
            for competition in self.competitions.values()
            for board in competition.leaderboards
        ]


def load_problem(path: Path, *, shown: str = "") -> Problem:
    """The problem in the folder ``path``; ``shown`` is how messages name it.

    Raises DefinitionErrors with everything wrong with it.
    """
    folder = path.resolve()
    if not (folder / PROBLEM_FILE).exists() and (folder / TASK_FILE).exists():
        return field_tree.load_task(folder, shown=shown or path.as_posix())
    place = shown or path.as_posix()
    files, flaws = _read_folder(folder, place)
    content = files.get(PROBLEM_FILE)
    if content is None:
        if not flaws:
            remedy = f"A problem is a folder with a {PROBLEM_FILE}; see problems/README.md"
            flaws.append(Flaw(file=f"{place}/{PROBLEM_FILE}", reason="is missing", remedy=remedy))
        raise DefinitionErrors(flaws)
    document, yaml_flaws = parse(content, f"{place}/{PROBLEM_FILE}")
    flaws += yaml_flaws
    if document is None:
        raise DefinitionErrors(flaws)
    with together_with(flaws):
        return read_problem(document, folder=folder.name, files=files, place=place)


def root_of(folder: Path) -> Path:
    """Where the tree begins that a problem's folder belongs to."""
    folder = folder.resolve()
    return folder.parent if (folder / PROBLEM_FILE).exists() else field_tree.root_of(folder)


def tree_in(folder: Path) -> Path:
    """The tree that a folder or a whole repository holds: itself, or its ``problems`` where only that
    defines competitions."""
    inner = folder / PROBLEMS_DIR
    return inner if _defines(inner) and not _defines(folder) else folder


def _defines(folder: Path) -> bool:
    """Whether competitions or problem sets are defined in a folder; other files may lie in it too."""
    return (folder / COMPETITIONS_DIR).is_dir() or any(
        field_tree.kind_of(file) is not None for file in _yaml_files(folder)
    )


def load_competition(
    path: Path, problems: Collection[str], gpus: Collection[str], *, shown: str = ""
) -> Competition:
    """The competition in the file ``path``.

    ``problems`` are the names that exist (a mapping by name will do), ``gpus`` the known targets.
    Raises DefinitionErrors with everything wrong with it.
    """
    place = shown or path.as_posix()
    document, flaws = read_document(path, place)
    with together_with(flaws):
        return read_competition(document, place=place, problems=problems, gpus=gpus)


NOTHING: Mapping[str, Problem] = {}


def load_one(
    file: Path,
    gpus: Collection[str],
    library: Path | None,
    published: Mapping[str, Problem] = NOTHING,
    *,
    shown: str = "",
) -> Catalog:
    """One competition with the problems it names: those of its own tree (the folder it lies in, or the
    one above if that is ``competitions``), else the ``published`` ones, else of the ``library``; or one
    problem set of the field. ``shown`` is how messages name the file. Raises DefinitionErrors."""
    if field_tree.kind_of(file):
        found = field_tree.load_set(file, known=gpus)
        competition = found.competition
        return Catalog(
            problems=found.problems,
            competitions={competition.name: competition},
            notes_on_sets=found.notes,
        )
    root = file.parent.parent if file.parent.name == COMPETITIONS_DIR else file.parent
    own = _folders_by_name(root)
    folders = _borrowed(library, published) | own
    place = shown or file.as_posix()
    flaws: list[Flaw] = []
    competition = load_competition(file, {*folders, *published}, gpus, shown=place)
    problems = _load_named(competition, folders, flaws)
    problems |= _named(competition, published, own)
    flaws += _unlit(competition, place, problems)
    if flaws:
        raise DefinitionErrors(flaws)
    return Catalog(problems=problems, competitions={competition.name: competition})


def _unlit(competition: Competition, file: str, problems: Mapping[str, Problem]) -> Iterator[Flaw]:
    """Problems that are to be scored by the speed of light, and say none."""
    scoring = competition.scoring
    if scoring is None or scoring.share is not Share.SPEED_OF_LIGHT:
        return
    for name in dict.fromkeys(board.problem for board in competition.leaderboards):
        if name in problems and problems[name].speed_of_light is None:
            reason = (
                f"{name!r} does not say the least work of its cases, so nobody has a share of it"
            )
            remedy = f"Add 'speed_of_light:' to {name}/{PROBLEM_FILE}, or score by another share"
            yield Flaw(file=file, path="scoring.share", reason=reason, remedy=remedy)


def _borrowed(library: Path | None, published: Collection[str]) -> dict[str, Path]:
    """The library's problems, but for those that are there as they are published."""
    folders = _folders_by_name(library) if library else {}
    return {name: folder for name, folder in folders.items() if name not in published}


def _named(
    competition: Competition, published: Mapping[str, Problem], own: Collection[str]
) -> dict[str, Problem]:
    """Those of the published problems that a competition names and that are not its tree's own."""
    names = {board.problem for board in competition.leaderboards} - set(own)
    return {name: published[name] for name in names & published.keys()}


def words_of(root: Path) -> set[str]:
    """Everything that stands as a text in the competitions of a tree: the names of problems are among it."""
    found: set[str] = set()

    def read(node: Node) -> None:
        if isinstance(node.value, str):
            found.add(node.value)
        for item in _inner(node):
            read(item)

    for file in _competition_files(root):
        with contextlib.suppress(DefinitionErrors):  # told of by whoever loads it
            read(read_document(file, file.name)[0])
    return found


def _inner(node: Node) -> Collection[Node]:
    if isinstance(node.value, dict):
        return node.value.values()
    return node.value if isinstance(node.value, list) else ()


def _folders_by_name(root: Path) -> dict[str, Path]:
    found = [*root.glob(f"{PROBLEMS_DIR}/*/{PROBLEM_FILE}"), *root.glob(f"*/{PROBLEM_FILE}")]
    return {file.parent.name: file.parent for file in sorted(found)}


def _load_named(
    competition: Competition, folders: Mapping[str, Path], flaws: list[Flaw]
) -> dict[str, Problem]:
    problems = {}
    for name in {board.problem for board in competition.leaderboards} & folders.keys():
        try:
            problems[name] = load_problem(folders[name])
        except DefinitionErrors as errors:
            flaws += errors.flaws
    return problems


def load_catalog(
    root: Path,
    gpus: Collection[str],
    library: Path | None = None,
    published: Mapping[str, Problem] = NOTHING,
) -> Catalog:
    """Every problem and competition under ``root``; its competitions may name problems too that are
    ``published``, or else in the ``library``.

    A folder ``competitions`` may be given by itself: the problems are those beside it.
    Raises DefinitionErrors with everything wrong with any of them: nothing is published from a
    tree that is half right.
    """
    borrowed = _borrowed(library, published)
    beside = root.name == COMPETITIONS_DIR
    if beside:
        borrowed |= _folders_by_name(root.parent)
    flaws: list[Flaw] = []
    sets = [_load_set(file, gpus, flaws) for file in field_tree.set_files(root)]
    folders = _problem_folders(root, flaws)
    if sets or beside:  # what its sets do not name is theirs to keep: shared files, drafts
        folders = [folder for folder in folders if (folder / PROBLEM_FILE).exists()]
    problems: dict[str, Problem] = {}
    for folder in folders:
        try:
            shown = f"{root.name}/{folder.relative_to(root).as_posix()}"
            problems[folder.name] = load_problem(folder, shown=shown)
        except DefinitionErrors as errors:
            flaws += errors.flaws
    competitions: dict[str, Competition] = {}
    owners: dict[str, str] = {}
    # A folder that does not load exists all the same: its competition is not wrong as well.
    names = [folder.name for folder in folders]
    borrowed = {name: folder for name, folder in borrowed.items() if name not in names}
    for file in _competition_files(root):
        shown = f"{root.name}/{file.relative_to(root).as_posix()}"
        try:
            known = {*names, *borrowed, *published}
            competition = load_competition(file, known, gpus, shown=shown)
        except DefinitionErrors as errors:
            flaws += errors.flaws
            continue
        borrows = _named(competition, published, {*names, *borrowed})
        problems = _load_named(competition, borrowed, flaws) | borrows | problems
        flaws += _unlit(competition, shown, problems)
        flaws += _doubled_names(competition, shown, competitions, owners)
        competitions[competition.name] = competition
    for found in filter(None, sets):
        shown = f"{root.name}/{found.competition.name}.yaml"
        flaws += _doubled_names(found.competition, shown, competitions, owners)
        flaws += _doubled_problems(found.problems, shown, problems)
        competitions[found.competition.name] = found.competition
        problems |= found.problems
    if flaws:
        raise DefinitionErrors(flaws)
    notes = tuple(note for found in sets if found for note in found.notes)
    return Catalog(problems=problems, competitions=competitions, notes_on_sets=notes)


def _load_set(file: Path, gpus: Collection[str], flaws: list[Flaw]) -> field_tree.FieldSet | None:
    try:
        return field_tree.load_set(file, known=gpus)
    except DefinitionErrors as errors:
        flaws += errors.flaws
        return None


def _doubled_problems(
    names: Collection[str], file: str, problems: Collection[str]
) -> Iterator[Flaw]:
    for name in names:
        if name in problems:
            reason = f"another file already defines the problem {name!r}"
            yield Flaw(file=file, path="problems", reason=reason, remedy="Rename one of them")


def _doubled_names(
    competition: Competition,
    file: str,
    competitions: Mapping[str, Competition],
    owners: dict[str, str],
) -> Iterator[Flaw]:
    """Names are addresses: ``submit --leaderboard NAME`` says no competition."""
    if competition.name in competitions:
        reason = f"another file already defines the competition {competition.name!r}"
        yield Flaw(file=file, path="name", reason=reason, remedy="Rename one of them")
    for board in competition.leaderboards:
        if board.name in owners:
            reason = f"the leaderboard {board.name!r} already belongs to {owners[board.name]!r}"
            remedy = "Give it another name with 'leaderboard: ...'"
            yield Flaw(file=file, path="problems", reason=reason, remedy=remedy)
        else:
            owners[board.name] = competition.name


def _problem_folders(root: Path, flaws: list[Flaw]) -> list[Path]:
    """Those in ``root``; and those in its ``problems``, where that is no problem itself."""
    try:
        entries = sorted(root.iterdir())
    except OSError as error:
        remedy = "Give the folder that holds the problems"
        flaws.append(
            Flaw(file=root.as_posix(), reason=f"cannot be read: {why(error)}", remedy=remedy)
        )
        return []
    folders = [entry for entry in entries if entry.is_dir() and not _is_left_behind(entry.name)]
    for link in [folder for folder in folders if folder.is_symlink()]:
        shown = f"{root.name}/{link.name}"
        flaws.append(
            Flaw(file=shown, reason="is a link to a folder", remedy="Copy the folder here")
        )
        folders.remove(link)
    inner = root / PROBLEMS_DIR
    if inner in folders and not (inner / PROBLEM_FILE).exists():
        folders.remove(inner)
        folders += _problem_folders(inner, flaws)
    return [folder for folder in folders if folder.name not in BESIDE_PROBLEMS]


def _competition_files(root: Path) -> list[Path]:
    """Those of a tree in their folder; and those in ``root`` itself that are no problem sets."""
    folder = root / COMPETITIONS_DIR
    found = [file for file in _yaml_files(root) if field_tree.kind_of(file) is False]
    if folder.is_dir() and not folder.is_symlink():
        found += _yaml_files(folder)
    return found


def _yaml_files(folder: Path) -> list[Path]:
    return sorted(
        entry
        for entry in folder.glob("*")
        if entry.suffix in {".yaml", ".yml"} and not _is_left_behind(entry.name)
    )


def _is_left_behind(name: str) -> bool:
    return name.startswith(".") or name in _LEFT_BEHIND


# --- files -------------------------------------------------------------------------------------


def _read_folder(folder: Path, place: str) -> tuple[dict[str, bytes], list[Flaw]]:
    """Every file under a folder by relative path, within the bounds; and what is wrong with them."""
    files: dict[str, bytes] = {}
    flaws: list[Flaw] = []
    total = 0
    for path in _walk(folder, place, flaws):
        name = path.relative_to(folder).as_posix()
        if len(files) >= MAX_FILES:
            reason = f"holds more than {MAX_FILES} files"
            flaws.append(
                Flaw(file=place, reason=reason, remedy="Remove what the problem does not need")
            )
            break
        content = _read_file(folder, path, f"{place}/{name}")
        if isinstance(content, Flaw):
            flaws.append(content)
            continue
        total += len(content)
        if total > MAX_FOLDER_BYTES:
            reason = f"holds more than {MAX_FOLDER_BYTES >> 20} MiB"
            flaws.append(
                Flaw(file=place, reason=reason, remedy="Generate data instead of shipping it")
            )
            break
        # problem.yaml is decoded, and its encoding judged, when it is parsed.
        if name.endswith(_TEXT_SUFFIXES) and name != PROBLEM_FILE:
            undecodable = decode(content, f"{place}/{name}")[1]
            if undecodable:
                flaws.append(undecodable)
        files[name] = content
    return files, flaws


def _walk(folder: Path, place: str, flaws: list[Flaw], depth: int = 0) -> Iterator[Path]:
    """Files below a folder in a fixed order; folders that are links are not entered."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        remedy = "Give the folder of a problem"
        flaws.append(Flaw(file=place, reason=f"cannot be read: {why(error)}", remedy=remedy))
        return
    for entry in entries:
        if _is_left_behind(entry.name):
            continue
        if not entry.name.isprintable():
            reason = f"holds a file named {entry.name!r}"
            flaws.append(Flaw(file=place, reason=reason, remedy="Rename it with printable letters"))
            continue
        inner = f"{place}/{entry.name}"
        if not os.path.isdir(entry.path):  # unlike entry.is_dir(), False for a link in a circle
            yield Path(entry.path)
        elif entry.is_symlink():
            remedy = "Copy the folder here"
            flaws.append(Flaw(file=inner, reason="is a link to a folder", remedy=remedy))
        elif depth >= MAX_FOLDER_DEPTH:
            reason = f"is nested more than {MAX_FOLDER_DEPTH} folders deep"
            flaws.append(Flaw(file=inner, reason=reason, remedy="Flatten it"))
        else:
            yield from _walk(Path(entry.path), inner, flaws, depth + 1)


def _read_file(folder: Path, path: Path, shown: str) -> bytes | Flaw:
    """A file's bytes; a link is followed only to a file of the same folder or a shared one beside it."""
    if path.is_symlink():
        try:
            target = path.resolve(strict=True)
        except (OSError, RuntimeError):
            return Flaw(file=shown, reason="is a link to nothing", remedy="Copy the file here")
        if folder not in target.parents and target.parent != folder.parent / SHARED_DIR:
            reason = "is a link that leaves the problem's folder"
            return Flaw(file=shown, reason=reason, remedy="Copy the file here")
        path = target
    return read_regular(path, shown, MAX_FILE_BYTES)
