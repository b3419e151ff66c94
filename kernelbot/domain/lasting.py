"""How long something is to last, as people write it: ``30m``, ``12h``, ``7d``, ``2w``, ``forever``."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta

from kernelbot.errors import InvalidInput

FOR_EVER = datetime(9999, 12, 31, tzinfo=UTC)
"""The end of what has none."""
LONGEST = timedelta(days=3650)
UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
ENDLESS = {"forever", "for ever"}
WRITTEN = re.compile(r"([0-9]{1,6})\s*([mhdw])[a-z]*", re.ASCII)


def is_endless(end: datetime) -> bool:
    return end >= FOR_EVER


def until_words(end: datetime) -> str:
    """``until 2026-05-01 12:00 UTC``, or that there is no end."""
    return "for ever" if is_endless(end) else f"until {end:%Y-%m-%d %H:%M} UTC"


def span_words(seconds: float) -> str:
    """No less than this, as people say it: ``40 s``, ``3 min``, ``23 h``."""
    for unit, size in (("s", 1), ("min", 60)):
        if seconds < 120 * size:
            return f"{math.ceil(seconds / size)} {unit}"
    return f"{math.ceil(seconds / 3600)} h"


def until(text: str, now: datetime, *, endless: bool = True) -> datetime:
    """When what begins now ends; ``endless``: it may have no end. Raises InvalidInput, with examples."""
    wanted = text.strip().lower()
    if endless and wanted in ENDLESS:
        return FOR_EVER
    found = WRITTEN.fullmatch(wanted)
    span = timedelta(**{UNITS[found[2]]: int(found[1])}) if found else timedelta()
    if not timedelta() < span <= LONGEST:
        raise InvalidInput(
            f"I cannot read {text[:40]!r} as a time. Write 30m, 12h, 7d{', 2w or forever' if endless else ' or 2w'}; "
            f"{LONGEST.days} days are the most.",
            code="bad_lifetime",
        )
    return now + span
