"""What a server says to everybody about its machines, beside what a command is asked for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from kernelbot.cli.failure import CommandFailed
from kernelbot.cli.screen import clean, note


def current(server: Any) -> list[dict[str, Any]]:
    """What holds now; nothing from a server that does not say: no command fails for want of it."""
    try:
        return list(server.get("/v1/notices")["items"])
    except CommandFailed:
        return []


def tell(items: Sequence[dict[str, Any]], gpus: Collection[str] | None = None) -> None:
    """On stderr; of ``gpus``, where they are given, alone."""
    from kernelbot.cli.render import moment

    for item in items:
        if gpus is None or set(gpus) & set(item["gpus"]):
            note(f"Note: {clean(item['text'])} (since {moment(item['since'])})")
