"""``kernelbot admin intake``: pause and resume taking submissions."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from kernelbot.cli.options import AsJson, Token, Url, connect
from kernelbot.cli.screen import clean, document, note, result, table

intake_app = typer.Typer(
    help="Whether GPU kinds take submissions.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
Reason = Annotated[str, typer.Argument(metavar="REASON", help="Shown to whoever submits.")]
Gpu = Annotated[str | None, typer.Option("--gpu", help="Only this kind. Else all of them.")]


@intake_app.command()
def pause(
    reason: Reason,
    gpu: Gpu = None,
    hold: Annotated[
        bool,
        typer.Option(
            "--hold", help="Begin nothing of what waits either; it keeps its place in the queue."
        ),
    ] = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Take no submissions; what runs ends, and what waits is judged unless it is held."""
    with connect(url, token) as server:
        body: dict[str, Any] = {"gpu": gpu, "reason": reason, "hold": hold}
        server.post("/v1/admin/intake/pause", body, repeat=True)
    waits = "is held" if hold else "is judged"
    result(f"{_what(gpu)} take{'s' if gpu else ''} no submissions; what waits {waits}.")


@intake_app.command()
def resume(gpu: Gpu = None, url: Url = None, token: Token = None) -> None:
    """Take submissions again, and begin what was held."""
    with connect(url, token) as server:
        server.post("/v1/admin/intake/resume", {"gpu": gpu})
    result(f"{_what(gpu)} take{'s' if gpu else ''} submissions again.")


@intake_app.command("list")
def list_pauses(as_json: AsJson = False, url: Url = None, token: Token = None) -> None:
    """What is paused now."""
    from kernelbot.cli.render import moment

    with connect(url, token) as server:
        found = server.get("/v1/admin/intake")
    if as_json:
        document(found)
        return
    if not found["items"]:
        note("Nothing is paused.")
        return
    table(
        ("GPU", "What waits", "Since", "By", "Reason"),
        [
            (
                _what(item["gpu"]),
                "is held" if item["holds"] else "is judged",
                moment(item["since"]),
                item["paused_by"],
                item["reason"],
            )
            for item in found["items"]
        ],
    )


def _what(gpu: str | None) -> str:
    return clean(gpu) if gpu else "All GPUs"
