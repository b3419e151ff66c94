"""``kernelbot problem``: for authors, without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kernelbot.cli.exits import Exit
from kernelbot.cli.options import AsJson, Device
from kernelbot.cli.screen import clean, document, note, result

problem_app = typer.Typer(
    help="Write problems and check them, without a server.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
Root = Annotated[Path, typer.Option("--dir", metavar="DIR", help="Where problems lie.")]
PROBLEMS = Path("problems")


@problem_app.command("new")
def new_problem(
    name: Annotated[str, typer.Argument(metavar="NAME", help="a-z, 0-9, _ and -.")],
    root: Root = PROBLEMS,
) -> None:
    """Make a problem to begin with: complete, small, and fit to be published as it is."""
    from kernelbot.cli import problem_new

    made = problem_new.make(name, root)
    note("Change the reference, the cases and the statement; then check it again and again:")
    note(f"  kernelbot problem check {clean(made)}")
    result(clean(made))


@problem_app.command("import")
def import_problem(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="A .py file with Model and get_inputs, or a definition.json, or a folder with one.",
        ),
    ],
    workloads: Annotated[
        Path | None,
        typer.Option("--workloads", metavar="FILE", help="Workloads of a definition, one a line."),
    ] = None,
    name: Annotated[str, typer.Option("--name", help="Of the problem; a-z, 0-9, _ and -.")] = "",
    root: Root = PROBLEMS,
) -> None:
    """Make a problem of a task in the form of KernelBench, FlashInfer-Bench or SOL-ExecBench."""
    from kernelbot.cli import problem_import

    imported, made = problem_import.bring(source, workloads, name, root)
    for text in imported.notes:
        note(text)
    note("Read the statement and the cases, then see whether its check holds:")
    note(f"  kernelbot problem check {clean(made)}")
    result(clean(made))


@problem_app.command("check")
def check_problem(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="Folders with a problem.yaml.")
    ],
    device: Device = "cpu",
    examples: Annotated[
        bool, typer.Option("--examples/--no-examples", help="Judge examples and starters too.")
    ] = True,
    record: Annotated[
        bool, typer.Option("--record", help="Note what is fit in checked.json beside the folders.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Whether problems are fit to be published: do their checks refuse what is not computed?"""
    from kernelbot.cli import problem_check, problem_report

    if record:
        problem_check.demand_whole(examples=examples)
    checked = problem_check.check(folders, device, examples=examples)
    if as_json:
        document(problem_report.documents(checked))
    else:
        for item in checked:
            problem_report.show(item)
    if record:
        for path in problem_check.record(checked, device):
            note(f"Noted in {clean(path)}.")
        for item in checked:
            if item.fit and item.untested:
                note(f"{clean(item.folder)} is not noted: it was not checked, {item.untested}.")
    raise typer.Exit(Exit.PASSED if all(item.fit for item in checked) else Exit.REFUSED)
