"""What commands have in common: options, and how they talk to a server."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from kernelbot.cli.failure import Declined

Url = Annotated[
    str | None,
    typer.Option("--url", help="The server. Else KERNELBOT_URL, else what `login` stored."),
]
Token = Annotated[
    str | None,
    typer.Option("--token", help="An API token. Else KERNELBOT_TOKEN, else what `login` stored."),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Device = Annotated[Literal["cpu", "cuda"], typer.Option("--device", help="What to compute on.")]
Days = Annotated[
    int | None, typer.Option(min=1, max=3650, help="Days until it expires. Else never.")
]
TokenDays = Annotated[
    int | None, typer.Option("--days", min=1, max=3650, help="Days until it expires. Else 180.")
]
Most = Annotated[int, typer.Option("--limit", min=1, max=10_000)]


def connect(url: str | None, token: str | None) -> Any:
    """The server to talk to, to be used with ``with``."""
    from kernelbot.cli.profile import resolve
    from kernelbot.cli.server import Server

    return Server(resolve(url, token))


def segment(name: str) -> str:
    """A name as one part of a path."""
    from urllib.parse import quote

    if name in ("", ".", ".."):
        raise Declined(f"{name!r} is not a name.", code="bad_name")
    return quote(name, safe="")


def collected(server: Any, path: str, limit: int, **params: Any) -> dict[str, Any]:
    """The first part of a list that comes in parts, with up to ``limit`` items of all of them."""
    found: dict[str, Any] = server.get(path, **params, limit=min(limit, 100))
    while found["cursor"] is not None and len(found["items"]) < limit:
        more = min(100, limit - len(found["items"]))
        part = server.get(path, **params, limit=more, cursor=found["cursor"])
        found["items"] += part["items"]
        found["cursor"] = part["cursor"]
    return found
