"""How long something is to last, as people write it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from kernelbot.domain import lasting
from kernelbot.errors import InvalidInput

NOW = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("30m", timedelta(minutes=30)),
        (" 12 H ", timedelta(hours=12)),
        ("7 days", timedelta(days=7)),
        ("2w", timedelta(weeks=2)),
    ],
)
def test_a_number_and_a_unit_are_read(written: str, meant: timedelta) -> None:
    assert lasting.until(written, NOW) == NOW + meant


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "1 s"),
        (119.2, "120 s"),
        (120, "2 min"),
        (3541, "60 min"),
        (7200, "2 h"),
        (82_878, "24 h"),
    ],
)
def test_a_pause_is_told_as_people_say_it_and_never_shorter_than_it_is(
    seconds: float, words: str
) -> None:
    assert lasting.span_words(seconds) == words


def test_for_ever_has_no_end() -> None:
    assert lasting.until("Forever", NOW) == lasting.FOR_EVER


@pytest.mark.parametrize(
    "written", ["", "soon", "0d", "-1d", "7", "3651d", "999999w", "٧d", "1d\0"]
)
def test_anything_else_is_refused_with_examples(written: str) -> None:
    with pytest.raises(InvalidInput, match="30m, 12h, 7d, 2w or forever"):
        lasting.until(written, NOW)
