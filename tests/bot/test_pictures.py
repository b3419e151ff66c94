"""The picture of a leaderboard: what it tells, to whom, in which letters, and when it is drawn anew."""

from __future__ import annotations

import dataclasses
import io
import unicodedata
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kernelbot.app import App
from kernelbot.bot import pictures
from kernelbot.bot.drawing import axes, names
from kernelbot.bot.drawing import leaderboard as drawing
from kernelbot.bot.drawing.lettering import Lettering
from kernelbot.domain.competition import Visibility
from kernelbot.domain.ranking import Entry, Standing
from kernelbot.errors import NotFound
from kernelbot.services import identity, moderation, standings
from kernelbot.services.views import BoardStory, RecordView
from tests import factories
from tests.bot.scene import Scene, deny
from tests.conftest import ADMIN_TOKEN
from tests.services import contest

BEGAN = datetime(2026, 5, 1, tzinfo=UTC)
NAMES = st.text(max_size=300) | st.text(alphabet="`*@<\u202e\u0301\u200dWمक中🚀\n", max_size=300)
SECONDS = st.floats(1e-9, 1e3)


def standing(place: int, name: str, seconds: float = 21e-6) -> Standing:
    entry = Entry(
        user_id=place, user_name=name, submission_id=place, run_id=place, seconds=seconds,
        error=0.002, runs=1, submitted_at=BEGAN,
    )  # fmt: skip
    return Standing(rank=place, position=place, tied=False, entry=entry)


def make_story(*steps: tuple[int, float, float], **changes: Any) -> BoardStory:
    """``steps``: of the record, each who set it, in seconds, after how many days."""
    values: dict[str, Any] = {
        "leaderboard": "vectoradd",
        "title": "Vector addition",
        "gpu": "H200",
        "total": 42,
        "first": tuple(standing(place, f"person {place}") for place in (1, 2, 3)),
        "records": tuple(
            RecordView(user_id=user, seconds=seconds, at=BEGAN + timedelta(days=days))
            for user, seconds, days in steps
        ),
        "light_seconds": None,
        "until": BEGAN + timedelta(days=12),
        "frozen_until": None,
    }
    return BoardStory(**{**values, **changes})


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


# --- the drawing ---------------------------------------------------------------------------------


@settings(max_examples=8, deadline=None)
@given(
    names=st.lists(NAMES, min_size=1, max_size=3),
    times=st.lists(SECONDS, max_size=8),
    light=st.none() | SECONDS,
    days=st.floats(0, 400),
)
def test_whatever_people_are_called_and_reach_a_picture_of_bounded_size_comes_with_its_words(
    names: list[str], times: list[float], light: float | None, days: float
) -> None:
    steps = [(at % 5, seconds, days * at / 9) for at, seconds in enumerate(sorted(times)[::-1])]
    first = tuple(standing(at + 1, name) for at, name in enumerate(names))
    until = BEGAN + timedelta(days=days)

    made = pictures.picture(
        make_story(*steps, first=first, light_seconds=light, title=names[0], until=until)
    )

    assert made is not None
    assert opened(made.content).width == 1000
    assert opened(made.content).height <= 800
    assert len(made.content) < 300_000
    assert made.words


def test_nobody_on_the_board_makes_no_picture() -> None:
    assert pictures.picture(make_story(first=())) is None


def test_the_words_say_who_leads_by_what_and_how_the_record_fell() -> None:
    story = make_story((9, 93e-6, 0), (2, 40e-6, 2), (1, 21e-6, 10), light_seconds=10.5e-6)

    words = pictures.words(story)

    assert "Vector addition on H200: 42 ranked" in words
    assert "1st: person 1, 21.00 µs ± 0.08, 50 % of the speed of light." in words
    assert "The record fell from 93.0 µs to 21.0 µs, 2 times within 10 days." in words


def test_the_line_goes_down_in_steps_and_who_stepped_is_told_by_the_shape_of_the_mark() -> None:
    made = drawing.drawn(pictures.card(make_story((9, 40e-6, 0), (1, 20e-6, 6))))
    picture = opened(made).convert("L")
    left, right, middle = 36 + 96, 1000 - 36 - 8, (36 + 96 + 1000 - 36 - 8) // 2

    def height(x: int) -> int:
        """Where the line is at this place: the brightest of the chart."""
        return max(range(360, 660), key=lambda y: picture.getpixel((x, y)))

    assert height(left + 40) == height(middle - 40) < height(middle + 40) == height(right - 20)


@pytest.mark.parametrize(("days", "same"), [(12, True), (1, False)])
def test_where_the_line_goes_on_for_days_a_board_looks_the_same_for_an_hour(
    days: int, same: bool
) -> None:
    story = make_story((9, 40e-6, 0), (1, 20e-6, 0.5))
    drawn = [
        pictures.picture(
            dataclasses.replace(story, until=BEGAN + timedelta(days=days, minutes=late))
        )
        for late in (0, 59)
    ]

    assert (drawn[0] == drawn[1]) is same


def test_the_line_ends_no_sooner_than_its_last_step() -> None:
    story = make_story((9, 40e-6, 0), (1, 20e-6, 3.99), until=BEGAN + timedelta(days=3.995))

    shown = pictures.card(story)

    assert shown.span == shown.steps[-1].after


def test_a_letter_that_no_font_has_is_never_drawn_as_an_empty_box(tmp_path: Path) -> None:
    alone = Lettering(20, machine=tmp_path)

    assert alone.fitted("Zoë Ωμέγα Ждан", 900, "instead") == "Zoë Ωμέγα Ждан"
    assert alone.fitted("王小明", 900, "instead") == "instead"
    assert alone.width("ada \U0001fae8") == alone.width("ada ")


