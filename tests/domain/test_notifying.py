from __future__ import annotations

from datetime import UTC, datetime

import pytest

from kernelbot.domain import notifying
from kernelbot.domain.notifying import Preferences
from kernelbot.errors import InvalidInput


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 7, 1, hour, minute, tzinfo=UTC)


def test_quiet_hours_may_go_past_midnight_and_are_in_the_persons_zone() -> None:
    night = Preferences(quiet_from=22 * 60, quiet_until=7 * 60)
    noon = Preferences(quiet_from=12 * 60, quiet_until=13 * 60, zone="Asia/Seoul")

    assert [night.is_quiet(at(hour)) for hour in (21, 22, 3, 6, 7)] == [
        False, True, True, True, False,
    ]  # fmt: skip
    assert [noon.is_quiet(at(hour, 59)) for hour in (2, 3, 4)] == [False, True, False]


def test_without_quiet_hours_it_is_never_quiet() -> None:
    assert not Preferences().is_quiet(at(3))
    assert not Preferences(quiet_from=60, quiet_until=60).is_quiet(at(1))


@pytest.mark.parametrize(("text", "minute"), [("22:30", 1350), ("7", 420), (" 7.15 ", 435)])
def test_times_are_read_as_people_write_them(text: str, minute: int) -> None:
    assert notifying.minute_of_day(text) == minute
    assert notifying.minute_of_day(notifying.clock(minute)) == minute


@pytest.mark.parametrize("text", ["", "25", "7:60", "noon", "-1", "7:5"])
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidInput, match="22:30"):
        notifying.minute_of_day(text)


@pytest.mark.parametrize("name", ["", "Nowhere/Else", "../etc/passwd", "Europe", "a\0b"])
def test_what_is_no_time_zone_is_refused_with_examples(name: str) -> None:
    with pytest.raises(InvalidInput, match="Europe/Berlin"):
        notifying.zone(name)
