"""Answers of the loopback Discord, and what stands in its addresses."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from tests.fakes.discord_rules import ApiError


def number(request: web.Request, name: str) -> int:
    """The id under this name in the address."""
    text = request.match_info[name]
    if not text.isdigit():
        raise ApiError(400, 50035, "Invalid Form Body", {name: f"Value {text!r} is not snowflake."})
    return int(text)


def as_json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    # Exactly this content type: with a charset behind it, clients take the body for text.
    return web.Response(
        body=json.dumps(body).encode(),
        status=status,
        content_type="application/json",
        headers=headers,
    )
