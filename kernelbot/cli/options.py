"""What commands that talk to a server have in common."""

from __future__ import annotations

from typing import Annotated, Any

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
Days = Annotated[
    int | None, typer.Option(min=1, max=3650, help="Days until it expires. Else never.")
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


def standings(server: Any, path: str, limit: int, **params: Any) -> dict[str, Any]:
    """A page of standings with up to ``limit`` items of the parts in which they come."""
    page: dict[str, Any] = server.get(path, **params, limit=min(limit, 100))
    while page["cursor"] is not None and len(page["items"]) < limit:
        more = min(100, limit - len(page["items"]))
        following = server.get(path, **params, limit=more, cursor=page["cursor"])
        page["items"] += following["items"]
        page["cursor"] = following["cursor"]
    return page
