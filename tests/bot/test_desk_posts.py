"""What servers show, in words: whatever organizers and people write, Discord takes it, and nobody is notified."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kernelbot.bot import desk_posts
from kernelbot.bot.post import Post
from kernelbot.domain.competition import Competition, LeaderboardSpec, Phase, Prize
from kernelbot.domain.competition_scoring import CompetitionScoring, Rule, Share
from kernelbot.domain.desk import Moment, Window
from kernelbot.domain.ranking import Entry, Standing
from kernelbot.services.desk import MomentView
from kernelbot.services.views import LeaderboardView, StandingsPage
from tests.fakes import discord_rules as rules

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
LONG = "@everyone <@1> **`x`**\n" * 400


def fits(post: Post) -> str:
    """What a reader sees of it, once Discord's own rules have been held against it."""
    body = {"embeds": [embed.to_dict() for embed in post.embeds], "content": post.content}
    rules.check_message(body, [], new=True)
    assert post.pings == ()
    assert post.embeds[-1].footer.text == post.key
    found = []
    for embed in post.embeds:
        found += [embed.title or "", embed.description or ""]
        found += [f"{item.name}: {item.value}" for item in embed.fields]
    return "\n".join(found)


def board(**values: Any) -> LeaderboardView:
    described: dict[str, Any] = {
        "name": "vectoradd", "competition": "spring", "problem": "vectoradd", "title": "Vector addition",
        "summary": "Add.", "languages": ("python",), "gpus": ("H100",), "scoring": "geomean",
        "opens_at": AT, "closes_at": AT + timedelta(days=1), "is_open": True,
        "ranked_per_hour": 5, "other_per_hour": None, "people": 1,
    }  # fmt: skip
    return LeaderboardView(**{**described, **values})


def page(gpu: str = "H100", count: int = 3, **values: Any) -> StandingsPage:
    items = tuple(
        Standing(
            rank=min(nth, 2), position=nth, tied=nth >= 2,
            entry=Entry(
                user_id=nth, user_name=values.get("name", f"person {nth}"), submission_id=nth, run_id=nth,
                seconds=22.4e-6 + nth * 1e-8, error=0.002, runs=1, submitted_at=AT,
            ),
        )
        for nth in range(1, count + 1)
    )  # fmt: skip
    return StandingsPage(
        leaderboard="vectoradd", gpu=gpu, revision=1, total=count, items=items, mine=None,
        cursor=None, light_seconds=16e-6, frozen_until=values.get("frozen_until"),
    )  # fmt: skip


def competition(**values: Any) -> Competition:
    described: dict[str, Any] = {
        "name": "spring", "title": "Spring", "licence": "MIT",
        "leaderboards": (LeaderboardSpec(name="vectoradd", problem="vectoradd", gpus=("H100",), points=1000.0),),
    }  # fmt: skip
    return Competition(**{**described, **values})


def test_a_card_says_ties_errors_the_speed_of_light_and_a_freeze_in_words() -> None:
    until = AT + timedelta(hours=1)
    shown = fits(
        desk_posts.card(board(), [page(frozen_until=until), page("T4", count=0)], "board:7")
    )

    for words in (
        "H100 · 3 ranked",
        "22.41 µs ± 0.09 (71 %)",
        "   2=  person 2",
        "= shares its rank: the times cannot be told apart.",
        "%: of the speed of light, 16.0 µs.",
        f"Frozen: what others reach is shown <t:{int(until.timestamp())}:R>.",
        "Nobody is ranked yet on T4.",
    ):
        assert words in shown


@pytest.mark.parametrize("gpus", [1, 4, 9, 30])
def test_a_card_fits_however_many_gpus_and_whatever_people_are_called(gpus: int) -> None:
    names = [f"MI{nth}-{'x' * 60}" for nth in range(gpus)]
    described = board(gpus=tuple(names), title=LONG, summary=LONG, self_evaluated=True)
    pages = [page(name, 10, name=LONG) for name in names]

    shown = fits(desk_posts.card(described, pages, "board:7"))

    if gpus > desk_posts.CARD_GPUS:
        assert "Also ranked on MI9-" in shown


