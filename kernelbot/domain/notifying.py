"""What a person wants to hear of, where, and when not. Nothing is asked for until somebody does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from kernelbot.errors import InvalidInput

CLOCK = re.compile(r"([01]?[0-9]|2[0-3])(?:[:.h]([0-5][0-9]))?")


@dataclass(frozen=True, kw_only=True)
class Preferences:
    direct: bool = False  # cards and results as direct messages, not in a thread
    finished: bool = False  # mentioned when a result is there
    overtaken: bool = False  # told when somebody takes their place
    deadlines: bool = False  # told 24 h and 1 h before a leaderboard closes
    quiet_from: int | None = None  # minutes of the day in ``zone``; None: no quiet hours
    quiet_until: int | None = None
    zone: str = "UTC"
    locale: str = "en"  # of what is said to them, as Discord spells it

    def is_quiet(self, now: datetime) -> bool:
        """Whether ``now`` is in their quiet hours, which may go past midnight."""
        begin, end = self.quiet_from, self.quiet_until
        if begin is None or end is None or begin == end:
            return False
        local = now.astimezone(zone(self.zone))
        minute = local.hour * 60 + local.minute
        return begin <= minute < end if begin < end else minute >= begin or minute < end


def zone(name: str) -> ZoneInfo:
    """Raises InvalidInput for what is no time zone."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise InvalidInput(
            f"There is no time zone {name[:40]!r}. Write one like 'Europe/Berlin', 'Asia/Seoul' or 'UTC'.",
            code="unknown_zone",
        ) from None


def minute_of_day(text: str) -> int:
    """``22:30``, ``7`` or ``7.15`` as minutes. Raises InvalidInput."""
    match = CLOCK.fullmatch(text.strip().lower())
    if match is None:
        raise InvalidInput(
            f"I cannot read the time {text[:20]!r}. Write it like '22:30' or '7'.", code="bad_time"
        )
    return int(match[1]) * 60 + int(match[2] or 0)


def clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
