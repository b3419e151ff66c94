"""What servers show of a competition: the plan, and the moments at which something is said."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kernelbot.domain import desk
from kernelbot.domain.competition import Phase
from kernelbot.domain.desk import FORUM, RULES, Act, Card, Moment, Step, Thing, Wanted, Window

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def known(key: str, **values: Any) -> dict[str, Thing]:
    described: dict[str, Any] = {"place_id": 7, "shown": "as it was", "next_at": AT}
    return {key: Thing(key=key, **{**described, **values})}


def wanted(*keys: str, shown: str = "as it was") -> list[Wanted]:
    return [Wanted(key=key, shown=shown) for key in keys]


def test_nothing_is_begun_before_the_forum_is_there() -> None:
    all_of_it = wanted(FORUM, RULES, "board:1", "event:")
    assert desk.plan(all_of_it, {}, AT) == (Step(Act.MAKE, FORUM),)

    steps = desk.plan(all_of_it, known(FORUM), AT)
    assert [(step.act, step.key) for step in steps] == [
        (Act.MAKE, RULES),
        (Act.MAKE, "board:1"),
        (Act.MAKE, "event:"),
    ]


def test_what_is_as_it_should_be_is_left_alone_and_what_is_not_is_changed() -> None:
    there = known(FORUM) | known(RULES)

    assert desk.plan(wanted(FORUM, RULES), there, AT) == ()
    assert desk.plan(wanted(FORUM) + wanted(RULES, shown="new"), there, AT) == (
        Step(Act.CHANGE, RULES),
    )


def test_what_somebody_has_deleted_twice_is_left_away() -> None:
    once = known(FORUM) | known(RULES, place_id=None, lost=1)
    twice = known(FORUM) | known(RULES, place_id=None, lost=2)
    no_forum = known(FORUM, place_id=None, lost=2)

    assert desk.plan(wanted(FORUM, RULES), once, AT) == (Step(Act.MAKE, RULES),)
    assert desk.plan(wanted(FORUM, RULES), twice, AT) == ()
    assert desk.plan(wanted(FORUM, RULES), no_forum, AT) == ()


def test_an_event_goes_with_its_phase_and_by_itself_when_it_is_over() -> None:
    to_come, over = known("event:a", ends_at=AT + HOUR), known("event:a", ends_at=AT)

    assert desk.plan([], known(FORUM) | to_come, AT) == (Step(Act.DROP, "event:a"),)
    assert desk.plan([], known(FORUM) | over, AT) == ()
    assert desk.plan(wanted(FORUM, "event:a"), known(FORUM) | over, AT) == (
        Step(Act.MAKE, "event:a"),
    )


def test_a_phase_lasts_from_its_first_opening_to_its_last_closing() -> None:
    phases = [Phase(name="a", title="The first"), Phase(name="b"), Phase(name="empty")]
    times = [("a", AT, AT + DAY), ("a", AT + HOUR, AT + 2 * DAY), ("b", None, None)]

    first, second = desk.windows(phases, times)

    assert first == Window(phase="a", title="The first", opens=AT, closes=AT + 2 * DAY)
    assert second == Window(phase="b", title="b", opens=None, closes=None)
    assert desk.windows([], [("", AT, None)]) == (Window(phase="", title="", opens=AT),)


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (-HOUR, []),
        (timedelta(0), [Moment.OPENS]),
        (DAY, []),
        (9 * DAY - timedelta(seconds=1), []),
        (9 * DAY, [Moment.DAY_LEFT]),
        (10 * DAY - HOUR, [Moment.HOUR_LEFT]),
        (10 * DAY, [Moment.CLOSES]),
        (11 * DAY, []),
    ],
)
def test_what_is_said_of_a_phase_as_time_passes(at: timedelta, said: list[Moment]) -> None:
    window = Window(phase="", title="", opens=AT, closes=AT + 10 * DAY)
    assert [moment for moment, _ in desk.moments(window, AT + at)] == said


def test_who_opens_for_an_hour_is_not_reminded_that_a_day_is_left() -> None:
    window = Window(phase="", title="", opens=AT, closes=AT + 2 * HOUR)
    found = [desk.moments(window, AT + timedelta(minutes=minute)) for minute in range(0, 120, 10)]
    assert {moment for items in found for moment, _ in items} == {Moment.OPENS, Moment.HOUR_LEFT}


def test_an_event_begins_in_the_future_and_has_an_end() -> None:
    def times(opens: datetime | None, closes: datetime | None) -> desk.EventTimes | None:
        return desk.event_times(Window(phase="", title="", opens=opens, closes=closes), AT)

    assert times(AT, None) is None
    assert times(AT - DAY, AT) is None
    to_come, under_way = times(AT + HOUR, AT + DAY), times(None, AT + DAY)
    assert to_come == desk.EventTimes(begins=AT + HOUR, ends=AT + DAY)
    assert under_way is not None
    assert under_way.begins > AT


def card(nth: int, channel: int, **values: Any) -> Card:
    described: dict[str, Any] = {
        "guild_id": 1, "competition_id": 1, "key": f"board:{nth}", "channel_id": channel,
        "message_id": nth, "shown": "old", "wanted": "new", "post": "",
        "next_at": AT - timedelta(seconds=nth),
    }  # fmt: skip
    return Card(**{**described, **values})


def test_cards_that_show_something_old_are_edited_and_those_not_that_just_were() -> None:
    cards = [
        card(1, 5),
        card(2, 6, wanted="old"),
        card(3, 7, next_at=AT + timedelta(seconds=1)),
        card(4, 8),
        card(9, 5, next_at=AT + timedelta(hours=1), failures=7),
    ]
    assert [item.message_id for item in desk.due_cards(cards, AT)] == [4, 1]


def test_forty_cards_in_a_channel_all_come_up_and_keep_within_what_discord_takes() -> None:
    cards = {nth: card(nth, 5) for nth in range(40)}
    edited: list[tuple[int, timedelta]] = []
    for look in range(100):
        after = timedelta(seconds=5 * look)
        for item in desk.due_cards(list(cards.values()), AT + after):
            edited.append((item.message_id, after))
            cards[item.message_id] = replace(item, next_at=AT + after + desk.CARD_EVERY)

    assert {message for message, _ in edited} == set(range(40))
    for _, at in edited:
        window = [other for _, other in edited if at <= other < at + timedelta(seconds=20)]
        assert len(window) <= 3


def test_names_of_forums_are_what_discord_takes() -> None:
    assert desk.forum_name("Spring sprint, 2026!") == "spring-sprint-2026"
    assert desk.forum_name("…") == "competition"
    assert len(desk.forum_name("x" * 300)) == 100
