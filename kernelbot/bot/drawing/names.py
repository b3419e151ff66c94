"""Somebody's name, ready to be drawn."""

from __future__ import annotations

import unicodedata

LONGEST = 160


def legible(text: str) -> str:
    """One line without what controls, reorders or joins, of bounded length. Of marks upon a letter two stay, or
    they would climb over the lines above."""
    kept: list[str] = []
    marks = 0
    for sign in " ".join(text[: 4 * LONGEST].split()):
        marks = marks + 1 if unicodedata.category(sign) in ("Mn", "Me") else 0
        if unicodedata.category(sign)[0] != "C" and marks <= 2:
            kept.append(sign)
    return "".join(kept)[:LONGEST].strip()
