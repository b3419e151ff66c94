"""``kernelbot admin runner``: which machines may judge."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from kernelbot.cli.options import AsJson, Token, Url, connect, segment
from kernelbot.cli.screen import clean, document, note, result, table

runner_app = typer.Typer(
    help="Machines that ask for work over HTTPS.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
RunnerName = Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits, '_', '.', '-'.")]


@runner_app.command()
def create(
    name: RunnerName,
    targets: Annotated[
        list[str], typer.Option("--targets", help="GPU kinds that it may judge: H200,H200x4.")
    ],
    trusted: Annotated[
        bool, typer.Option("--trusted", help="Its results need no other machine's word.")
    ] = False,
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Let a machine in and print what to paste on it, this once."""
    kinds = [word.strip() for text in targets for word in text.split(",") if word.strip()]
    with connect(url, token) as server:
        made = server.post(
            "/v1/admin/runners", {"name": name, "targets": kinds, "trusted": trusted}
        )
    if as_json:
        document(made)
        return
    note(f"{clean(made['name'])} may judge for {', '.join(made['targets'])}. On that machine:")
    note("")
    result(clean(made["command"], lines=True))
    note("")
    note("The token is shown this once. docs/adding-a-gpu.md tells what the machine should have.")


@runner_app.command("list")
def list_runners(
    revoked: Annotated[
        bool, typer.Option("--revoked", help="Those too that were shut out.")
    ] = False,
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """The machines that were let in: what they have, what they do."""
    from kernelbot.cli.render import moment

    with connect(url, token) as server:
        found = server.get("/v1/admin/runners", revoked=revoked)
    if as_json:
        document(found)
        return
    if not found["items"]:
        note("No machine was let in; `kernelbot admin runner create NAME --targets GPU` does.")
        return
    table(
        ("Runner", "State", "Runs", "Judged", "For", "Devices", "Fence", "Last seen"),
        [
            (
                item["name"] + (" (trusted)" if item["trusted"] else ""),
                item["state"] + (f": {item['trouble']}" if item["trouble"] else ""),
                item["running"],
                item["judged"],
                ", ".join(item["targets"]),
                _devices(item["devices"]),
                item["isolation"],
                moment(item["last_seen_at"]),
            )
            for item in found["items"]
        ],
    )


def _devices(items: list[dict[str, Any]]) -> str:
    """``8 × NVIDIA H200``; the processor only where there is nothing else."""
    names = [item["name"] for item in items if item["kind"] != "cpu"]
    names = names or [item["name"] for item in items]
    counts = {name: names.count(name) for name in dict.fromkeys(names)}
    return ", ".join(f"{count} × {name}" if count > 1 else name for name, count in counts.items())


@runner_app.command()
def revoke(name: RunnerName, url: Url = None, token: Token = None) -> None:
    """Shut a machine out: its token opens nothing any more, what it judges goes to others."""
    with connect(url, token) as server:
        server.delete(f"/v1/admin/runners/{segment(name)}")
    result(f"{clean(name)} is shut out.")


@runner_app.command()
def drain(
    name: RunnerName,
    resume: Annotated[bool, typer.Option("--resume", help="Let it take work again.")] = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Let a machine end what it has and take nothing more."""
    with connect(url, token) as server:
        body = {"drained": not resume}
        server.post(f"/v1/admin/runners/{segment(name)}/drain", body, repeat=True)
    result(f"{clean(name)} takes {'work again' if resume else 'nothing more'}.")


@runner_app.command()
def trust(
    name: RunnerName,
    no_more: Annotated[bool, typer.Option("--no-more", help="Take it back.")] = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Vouch for a machine: podium places that it measures are announced without another one's word."""
    with connect(url, token) as server:
        body = {"trusted": not no_more}
        server.post(f"/v1/admin/runners/{segment(name)}/trust", body, repeat=True)
    result(f"{clean(name)} is {'trusted' if not no_more else 'not trusted any more'}.")
