"""A freeze: others' newer results stay hidden until it ends, one's own are shown."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, text

from kernelbot.app import App
from kernelbot.domain.competition import Freeze
from kernelbot.domain.competition_scoring import CompetitionScoring
from kernelbot.domain.people import Actor
from kernelbot.judge.protocol import VerdictKind
from kernelbot.services import (
    competition_standings,
    identity,
    moderation,
    publish,
    quarantine,
    standings,
    submissions,
)
from kernelbot.services.publish import Source
from tests.conftest import ADMIN_TOKEN
from tests.factories import CODE, judge_one, make_actor, make_verdict, ranked, submitted
from tests.services.contest import (
    board,
    catalog_of,
    contest,
    frozen,
    now,
    posed_anew,
    published,
)

Table = list[tuple[int, str, float]]


async def freeze(app: App, shelf: Path, held: Freeze | None) -> None:
    competition = contest(board(freeze=held, points=100), scoring=CompetitionScoring())
    await published(app, shelf, competition)


async def table(app: App, reader: Actor | None) -> Table:
    page = await standings.standings(app, reader, "vectoradd", "CPU")
    return [(i.rank, i.entry.user_name, round(i.entry.seconds * 1e3, 3)) for i in page.items]


async def history(app: App, reader: Actor | None) -> list[str]:
    page = await standings.history(app, reader, "vectoradd", "CPU")
    return [item.user_name for item in page.items]


async def totals(app: App, reader: Actor | None) -> list[str]:
    page = await competition_standings.totals(app, reader, "getting-started")
    return [item.user_name for item in page.items]


@pytest.fixture
async def people(app: App, shelf: Path) -> dict[str, Actor]:
    """Ada and Bob are ranked when it freezes; then Bob gets faster, and Cy comes."""
    made = {name: await make_actor(app, name) for name in ("ada", "bob", "cy")}
    await freeze(app, shelf, None)
    await ranked(app, made["ada"], 2e6)
    await ranked(app, made["bob"], 3e6)
    await freeze(app, shelf, frozen())
    await ranked(app, made["bob"], 1e6, CODE + b"# faster\n")
    await ranked(app, made["cy"], 0.5e6)
    return made


async def test_others_see_what_was_reached_before_and_each_sees_their_own(
    app: App, people: dict[str, Actor]
) -> None:
    assert await table(app, None) == [(1, "ada", 2), (2, "bob", 3)]
    assert await table(app, people["ada"]) == [(1, "ada", 2), (2, "bob", 3)]
    assert await table(app, people["bob"]) == [(1, "bob", 1), (2, "ada", 2)]
    assert await table(app, people["cy"]) == [(1, "cy", 0.5), (2, "ada", 2), (3, "bob", 3)]


async def test_history_and_totals_keep_to_it_too(app: App, people: dict[str, Actor]) -> None:
    assert await history(app, None) == ["bob", "ada"]
    assert await history(app, people["bob"]) == ["bob", "bob", "ada"]
    assert await totals(app, people["ada"]) == ["ada", "bob"]
    # Others keep the score that everybody sees: cy has 100 points like ada, who was there before.
    assert await totals(app, people["cy"]) == ["ada", "cy", "bob"]


async def test_the_pages_say_until_when_and_tell_by_no_number_that_anything_happens(
    app: App, people: dict[str, Actor]
) -> None:
    before = await standings.standings(app, None, "vectoradd", "CPU")
    await ranked(app, people["cy"], 0.4e6, CODE + b"# again\n")
    after = await standings.standings(app, None, "vectoradd", "CPU")

    assert before == after
    assert before.frozen_until is not None
    assert before.frozen_until > now()


async def test_how_many_people_there_are_and_are_measured_again_does_not_tell_it_either(
    app: App, shelf: Path, people: dict[str, Actor]
) -> None:
    admin = await identity.authenticate(app, ADMIN_TOKEN, "api")

    async def counts(reader: Actor | None) -> list[tuple[int, int]]:
        views = [
            await standings.leaderboard(app, reader, "vectoradd"),
            *await standings.leaderboards(app, reader),
        ]
        return [(view.people, view.measured_again) for view in views]

    assert await counts(None) == [(2, 0)] * 2
    assert await counts(admin) == [(3, 0)] * 2
    since = (await standings.leaderboard(app, None, "vectoradd")).frozen_from
    assert since is not None
    held = contest(
        board(freeze=Freeze(begins=since, ends=now() + timedelta(hours=1)), points=100),
        scoring=CompetitionScoring(),
    )
    await publish.apply(app, posed_anew(catalog_of(app, shelf, held)), Source())
    assert await counts(None) == [(0, 2)] * 2
    for _ in range(4):
        await judge_one(app, make_verdict(ns=5e6))
    assert await counts(None) == [(2, 0)] * 2


async def test_ones_own_result_says_its_place_among_what_may_be_seen(
    app: App, people: dict[str, Actor]
) -> None:
    (newest, *_) = (await submissions.mine(app, people["bob"])).items

    view = await submissions.submission(app, people["bob"], newest.id)

    assert "Ranked 1st of 2" in view.runs[0].ranking


async def test_organizers_see_through_it(app: App, people: dict[str, Actor]) -> None:
    admin = await identity.authenticate(app, ADMIN_TOKEN, "api")

    assert [name for _, name, _ in await table(app, admin)] == ["cy", "bob", "ada"]
    assert await totals(app, admin) == ["cy", "bob", "ada"]


async def test_no_podium_is_announced_meanwhile(app: App, people: dict[str, Actor]) -> None:
    async with app.database.read() as connection:
        rows = await connection.execute(
            text("SELECT payload->>'user_name' FROM outbox WHERE topic = 'podium' ORDER BY id")
        )

    assert list(rows.scalars()) == ["ada", "bob"]


async def test_when_it_ends_everything_is_shown(
    app: App, shelf: Path, people: dict[str, Actor]
) -> None:
    ended = frozen(begins=-timedelta(minutes=2), ends=-timedelta(minutes=1))
    await freeze(app, shelf, ended)

    assert [name for _, name, _ in await table(app, None)] == ["cy", "bob", "ada"]
    assert len(await history(app, None)) == 4
    assert await totals(app, None) == ["cy", "bob", "ada"]


async def test_repeats_of_the_same_code_do_not_move_what_is_frozen(
    app: App, people: dict[str, Actor]
) -> None:
    await ranked(app, people["ada"], 8e6)  # the code she had: her pooled time is worse now

    assert (await table(app, None))[0] == (1, "ada", 2)
    assert [seconds for _, who, seconds in await table(app, people["ada"]) if who == "ada"] == [4]


async def test_what_is_voided_meanwhile_is_gone_at_once(app: App, people: dict[str, Actor]) -> None:
    admin = await identity.authenticate(app, ADMIN_TOKEN, "api")
    (first,) = (await submissions.mine(app, people["ada"])).items

    await moderation.void(app, admin, first.id, "it copied")

    assert await table(app, None) == [(1, "bob", 3)]


async def test_what_is_released_meanwhile_is_hidden_like_what_is_handed_in(
    app: App, shelf: Path
) -> None:
    admin = await identity.authenticate(app, ADMIN_TOKEN, "api")
    ada, bob = await make_actor(app), await make_actor(app, "bob")
    await freeze(app, shelf, None)
    await ranked(app, ada, 2e6)
    await submitted(app, bob)
    held = await judge_one(app, make_verdict(VerdictKind.QUARANTINED, ns=1e6))
    await freeze(app, shelf, frozen())

    await quarantine.release(app, admin, held.run_id, "A noisy machine.")

    assert await table(app, None) == [(1, "ada", 2)]
    assert await history(app, None) == ["ada"]
    assert await table(app, bob) == [(1, "bob", 1), (2, "ada", 2)]
    assert await history(app, bob) == ["bob", "ada"]


async def test_what_is_measured_again_meanwhile_is_shown_as_far_as_it_counted_before(
    app: App, shelf: Path, people: dict[str, Actor]
) -> None:
    held = contest(board(freeze=frozen(begins=-timedelta(seconds=30)), points=100))
    async with app.database.transaction() as connection:
        await connection.execute(
            text(
                "UPDATE runs SET finished_at = finished_at - interval '1 minute'"
                " WHERE user_id = :ada"
            ),
            {"ada": people["ada"].user_id},
        )
    await publish.apply(app, posed_anew(catalog_of(app, shelf, held)), Source())
    for _ in people:
        await judge_one(app, make_verdict(ns=5e6))

    assert await table(app, None) == [(1, "ada", 5)]
    assert await history(app, None) == ["ada", "ada"]


async def test_that_hidden_code_is_measured_again_is_told_by_no_number_either(
    app: App, shelf: Path, people: dict[str, Actor]
) -> None:
    since = (await standings.leaderboard(app, None, "vectoradd")).frozen_from
    assert since is not None
    held = contest(board(freeze=Freeze(begins=since, ends=now() + timedelta(hours=1)), points=100))
    await publish.apply(app, posed_anew(catalog_of(app, shelf, held)), Source())
    told: dict[str, list[int]] = {name: [] for name in people}
    # Of Bob both codes: the one that is hidden and the one that he had before.
    for nth in range(4):
        before = await standings.standings(app, None, "vectoradd", "CPU")
        kind = VerdictKind.WRONG_ANSWER if nth % 2 else VerdictKind.PASSED
        run = await judge_one(app, make_verdict(kind, ns=5e6))
        after = await standings.standings(app, None, "vectoradd", "CPU")
        (owner,) = [
            name
            for name, actor in people.items()
            if any(
                item.id == run.submission_id for item in (await submissions.mine(app, actor)).items
            )
        ]
        told[owner].append(after.revision - before.revision)

    assert told["cy"] == [0]
    assert told["ada"] == [1]
    assert sorted(told["bob"]) == [0, 1]


@pytest.fixture
def readings(app: App) -> list[str]:
    """What is asked of the database to make the board on the processor as it was."""
    made: list[str] = []

    def note(*values: object) -> None:
        if "later AS MATERIALIZED" in str(values[2]) and "'CPU'" in repr(values[3]):
            made.append(str(values[2]))

    event.listen(app.database.engine.sync_engine, "before_cursor_execute", note)
    return made


async def test_readers_who_come_at_once_share_one_reading_of_what_is_frozen(
    app: App, people: dict[str, Actor], readings: list[str]
) -> None:
    await asyncio.gather(*(table(app, people["ada"]) for _ in range(8)))

    assert len(readings) == 1


async def test_new_results_are_no_reason_to_read_what_is_frozen_again(
    app: App, people: dict[str, Actor], readings: list[str]
) -> None:
    admin = await identity.authenticate(app, ADMIN_TOKEN, "api")
    before = await table(app, None)

    await ranked(app, people["ada"], 1.5e6, CODE + b"# one more\n")
    await ranked(app, people["bob"], 3e6)  # the code he had before
    await submitted(app, people["cy"])
    held = await judge_one(app, make_verdict(VerdictKind.QUARANTINED, ns=1e6))
    await quarantine.release(app, admin, held.run_id, "A noisy machine.")

    assert await table(app, None) == before
    assert await table(app, people["ada"]) == [(1, "ada", 1.5), (2, "bob", 3)]
    assert await totals(app, None) == ["ada", "bob"]
    assert len(readings) == 1


@pytest.mark.parametrize("held", [True, False], ids=["frozen", "open"])
async def test_who_has_another_name_is_shown_by_it(app: App, shelf: Path, held: bool) -> None:
    ada = await identity.person(app, "discord", "1", "ada", "discord")
    await freeze(app, shelf, None)
    await ranked(app, ada, 2e6)
    await freeze(app, shelf, frozen() if held else None)
    assert await table(app, None) == [(1, "ada", 2)]

    await identity.person(app, "discord", "1", "Ada L.", "discord")

    assert await table(app, None) == [(1, "Ada L.", 2)]


async def test_what_is_voided_or_restored_changes_what_is_frozen_each_time(
    app: App, people: dict[str, Actor], readings: list[str]
) -> None:
    admin = await identity.authenticate(app, ADMIN_TOKEN, "api")
    (first,) = (await submissions.mine(app, people["ada"])).items
    told = [(await standings.standings(app, None, "vectoradd", "CPU")).revision]

    for change, expected in (
        (moderation.void, ["bob"]),
        (moderation.restore, ["ada", "bob"]),
    ):
        await change(app, admin, first.id, "it copied")
        assert [name for _, name, _ in await table(app, None)] == expected
        told.append((await standings.standings(app, None, "vectoradd", "CPU")).revision)

    await moderation.ban(app, admin, "bob", now() + timedelta(days=1), "no", void=True)
    assert [name for _, name, _ in await table(app, None)] == ["ada"]
    assert len(readings) == 4
    assert told == sorted(set(told))
