"""``kernelbot problem import``: a task of another collection becomes a problem folder."""

from __future__ import annotations

from pathlib import Path

from kernelbot.checking.skeleton import RESERVED
from kernelbot.cli import problem_new
from kernelbot.cli.failure import Declined
from kernelbot.cli.screen import clean
from kernelbot.domain.problem import NAME, NAME_WORDS
from kernelbot.importing import definition_task, model_task
from kernelbot.importing.definition import DEFINITION_FILE, WORKLOAD_FILES
from kernelbot.importing.folder import Imported, name_of

MAX_SOURCE = 1 << 20
MAX_WORKLOADS = 32 << 20


def bring(source: Path, workloads: Path | None, name: str, root: Path) -> tuple[Imported, Path]:
    """What was made of ``source``, and its new folder. Raises Declined and DefinitionErrors."""
    if name and (not NAME.fullmatch(name) or name in RESERVED):
        raise Declined(f"{clean(name)} cannot be the name of a problem. Use {NAME_WORDS}.")
    if source.is_dir():
        source /= DEFINITION_FILE
    if source.suffix == ".json":
        imported = _of_definition(source, workloads, name)
    elif workloads is not None:
        raise Declined("--workloads belongs to a definition.json; a .py file has none.")
    else:
        called = name or name_of(source.stem)
        if not called:
            raise Declined(f"Nothing of {clean(source.stem)} can be a name. Give one with --name.")
        imported = model_task.imported(_read(source, MAX_SOURCE), name=called, file=clean(source))
    return imported, problem_new.put(imported.files, imported.name, root)


def _of_definition(source: Path, workloads: Path | None, name: str) -> Imported:
    if workloads is None:
        beside = [source.with_name(file) for file in WORKLOAD_FILES]
        workloads = next((file for file in beside if file.is_file()), None)
    if workloads is None:
        raise Declined(
            f"No {' or '.join(WORKLOAD_FILES)} lies beside {clean(source)}. "
            "Say where the workloads are with --workloads.",
            code="no_workloads",
        )
    return definition_task.imported(
        _read(source, MAX_SOURCE),
        _read(workloads, MAX_WORKLOADS),
        name=name,
        file=clean(source),
        lines=clean(workloads),
    )


def _read(file: Path, limit: int) -> bytes:
    try:
        with file.open("rb") as opened:
            content = opened.read(limit + 1)
    except OSError as error:
        raise Declined(f"{clean(file)} cannot be read: {error.strerror}.") from None
    if len(content) > limit:
        raise Declined(f"{clean(file)} has more than {limit >> 20} MiB.")
    return content