def test_fonts_of_the_machine_are_used_for_what_ours_lack(tmp_path: Path) -> None:
    ours = Path(drawing.__file__).parent / "fonts/DejaVuSans.ttf"
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/unifont.otf").write_bytes(ours.read_bytes())

    assert len(Lettering(20, machine=tmp_path).fonts) == 2


def test_a_name_cannot_climb_over_the_lines_above_or_run_backwards() -> None:
    shown = names.legible("\u202eab" + "\u0301" * 50 + "c\n\nd")

    assert sum(unicodedata.combining(sign) > 0 for sign in shown) == 2
    assert shown.replace("\u0301", "") == "abc d"


def test_a_long_name_ends_before_the_time_beside_it() -> None:
    letters = Lettering(20)

    shown = letters.fitted("W" * 60, 200, "")

    assert shown.endswith("…")
    assert letters.width(shown) <= 200


@pytest.mark.parametrize(
    ("least", "most", "logarithmic", "labels"),
    [
        (21e-6, 22e-6, False, ["21 µs", "21.5 µs", "22 µs"]),
        (21e-6, 93e-6, True, ["20 µs", "50 µs", "100 µs"]),
        (5e-6, 5e-3, True, ["5 µs", "20 µs", "100 µs", "500 µs", "2 ms"]),
    ],
)
def test_times_stand_at_round_numbers_with_their_unit(
    least: float, most: float, logarithmic: bool, labels: list[str]
) -> None:
    axis = axes.times(least, most)

    assert axis.logarithmic is logarithmic
    assert list(axis.labels) == labels
    assert all(0 <= axis.at(tick) <= 1 for tick in axis.ticks)
    assert axis.at(least) > 0
    assert axis.at(most) < 1
    assert 2 <= len(axis.ticks) <= 9


# --- what it tells, and to whom ------------------------------------------------------------------


async def test_the_record_is_what_was_faster_than_all_before_less_what_is_void(app: App) -> None:
    ada, bob, eve = [await factories.make_actor(app, name) for name in ("ada", "bob", "eve")]
    for who, ns in ((ada, 40_000), (eve, 1_000), (bob, 50_000), (bob, 30_000), (ada, 20_000)):
        await factories.ranked(app, who, ns, factories.CODE + f"# {who.name} {ns}".encode())
    before = await standings.story(app, None, "vectoradd", "CPU")
    admin = await identity.authenticate(app, ADMIN_TOKEN, "api")

    await moderation.void(app, admin, 2, "too good")
    story = await standings.story(app, None, "vectoradd", "CPU")

    assert [item.seconds for item in before.records] == pytest.approx([40e-6, 1e-6])
    assert [item.seconds for item in story.records] == pytest.approx([40e-6, 30e-6, 20e-6])
    assert [item.user_id for item in story.records] == [ada.user_id, bob.user_id, ada.user_id]
    assert [item.entry.user_name for item in story.first] == ["ada", "bob"]


async def test_in_a_freeze_the_story_ends_where_it_began_also_for_who_organizes(
    app: App, shelf: Path
) -> None:
    await contest.published(app, shelf, contest.contest())
    await factories.ranked(app, await factories.make_actor(app, "ada"), 40_000)
    await contest.published(app, shelf, contest.contest(contest.board(freeze=contest.frozen())))
    await factories.ranked(app, await factories.make_actor(app, "bob"), 10_000)
    admin = await identity.authenticate(app, ADMIN_TOKEN, "api")

    story = await standings.story(app, admin, "vectoradd", "CPU")

    assert "bob" not in {item.entry.user_name for item in story.first}
    assert 10e-6 not in [pytest.approx(item.seconds) for item in story.records]
    assert story.frozen_until is not None
    assert "frozen" in pictures.words(story)


async def test_who_does_not_see_a_board_gets_no_picture_of_it(scene: Scene, shelf: Path) -> None:
    await contest.published(scene.app, shelf, contest.contest(visibility=Visibility.INVITE))

    with pytest.raises(NotFound):
        await scene.bot.pictures.of(await scene.own(), "vectoradd", "CPU")


async def test_a_picture_is_drawn_again_only_when_the_board_has_changed(scene: Scene) -> None:
    await factories.ranked(scene.app, await scene.own(), 20_000)
    first = await scene.bot.pictures.of(None, "vectoradd", "CPU")

    again = await scene.bot.pictures.of(await scene.own(), "VectorAdd", "cpu")
    await factories.ranked(scene.app, await factories.make_actor(scene.app, "bob"), 10_000)
    other = await scene.bot.pictures.of(None, "vectoradd", "CPU")

    assert first is again
    assert other is not None
    assert other != first
    assert "1st: bob" in other.words


async def test_a_picture_that_fails_costs_nothing_but_itself(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await factories.ranked(scene.app, await scene.own(), 20_000)

    def broken(card: object) -> bytes:
        raise OSError("the fonts are gone")

    monkeypatch.setattr(drawing, "drawn", broken)
    shown = await scene.slash("leaderboard", leaderboard="vectoradd", gpu="CPU")

    assert "ada" in shown.response.embeds[0].description
    assert shown.response.attachments == []


async def test_where_no_files_may_be_attached_the_leaderboard_comes_without(scene: Scene) -> None:
    await factories.ranked(scene.app, await scene.own(), 20_000)
    deny(scene, scene.channel, attach_files=True)

    shown = await scene.slash("leaderboard", leaderboard="vectoradd", gpu="CPU")

    assert "ada" in shown.response.embeds[0].description
    assert shown.response.attachments == []
