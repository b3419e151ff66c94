"""Messages keep to Discord's limits whatever people and programs put into them."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
import unicodedata
from datetime import UTC, datetime
from typing import Any

import discord
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelbot.bot import announcement_posts, board_posts, choosing, problem_posts, submission_posts
from kernelbot.bot.admin import posts as admin_posts
from kernelbot.bot.post import Post, fitted
from kernelbot.bot.text import block, clean, cut, cut_markdown, flowing, plain, until
from kernelbot.domain import lasting
from kernelbot.domain.notifying import Preferences
from kernelbot.domain.ranking import Earlier, Entry, Standing
from kernelbot.domain.submission import Status
from kernelbot.domain.waiting import Wait
from kernelbot.judge.protocol import (
    CaseResult,
    Device,
    Harness,
    Mode,
    Spent,
    Stage,
    Verdict,
    VerdictKind,
)
from kernelbot.services.canaries import Notice
from kernelbot.services.views import (
    ArtefactView,
    LeaderboardView,
    Place,
    Podium,
    ProblemView,
    QueueView,
    Reveal,
    RevealedPodium,
    RunView,
    StandingsPage,
    SubmissionView,
)
from tests.factories import make_verdict
from tests.fakes import discord_rules

NOW = datetime(2026, 5, 1, tzinfo=UTC)
EVIL = "`*_~|>#[]()<@&:/\\\n\t\u202e\u200b0 aé漢👩‍💻"
TEXTS = st.one_of(st.text(max_size=300), st.text(alphabet=EVIL, max_size=600))
LONG = st.one_of(TEXTS, st.integers(0, 20_000).map(lambda size: "`x`\n" * (size // 4)))


def make_run(**changes: Any) -> RunView:
    values: dict[str, Any] = {
        "id": 7,
        "gpu": "CPU",
        "mode": Mode.BENCHMARK,
        "status": Status.DONE,
        "stage": "",
        "progress": "",
        "kind": VerdictKind.PASSED,
        "message": "",
        "ranking": "Not ranked: this was a benchmark run.",
        "seconds": 22.4e-6,
        "error": 0.002,
        "attempt": 1,
        "wait": None,
        "created_at": NOW,
        "started_at": NOW,
        "finished_at": NOW,
        "verdict": make_verdict(ns=22_400),
    }
    return RunView(**{**values, **changes})


def make_view(*runs: RunView, **changes: Any) -> SubmissionView:
    values: dict[str, Any] = {
        "id": 812,
        "leaderboard": "vectoradd",
        "problem": "vectoradd",
        "title": "Vector addition",
        "competition": "getting-started",
        "user_id": 1,
        "user_name": "ada",
        "mode": Mode.BENCHMARK,
        "file_name": "kernel.py",
        "language": "python",
        "channel": "discord",
        "status": Status.DONE,
        "created_at": NOW,
        "finished_at": NOW,
        "runs": runs or (make_run(),),
    }
    return SubmissionView(**{**values, **changes})


def make_board(**changes: Any) -> LeaderboardView:
    values: dict[str, Any] = {
        "name": "vectoradd",
        "competition": "getting-started",
        "problem": "vectoradd",
        "title": "Vector addition",
        "summary": "",
        "languages": ("python",),
        "gpus": ("CPU",),
        "scoring": "geomean",
        "opens_at": None,
        "closes_at": None,
        "is_open": True,
        "ranked_per_hour": None,
        "other_per_hour": None,
        "people": 1,
    }
    return LeaderboardView(**{**values, **changes})


def make_standing(position: int, name: str = "ada", *, tied: bool = False) -> Standing:
    entry = Entry(
        user_id=position,
        user_name=name,
        submission_id=position,
        run_id=position,
        seconds=position * 1e-5,
        error=0.001,
        runs=1,
        submitted_at=NOW,
    )
    return Standing(rank=position, position=position, tied=tied, entry=entry)


def make_podium(**changes: Any) -> Podium:
    values: dict[str, Any] = {
        "leaderboard": "vectoradd",
        "title": "Vector addition",
        "gpu": "CPU",
        "channel": "",
        "user_name": "ada",
        "rank": 1,
        "tied": False,
        "seconds": 22.4e-6,
        "error": 0.002,
        "previous_seconds": 23.1e-6,
        "displaced_name": "grace",
        "displaced_seconds": 23.0e-6,
        "submission_id": 812,
    }
    return Podium(**{**values, **changes})


def accepts(post: Post) -> None:
    """Discord would take this message."""
    body = {"content": post.content, "embeds": [embed.to_dict() for embed in post.embeds]}
    files = [(file.name, file.content) for file in post.files]
    discord_rules.check_message(json.loads(json.dumps(body)), files, new=True)
    assert len(post.key) <= 25


def said(post: Post) -> str:
    parts = [post.content]
    for embed in post.embeds:
        parts += [embed.title or "", embed.description or ""]
        parts += [f"{field.name} {field.value}" for field in embed.fields]
    return "\n".join(parts)


def test_a_profile_begins_with_its_findings_and_says_where_its_files_are() -> None:
    verdict = dataclasses.replace(
        make_verdict(),
        log="Profile of benchmark 0\n\nmemory-bound" + "\nx" * 5000,
    )
    kept = ArtefactView(
        id=1, run_id=1, gpu="CPU", name="CPU-profile.ncu-rep", bytes=5, media_type="", sha256="",
        created_at=NOW,
    )  # fmt: skip
    gone = dataclasses.replace(kept, name="CPU-trace.json.gz", expired_at=NOW)
    run = make_run(mode=Mode.PROFILE, verdict=verdict, artefacts=(kept, gone))
    post = submission_posts.result(make_view(run), None)

    accepts(post)
    assert "memory-bound" in said(post)
    assert "Files: `CPU-profile.ncu-rep`. Get" in said(post)
    assert "`CPU-trace.json.gz` has expired <t:" in said(post)
    assert "kernelbot artefacts 812" in said(post)
    assert [file.name for file in post.files] == ["log-CPU.txt"]


@pytest.mark.parametrize(
    "text",
    ["", " \n", "\u200b", EVIL, EVIL * 30, "`x`\n" * 1500],
    ids=["empty", "blank", "unseen", "evil", "much evil", "long"],
)
def test_any_result_fits_and_is_findable_by_its_key(text: str) -> None:
    """Of the most that there can be, see test_limits.py; this is about the little, too."""
    for at, kind in enumerate(VerdictKind):
        many = (1, 12)[at % 2]
        cases = (CaseResult(stage=Stage.CHECK, index=0, spec=text, ok=False, message=text),)
        verdict = Verdict(kind=kind, message=text, log=text, cases=cases * (many - 1))
        run = make_run(gpu=text[:600], kind=kind, message=text, verdict=verdict)
        view = make_view(*[run] * many, file_name=text[:600], leaderboard=text[:60])

        result = submission_posts.result(view, 1)
        for post in (
            result,
            submission_posts.card(view),
            submission_posts.submissions([view] * 10, True),
        ):
            accepts(post)
        assert result.embeds[-1].footer.text == submission_posts.result_key(812)
        accepts(submission_posts.submission(view, (text[:600], b"code")))
        accepts(submission_posts.accepted(view, "https://discord.com/channels/1/2/3", "trouble"))


@settings(max_examples=80, deadline=None)
@given(text=LONG, limit=st.integers(40, 2000))
def test_a_code_block_is_left_by_its_own_end_only(text: str, limit: int) -> None:
    shown = block(text, limit)

    assert shown.count("```") == 2
    assert shown.startswith("```")
    assert shown.endswith("\n```")
    assert len(shown) <= limit


@settings(max_examples=80, deadline=None)
@given(name=TEXTS, title=TEXTS)
def test_any_name_makes_a_podium_and_a_leaderboard_that_fit(name: str, title: str) -> None:
    accepts(
        announcement_posts.podium(
            make_podium(user_name=name, displaced_name=name, title=title), "notice 1"
        )
    )
    rows = tuple(make_standing(at, name) for at in range(1, 11))
    page = StandingsPage(
        leaderboard="vectoradd",
        gpu="CPU",
        revision=1,
        total=25,
        items=rows,
        mine=make_standing(20, name),
        cursor="10",
    )
    accepts(board_posts.leaderboard(make_board(title=title), page, 0))


def test_a_place_of_an_earlier_version_is_marked() -> None:
    kept = dataclasses.replace(make_standing(2, "bob"), earlier=Earlier(best=1e-3, light=None))
    page = StandingsPage(
        leaderboard="vectoradd",
        gpu="CPU",
        revision=1,
        total=2,
        items=(make_standing(1, "ada"), kept),
        mine=None,
        cursor=None,
    )

    (embed,) = board_posts.leaderboard(make_board(), page, 0).embeds

    assert re.search(r"2\*  bob", embed.description or "")
    assert "until it is measured again" in (embed.description or "")


def test_a_place_that_the_device_timed_alone_is_marked() -> None:
    first = make_standing(1, "ada")
    marked = dataclasses.replace(first, entry=dataclasses.replace(first.entry, device_timed=True))
    page = StandingsPage(
        leaderboard="vectoradd",
        gpu="H200",
        revision=1,
        total=2,
        items=(marked, make_standing(2, "bob")),
        mine=None,
        cursor=None,
    )

    (embed,) = board_posts.leaderboard(make_board(), page, 0).embeds

    rows = (embed.description or "").splitlines()
    assert [row.endswith(" ^") for row in rows if "µs" in row] == [True, False]
    assert "timed by the device" in (embed.description or "")


def test_a_result_says_what_its_times_rest_on_what_to_know_about_them_and_what_it_took() -> None:
    found = make_verdict()
    checked, timed = found.cases
    assert timed.measurement is not None
    noted = dataclasses.replace(timed.measurement, warnings=("host-bound: 3 of 20 calls waited",))
    verdict = dataclasses.replace(
        found,
        cases=(checked, dataclasses.replace(timed, measurement=noted)),
        device=Device(kind="cuda", name="NVIDIA H200"),
        harness=Harness(evidence="device-events-bounded"),
        spent=Spent(wall_s=8.0, build_s=2.0, device_s=4.0),
    )
    view = make_view(make_run(verdict=verdict, mode=Mode.RANKED))

    (embed,) = submission_posts.result(view, 1).embeds

    for line in (
        "Timed by the device's own events only.",
        "Times: host-bound (1 case).",
        "Spent: at most 8 s in all, 2 s to build, the GPU held for 4 s.",
    ):
        assert line in (embed.description or "").replace("\\", "")


def test_a_result_by_the_judge_s_own_clock_says_nothing_of_it() -> None:
    found = dataclasses.replace(make_verdict(), harness=Harness(evidence="outside-clock"))

    (embed,) = submission_posts.result(make_view(make_run(verdict=found)), 1).embeds

    assert "Timed by" not in (embed.description or "")
    assert "Times:" not in (embed.description or "")


@settings(max_examples=40, deadline=None)
@given(name=TEXTS)
def test_any_names_make_a_reveal_that_fits(name: str) -> None:
    place = Place(rank=1, tied=True, user_name=name, seconds=1e-5, error=0.001)
    podium = RevealedPodium(gpu=name, places=(place,) * 10, more=7)
    found = Reveal(leaderboard=name, title=name, channel="", podiums=(podium,) * 8, unjudged=3)

    accepts(announcement_posts.reveal(found, "notice 1"))


def test_a_reveal_says_who_stands_where() -> None:
    places = tuple(
        Place(rank=rank, tied=False, user_name=name, seconds=rank * 1e-5, error=0.001)
        for rank, name in enumerate(("ada", "bob"), 1)
    )
    podium = RevealedPodium(gpu="H100", places=places, more=0)
    found = Reveal(leaderboard="matmul", title="Matmul", channel="", podiums=(podium,), unjudged=0)

    (embed,) = announcement_posts.reveal(found, "notice 1").embeds

    assert "The freeze of matmul is over." in (embed.description or "")
    assert "**H100**\n1st: **ada** with 10.0" in (embed.description or "")
    assert "still to be judged" not in (embed.description or "")


def test_a_statement_is_told_as_discord_reads_markdown() -> None:
    text = (
        "# Title\nOne paragraph\nin two lines.\n\n- a point\n  that goes on\n- another\n\n"
        "| a | long |\n|---|---|\n| `x` | y |\nafter\n```c\nint a;\nint b;\n```\nend"
    )

    assert flowing(text) == (
        "# Title\nOne paragraph in two lines.\n\n- a point that goes on\n- another\n\n"
        "```\na  long\nx  y\n```\nafter\n```c\nint a;\nint b;\n```\nend"
    )


@settings(max_examples=40, deadline=None)
@given(statement=LONG, starter=LONG)
def test_any_statement_fits(statement: str, starter: str) -> None:
    view = ProblemView(
        name="vectoradd",
        title="Vector addition",
        summary="",
        statement=statement,
        digest="",
        languages=("python",),
        scoring="geom",
        tests=(),
        benchmarks=(),
        tolerances=(),
        starters={"torch": starter, "cuda": starter},
        starter_suffixes={"torch": ".py", "cuda": ".cu"},
        leaderboards=("vectoradd",) * 30,
    )

    accepts(problem_posts.problem(view, folder=b"zip"))


def test_a_statement_that_is_cut_says_where_it_goes_on() -> None:
    view = ProblemView(
        name="long", title="Long", summary="", statement="word\n\n" * 2000, digest="",
        languages=("python",), scoring="geom", tests=(), benchmarks=("size: 5",), tolerances=(),
        starters={}, starter_suffixes={}, leaderboards=("long",),
    )  # fmt: skip

    assert "It goes on in long.zip" in said(problem_posts.problem(view, folder=b"zip"))
    assert [file.name for file in problem_posts.problem(view, folder=b"zip").files] == ["long.zip"]
    assert "It goes on" not in said(problem_posts.problem(view, folder=b"0" * (9 << 20)))
    assert "It goes on" not in said(
        problem_posts.problem(dataclasses.replace(view, statement="short"))
    )


LIVE = re.compile(
    r"""
    [*_~`|\[\]] | \A(?:[#>+-]|\d{1,9}\.\s) | <[^\s\u200b] | :[\w+-]+: | \w://
  | @(?:everyone|here|[!&]?\d{17,20}) | discord(?:app)?\.\w
    """,
    re.VERBOSE,
)
"""What Discord may make something of, once what is escaped is out of the text."""


def seen(shown: str) -> str:
    return re.sub(r"\\([^0-9A-Za-z\s])", r"\1", shown).replace("\u200b", "")


@pytest.mark.parametrize(
    "text",
    ["@everyone", "<@123>", "<@&5>", "<#5>", "<t:0:R>", "</cmd:1>", "<:emoji:1>", ":smile:", "**b**", "`c`",
     "[.](.)[prize](http://evil.example)", "[a](b) **bold** ||hidden|| `c` )", "http://x.example/**b** _c_",
     "# big", "-# small", "> quoted", "12. listed", "\\[a](http://x)", "discord.gg/abc", "steam://run"],
)  # fmt: skip
def test_text_of_people_means_nothing_to_discord(text: str) -> None:
    shown = plain(text)

    assert not LIVE.search(re.sub(r"\\[^0-9A-Za-z\s]", "¬", shown))
    assert seen(shown) == text


WORDS = (
    "http://x.ex",
    "[a](b)",
    "**b**",
    "||",
    "`c`",
    "<@1>",
    "<t:1:R>",
    ":a:",
    "1. ",
    "# ",
    "-",
    "\\",
    "@here",
    "é",
    " ",
)


@given(text=st.one_of(TEXTS, st.lists(st.sampled_from(WORDS), max_size=12).map("".join)))
def test_whatever_people_write_is_seen_as_they_wrote_it_and_has_a_bound(text: str) -> None:
    shown = plain(text, 40)

    assert not LIVE.search(re.sub(r"\\[^0-9A-Za-z\s]", "¬", shown))
    assert seen(shown) == cut(" ".join(clean(text).split()), 40).replace("\u200b", "")
    assert len(shown) <= 80


def test_what_organizers_tell_may_hold_addresses_and_nothing_else() -> None:
    told = announcement_posts.bulletin(
        "See https://kernels.example/a_b?c=d_e, or [this](https://x.example) **now**", ""
    )

    assert told.embeds[0].description == (
        r"See https://kernels.example/a_b?c=d_e, or \[this\](https://x.example) \*\*now\*\*"
    )


def test_of_all_characters_those_are_dropped_that_nobody_sees() -> None:
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    turning = {*range(0x202A, 0x202F), *range(0x2066, 0x206A)}

    kept = clean(everything)

    assert kept == "".join(
        character
        for character in everything
        if character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cs", "Co")
        if ord(character) not in turning
    )


def test_marks_that_turn_text_around_are_dropped() -> None:
    assert plain("gpj\u202eexe.\u2066") == "gpjexe."


def mentioned(wanted: Preferences) -> tuple[list[int], bool]:
    """Whom a result to 42 notifies when it is midnight in London, and whether without a sound."""
    arguments = submission_posts.to(
        42, submission_posts.result(make_view(), 42), wanted, NOW
    ).sending()
    mentions = arguments["allowed_mentions"].to_dict()
    assert mentions["parse"] == []
    return mentions.get("users", []), arguments.get("silent", False)


def test_a_result_notifies_its_owner_if_they_asked_for_it_and_nobody_else() -> None:
    assert mentioned(Preferences()) == ([], False)
    assert mentioned(Preferences(finished=True)) == ([42], False)


def test_in_quiet_hours_a_result_comes_without_a_sound() -> None:
    night = Preferences(finished=True, quiet_from=22 * 60, quiet_until=7 * 60)

    assert mentioned(night) == ([], True)
    assert mentioned(dataclasses.replace(night, zone="America/New_York")) == ([42], False)


def test_a_retry_after_a_fault_of_ours_is_said_to_cost_nothing() -> None:
    run = make_run(status=Status.RUNNING, progress="check 1 of 5", kind=None, attempt=2)

    assert "This costs you nothing" in said(
        submission_posts.card(make_view(run, status=Status.RUNNING))
    )


def test_what_everybody_should_know_of_the_machines_stands_in_a_card_and_in_the_answer() -> None:
    run = make_run(status=Status.QUEUED, kind=None, verdict=None)
    view = make_view(run, status=Status.QUEUED)
    notices = [
        Notice(text=f"H100: device *{at}* is out.", gpus=("H100",), since=NOW) for at in range(9)
    ]

    for post in (
        submission_posts.card(view, notices),
        submission_posts.accepted(view, notices=notices),
    ):
        assert r"⚠ H100: device \*0\* is out." in said(post)
        assert said(post).count("⚠") == submission_posts.NOTICES
    assert "⚠" not in said(submission_posts.card(view))


def test_a_queued_run_shows_its_place_and_range() -> None:
    wait = Wait(
        position=3, ahead=2, start_low_s=20, start_high_s=50, finish_low_s=30, finish_high_s=90
    )
    run = make_run(status=Status.QUEUED, kind=None, wait=wait, verdict=None)
    post = submission_posts.card(make_view(run, status=Status.QUEUED))

    assert "3rd in line, starts in 20 s to 50 s" in said(post)
    assert "queued" in said(post)


def test_a_long_table_is_shown_in_part_and_attached_whole() -> None:
    cases = tuple(
        CaseResult(stage=Stage.CHECK, index=at, spec=f"size: {at}", ok=True) for at in range(300)
    )
    verdict = dataclasses.replace(make_verdict(), cases=cases)
    post = submission_posts.result(make_view(make_run(verdict=verdict)), None)

    (file,) = post.files
    assert file.name == "cases-CPU.txt"
    assert file.content.count(b"\n") == 299
    assert "more in the file" in said(post)


def test_a_podium_says_who_by_how_much_and_who_was_there() -> None:
    post = announcement_posts.podium(make_podium(), "notice 9")

    record = "New record: **ada** took **1st** place with **22.40 µs ± 0.09**"
    assert f"{record}, −2.6 % against the time before." in said(post)
    assert "−3.0 % against their own 23.1 µs." in said(post)
    assert "There before: grace with 23.0 µs." in said(post)
    assert post.embeds[0].footer.text == "notice 9"


def test_a_place_on_the_podium_is_worded_with_its_margin_and_its_share_of_what_can_be() -> None:
    light = {"light_seconds": 15.9e-6}
    alone = {"displaced_name": None, "displaced_seconds": None, "previous_seconds": None}
    for change, words in (
        (light, "New record: **ada** took **1st** place with **22.40 µs ± 0.09**, −2.6 % against the time before, 71 % of speed of light."),
        ({"rank": 3, **light}, "**ada** took **3rd** place with **22.40 µs ± 0.09**, −2.6 % against the time before, 71 % of"),
        ({"rank": 2, "tied": True, **light}, "**ada** shares **2nd** place with **22.40 µs ± 0.09**, 71 % of"),
        (alone, "**ada** is in **1st** place with **22.40 µs ± 0.09**."),
        ({**alone, "previous_seconds": 28e-6}, "New record: **ada** took **1st** place with **22.40 µs ± 0.09**, −20.0 % against the time before."),
    ):  # fmt: skip
        assert words in said(announcement_posts.podium(make_podium(**change), "notice 9"))


def test_the_queue_tells_how_long_the_first_has_waited() -> None:
    item = QueueView(gpu="H100", queued=4, running=1, slots=2, oldest_s=130.0)

    assert "**H100**: 4 waiting, 1 of 2 busy, the first for 2 min" in said(
        problem_posts.queue([item], {})
    )


def test_a_line_of_the_list_ends_with_its_time_whatever_its_runs_came_to() -> None:
    failed = [
        make_run(
            gpu=f"A_LONG_NAME_{nth}",
            kind=VerdictKind.WRONG_ANSWER,
            message="*out[0][1]* is _-0.0_ " * 20,
            seconds=None,
        )
        for nth in range(3)
    ]

    post = submission_posts.submissions([make_view(*failed)] * 10, more=False)

    lines = (post.embeds[0].description or "").splitlines()
    assert len(lines) == 10
    assert all(line.endswith(f" · <t:{int(NOW.timestamp())}:R>") for line in lines)


def test_no_line_of_the_audit_log_is_left_out_however_long_it_is() -> None:
    entry = {
        "at": NOW, "actor": "_" * 64, "action": "user.ban", "target": "_" * 200,
        "detail": {"reason": "*" * 500},
    }  # fmt: skip

    post = admin_posts.audit([entry] * 10, None)

    assert (post.embeds[0].description or "").count("`user.ban`") == 10


def test_an_embed_that_is_too_long_in_all_loses_whole_fields() -> None:
    embed = discord.Embed(title="t", description="d")
    for _ in range(25):
        embed.add_field(name="n" * 300, value="v" * 2000)

    accepts(Post(embeds=(fitted(embed),)))


def test_choices_begin_with_what_begins_like_it_and_are_at_most_25() -> None:
    choices = [choosing.Choice(f"name {at}", f"board-{at}") for at in range(40)]
    choices.append(choosing.Choice("last", "a-board"))

    found = choosing.matching(choices, "a-")

    assert found[0].value == "a-board"
    assert len(choosing.matching(choices, "")) == 25


def test_a_shortened_statement_closes_the_code_block_it_was_cut_in() -> None:
    shown = cut_markdown("```python\n" + "x = 1\n" * 2000, 500)

    assert len(shown) <= 500
    assert shown.count("```") == 2


def test_an_end_that_never_comes_is_no_date() -> None:
    assert until(lasting.FOR_EVER) == "for ever"
    assert until(datetime(2026, 5, 1, tzinfo=UTC)).startswith("until <t:")
