"""Moderation: who may, whom it means, and that it is written down."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kernelbot.app import App
from kernelbot.domain.people import Actor
from kernelbot.domain.submission import Outcome
from kernelbot.errors import Conflict, Forbidden, InvalidInput, NotFound
from kernelbot.services import announce, identity, moderation, publish, standings, submissions
from kernelbot.services.publish import Source
from kernelbot.services.views import EventView
from tests.conftest import ADMIN_TOKEN
from tests.factories import judge_one, make_actor, ranked, submitted
from tests.services.contest import board, catalog_of, contest, posed_anew, published

TOMORROW = datetime.now(UTC) + timedelta(days=1)


async def admin(app: App) -> Actor:
    return await identity.authenticate(app, ADMIN_TOKEN, "api")


async def test_a_ban_holds_for_every_later_request_until_it_is_lifted(app: App) -> None:
    root = await admin(app)
    ada = await identity.person(app, "discord", "1", "ada", "discord")

    await moderation.ban(app, root, "ada", TOMORROW, "cheating")
    banned = await identity.person(app, "discord", "1", "ada", "discord")
    with pytest.raises(Forbidden, match="cheating"):
        await submitted(app, banned)
    await moderation.unban(app, root, f"#{ada.user_id}")

    await submitted(app, await identity.person(app, "discord", "1", "ada", "discord"))


async def test_who_shares_a_name_is_named_by_number(app: App) -> None:
    root = await admin(app)
    one, two = await make_actor(app, "ada"), await make_actor(app, "ada")

    with pytest.raises(Conflict, match=f"#{one.user_id}, #{two.user_id}"):
        await moderation.ban(app, root, "ada", TOMORROW, "x")
    await moderation.ban(app, root, f"#{two.user_id}", TOMORROW, "x")

    assert (await identity.me(app, two)).user_id == two.user_id


@pytest.mark.parametrize("name", ["nobody", "#0", "#99999999999999999999", "#²", "a\0", ""])
async def test_nobody_of_that_name_is_said_so(app: App, name: str) -> None:
    with pytest.raises(NotFound, match=r"nobody (named|with the number)"):
        await moderation.ban(app, await admin(app), name, TOMORROW, "x")


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501, "a\0b"])
async def test_a_reason_is_needed_and_bounded(app: App, reason: str) -> None:
    root = await admin(app)

    with pytest.raises(InvalidInput, match="1 to 500"):
        await moderation.ban(app, root, "ada", TOMORROW, reason)
    with pytest.raises(InvalidInput, match="1 to 500"):
        await moderation.void(app, root, 1, reason)


@pytest.mark.parametrize("submission_id", [0, -1, 999_999, 2**63, 2**70])
async def test_what_stands_nowhere_cannot_be_voided(app: App, submission_id: int) -> None:
    with pytest.raises(NotFound, match="stands on no leaderboard"):
        await moderation.void(app, await admin(app), submission_id, "x")


async def test_a_void_holds_on_every_gpu_and_version_until_it_is_lifted(
    app: App, shelf: Path
) -> None:
    root, ada = await admin(app), await make_actor(app)
    several = contest(board(gpus=("CPU", "T4", "L4")))
    await published(app, shelf, several)
    first = await ranked(app, ada, 1e6)
    await publish.apply(app, posed_anew(catalog_of(app, shelf, several)), Source())
    await submitted(app, ada, gpus=("T4",))
    await judge_one(app, gpu="T4")

    async def where() -> list[str]:
        boards = [await standings.board(app, None, "vectoradd", gpu) for gpu in ("CPU", "T4", "L4")]
        return [
            item.gpu for item in boards if any(placed.earlier is None for placed in item.standings)
        ]

    assert await where() == ["T4"]
    await moderation.void(app, root, first.id, "it copied")
    assert await where() == []
    await judge_one(app)  # it was to be measured again
    await submitted(app, ada, gpus=("L4",))
    await judge_one(app, gpu="L4")
    assert await where() == []

    await moderation.restore(app, root, first.id, "it did not")
    assert await where() == ["CPU", "T4", "L4"]


async def test_the_owner_of_voided_code_is_told_why_wherever_they_look(
    app: App, shelf: Path
) -> None:
    root, ada = await admin(app), await make_actor(app, channel="discord")
    first = await ranked(app, ada, 1e6)
    await announce.claim(app, ["finished"], 9, 60)

    await moderation.void(app, root, first.id, "It copied.")
    again = await ranked(app, ada, 1e6)  # the same code is void wherever it comes from

    for view in (first, again):
        (run,) = (await submissions.submission(app, ada, view.id)).runs
        assert run.ranking == "Not ranked: an organizer has taken this code off the leaderboard."
        assert run.decision is not None
        assert (run.decision.outcome, run.decision.reason) == (Outcome.VOIDED, "It copied.")
        assert run.decision.at <= datetime.now(UTC)
    for item in (await submissions.mine(app, ada)).items:
        assert item.runs[0].ranking.startswith("Not ranked: an organizer has taken")
        assert item.runs[0].decision == run.decision
    assert decided(await submissions.events(app, first.id, 0)) == [("voided", "It copied.")]
    (told,) = await announce.claim(app, ["decided"], 9, 60)
    assert told.payload == {"submission_id": first.id, "run_id": first.runs[0].id}


async def test_code_that_was_voided_says_why_on_the_next_version_too(app: App, shelf: Path) -> None:
    root, ada = await admin(app), await make_actor(app)
    await published(app, shelf, contest())
    first = await ranked(app, ada, 1e6)
    await moderation.void(app, root, first.id, "It copied.")

    await publish.apply(app, posed_anew(catalog_of(app, shelf, contest())), Source())
    again = await ranked(app, ada, 1e6)

    (run,) = (await submissions.submission(app, ada, again.id)).runs
    assert run.decision is not None
    assert (run.decision.outcome, run.decision.reason) == (Outcome.VOIDED, "It copied.")


def decided(events: Sequence[EventView]) -> list[tuple[str, str]]:
    return [
        (item.data["decision"], item.data["reason"]) for item in events if item.kind == "decided"
    ]


async def test_each_decision_about_the_same_code_is_told(app: App) -> None:
    root, ada = await admin(app), await make_actor(app, channel="discord")
    view = await ranked(app, ada, 1e6)

    for decide, reason in (
        (moderation.void, "It copied."),
        (moderation.restore, "It did not."),
        (moderation.void, "It did."),
    ):
        await decide(app, root, view.id, reason)
        (run,) = (await submissions.submission(app, ada, view.id)).runs
        assert run.decision is not None
        assert run.decision.reason == reason

    assert len(await announce.claim(app, ["decided"], 9, 60)) == 3


async def test_who_is_banned_with_all_their_code_is_told_once_and_reads_why_of_each(
    app: App,
) -> None:
    root, ada = await admin(app), await make_actor(app, channel="discord")
    views = [await ranked(app, ada, 1e6, f"# {nth}\nprint()\n".encode()) for nth in range(3)]

    await moderation.ban(app, root, "ada", TOMORROW, "Several accounts", void=True)

    for view in views:
        (run,) = (await submissions.submission(app, ada, view.id)).runs
        assert run.decision is not None
        assert run.decision.reason == "Several accounts"
    (told,) = await announce.claim(app, ["decided"], 9, 60)
    assert told.payload["submission_id"] == views[-1].id


async def test_who_came_by_no_discord_is_sent_nothing_there(app: App) -> None:
    view = await ranked(app, await make_actor(app), 1e6)

    await moderation.void(app, await admin(app), view.id, "It copied.")

    assert await announce.claim(app, ["decided"], 9, 60) == ()


async def test_members_moderate_nothing(app: App) -> None:
    ada = await make_actor(app)
    view = await ranked(app, ada, 1e6)

    for attempt in (
        moderation.ban(app, ada, "ada", TOMORROW, "x"),
        moderation.unban(app, ada, "ada"),
        moderation.void(app, ada, view.id, "x"),
        moderation.restore(app, ada, view.id, "x"),
        moderation.audit(app, ada),
    ):
        with pytest.raises(Forbidden):
            await attempt


async def test_what_was_done_is_written_down_with_who_and_why(app: App) -> None:
    root, ada = await admin(app), await make_actor(app)
    view = await ranked(app, ada, 1e6)
    await moderation.ban(app, root, "ada", TOMORROW, "cheating")
    await moderation.void(app, root, view.id, "cheating")

    void, ban = (await moderation.audit(app, root, limit=2)).items

    assert (void["actor"], void["action"]) == ("admin", "submission.void")
    assert (void["target"], void["detail"]) == (f"submission:{view.id}", {"reason": "cheating"})
    assert (ban["action"], ban["target"]) == ("user.ban", f"user:{ada.user_id}")
    assert ban["detail"]["reason"] == "cheating"


async def test_the_audit_log_comes_in_parts_and_can_be_of_one_target(app: App) -> None:
    root, ada, bob = await admin(app), await make_actor(app), await make_actor(app, "bob")
    for reason in ("one", "two", "three"):
        await moderation.ban(app, root, "ada", TOMORROW, reason)
        await moderation.ban(app, root, "bob", TOMORROW, "another")

    seen: list[str] = []
    cursor: str | None = None
    for size in (2, 1):
        page = await moderation.audit(
            app, root, target=f"user:{ada.user_id}", cursor=cursor, limit=2
        )
        assert len(page.items) == size
        seen += [item["detail"]["reason"] for item in page.items]
        cursor = page.cursor

    assert (seen, cursor) == (["three", "two", "one"], None)
    newest = (await moderation.audit(app, root, limit=1)).items[0]
    assert newest["target"] == f"user:{bob.user_id}"
    for target in ("user:0", "user", "a\0b", "\ud800"):
        assert (await moderation.audit(app, root, target=target)).items == ()
    with pytest.raises(InvalidInput, match="cursor"):
        await moderation.audit(app, root, cursor="x")


async def test_the_admin_role_needs_the_scope_as_well(app: App) -> None:
    root = await admin(app)

    with pytest.raises(Forbidden):
        await moderation.audit(app, dataclasses.replace(root, scopes=frozenset()))
