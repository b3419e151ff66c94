"""``kernelbot competition``: read competitions, let people in, and publish definition files."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from kernelbot.cli.exits import Exit
from kernelbot.cli.options import AsJson, Days, Most, Token, Url, collected, connect, segment
from kernelbot.cli.screen import clean, document, note, result

competition_app = typer.Typer(
    help="Competitions: rules, standings across problems, codes; check and publish their files.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The competition.")]
Files = Annotated[
    str,
    typer.Argument(
        metavar="FILE|DIR|URL",
        help="A competition's file, a folder with competitions/, or a git repository: "
        "ADDRESS, ADDRESS#REF or ADDRESS#REF:FOLDER; REF is a branch, a tag or a full commit id.",
    ),
]

TakeOver = Annotated[
    bool,
    typer.Option(
        "--take-over", help="Competitions and leaderboards too that came from somewhere else."
    ),
]


# --- reading -------------------------------------------------------------------------------------


@competition_app.command("list")
def list_competitions(as_json: AsJson = False, url: Url = None, token: Token = None) -> None:
    """The competitions that you may see."""
    from kernelbot.cli import render_competition

    with connect(url, token) as server:
        found = server.get("/v1/competitions")
    if as_json:
        document(found)
    else:
        render_competition.competitions(found["items"])


@competition_app.command()
def show(name: Name, as_json: AsJson = False, url: Url = None, token: Token = None) -> None:
    """One competition: rules, windows, leaderboards, prizes."""
    from kernelbot.cli import render_competition

    with connect(url, token) as server:
        found = server.get(f"/v1/competitions/{segment(name)}")
    if as_json:
        document(found)
    else:
        render_competition.competition(found)


@competition_app.command("standings")
def show_standings(
    name: Name,
    phase: Annotated[
        str | None, typer.Option("--phase", help="Else the last one that began.")
    ] = None,
    limit: Most = 50,
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Who is where across the problems of a competition."""
    from kernelbot.cli import render_competition

    with connect(url, token) as server:
        path = f"/v1/competitions/{segment(name)}/standings"
        found = collected(server, path, limit, phase=phase)
    if as_json:
        document(found)
    else:
        render_competition.standings(found)


# --- letting people in ---------------------------------------------------------------------------


@competition_app.command()
def invite(
    name: Name,
    people: Annotated[
        int | None,
        typer.Option(
            "--people", min=1, max=1_000_000, help="How many may use it. Else any number."
        ),
    ] = None,
    days: Days = None,
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Make a code that lets people in; print it, this once. Needs an administrator's token."""
    wish = {key: value for key, value in {"most": people, "days": days}.items() if value}
    with connect(url, token) as server:
        made = server.post(_invites(name), wish)
    if as_json:
        document(made)
        return
    note(f"Code {made['id']}, shown this once. With it: kernelbot join {clean(name)} CODE")
    result(clean(made["code"]))


@competition_app.command()
def invites(name: Name, as_json: AsJson = False, url: Url = None, token: Token = None) -> None:
    """The codes of a competition, without the codes themselves."""
    from kernelbot.cli import render_competition

    with connect(url, token) as server:
        found = server.get(_invites(name))
    if as_json:
        document(found)
    else:
        render_competition.invites(found["items"])


@competition_app.command()
def revoke(
    name: Name,
    invite_id: Annotated[int, typer.Argument(min=1, max=2**63 - 1, metavar="ID")],
    url: Url = None,
    token: Token = None,
) -> None:
    """Let nobody else in with a code; who came in stays."""
    with connect(url, token) as server:
        server.delete(f"{_invites(name)}/{invite_id}")
    result(f"Code {invite_id} lets nobody in any more.")


def _invites(name: str) -> str:
    return f"/v1/admin/competitions/{segment(name)}/invites"


# --- publishing ----------------------------------------------------------------------------------


@competition_app.command()
def check(source: Files, as_json: AsJson = False) -> None:
    """Whether the files are right. Needs no server."""
    from kernelbot.cli import competition_files

    boards = competition_files.check(source)
    if as_json:
        document({"leaderboards": boards})
    else:
        result(f"No mistakes. Leaderboards: {clean(', '.join(boards))}.")


@competition_app.command()
def plan(source: Files, take_over: TakeOver = False, as_json: AsJson = False) -> None:
    """What `apply` would change, re-measure or refuse; on the machine of the installation."""
    from kernelbot.cli import competition_files

    found = competition_files.plan(source, take_over=take_over)
    _tell(found, as_json)
    raise typer.Exit(Exit.REFUSED if found.refusals else Exit.PASSED)


@competition_app.command()
def apply(
    source: Files,
    unchecked: Annotated[
        bool,
        typer.Option(
            "--unchecked", help="Problems too that `kernelbot problem check` refuses or never saw."
        ),
    ] = False,
    accepted: Annotated[
        list[str] | None,
        typer.Option(
            "--accept-vacuous",
            metavar="NAME",
            help="A problem whose check takes what is not computed, as you want it; may be repeated.",
        ),
    ] = None,
    take_over: TakeOver = False,
    as_json: AsJson = False,
) -> None:
    """Publish the files, all or nothing; on the machine of the installation."""
    from kernelbot.cli import competition_files

    done = competition_files.apply(
        source, unchecked=unchecked, take_over=take_over, accepted=accepted or ()
    )
    _tell(done, as_json)


@competition_app.command()
def hide(name: Name) -> None:
    """Take a competition off every list; its results stay. On the machine of the installation."""
    from kernelbot.cli import competition_files

    done = competition_files.hide(name)
    result(f"{clean(name)} is hidden until its files are applied again.")
    if done.own:
        note(
            "The next start shows it again: it comes from the installation's own folder, which is published at each "
            "start. Take its file out of there too."
        )


def _tell(found: Any, as_json: bool) -> None:
    from kernelbot.cli import render_competition
    from kernelbot.judge.protocol import to_json

    if as_json:
        document(to_json(found))
    else:
        render_competition.plan(found)
