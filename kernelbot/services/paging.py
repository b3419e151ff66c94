"""Cursors and limits of lists: made by us, checked when they come back."""

from __future__ import annotations

from kernelbot.errors import InvalidInput

MAX_ID = (1 << 63) - 1
MAX_PAGE = 100


def number(cursor: str | None, default: int) -> int:
    """The number a cursor stands for. Raises InvalidInput for one that is not ours."""
    if cursor is None or cursor == "":
        return default
    if not cursor.isascii() or not cursor.isdigit() or int(cursor[:20]) > MAX_ID:
        raise InvalidInput(
            "The cursor is not one of ours; leave it out to begin anew.", code="bad_cursor"
        )
    return int(cursor[:20])


def bounded(limit: int) -> int:
    """The limit. Raises InvalidInput when it is not 1 to MAX_PAGE."""
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidInput(f"limit is 1 to {MAX_PAGE}.", code="bad_limit")
    return limit