def test_rules_fit_and_say_what_a_competitor_asks() -> None:
    windows = [
        Window(phase="a", title="The first", opens=AT, closes=AT + timedelta(days=1)),
        Window(phase="b", title="b"),
    ]
    described = competition(
        scoring=CompetitionScoring(rule=Rule.POINTS, share=Share.SPEED_OF_LIGHT),
        phases=(Phase(name="a"), Phase(name="b")),
        prizes=(Prize(prize="A GPU", place=1, note="One a team"),),
    )
    shown = fits(desk_posts.rules(described, windows, [board()]))
    for words in (
        "There are no rules but the licence.",
        "**The first**: from <t:1772366400:f> to <t:1772452800:f>, <t:1772452800:R>",
        "**b**: open, without an end",
        "Points for each problem, summed. A problem counts by how close the time is to the speed of light.",
        "vectoradd: 1000",
        "1st place in the standings: A GPU (One a team)",
    ):
        assert words in shown

    endless = competition(
        title=LONG, rules=LONG, licence=LONG, host=LONG, verification=(LONG,) * 50,
        prizes=(Prize(prize=LONG, note=LONG),) * 50,
    )  # fmt: skip
    assert "@everyone" not in fits(desk_posts.rules(endless, windows * 30, [board()] * 30))


def test_long_rules_leave_room_for_prizes_and_the_licence() -> None:
    described = competition(
        rules="Be honest. " * 1000,
        licence="The licence. " * 40,
        host="The host",
        prizes=tuple(Prize(prize="A GPU, " * 6, place=nth) for nth in range(1, 30)),
        verification=("Winners show how they did it. " * 5,) * 9,
    )

    shown = fits(desk_posts.rules(described, [Window(phase="", title="")] * 20, [board()]))

    assert "Be honest." in shown
    assert "The licence." in shown
    assert "Winners show how they did it." in shown


def test_events_forums_and_posts_have_names_that_discord_takes_and_end_in_their_marks() -> None:
    described = competition(title=LONG, host=LONG)
    window = Window(phase="a", title=LONG, opens=AT, closes=AT + timedelta(days=1))

    text = desk_posts.event(described, window, ["H100"] * 99, 5)

    rules.check_event(
        {
            "name": text.name, "description": text.about, "entity_metadata": {"location": "here"},
            "entity_type": 3, "privacy_level": 2, "scheduled_start_time": AT.isoformat(),
            "scheduled_end_time": (AT + timedelta(days=1)).isoformat(),
        },
        AT - timedelta(days=1),
    )  # fmt: skip
    assert text.about.endswith("\nkernelbot:5/spring/a")
    topic = desk_posts.topic(described, 5)
    rules.check_channel({"name": "spring", "type": 0, "topic": topic}, community=False)
    assert topic.endswith("\nkernelbot:5/spring")
    rules.check_thread({"name": desk_posts.rules_name(described)})
    rules.check_thread({"name": desk_posts.post_name("\u202e\n")})


def test_what_is_said_of_a_phase_has_times_that_everybody_reads_in_their_own_zone() -> None:
    for moment, words in (
        (Moment.OPENS, "Spring: The final has opened <t:1772366400:R>."),
        (Moment.DAY_LEFT, "Spring: The final closes <t:1772366400:R>, on <t:1772366400:f>."),
        (Moment.CLOSES, "Spring: The final has closed <t:1772366400:R>."),
    ):
        found = MomentView(title="Spring", phase="The final", moment=moment, at=AT)
        assert words in fits(desk_posts.moment(found, "told 1"))
    assert "not on show any more" in fits(desk_posts.hidden("leaderboard 7"))
