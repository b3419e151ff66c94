"""Files that wait for a word of where they are to go."""

from __future__ import annotations

import pytest

from kernelbot.app import App
from kernelbot.domain.submission import Draft
from kernelbot.errors import Conflict, NotFound
from kernelbot.services import pending, unaddressed
from tests import factories
from tests.factories import make_actor
from tests.services.test_moderation import admin
from tests.services.test_turns import rows

DRAFT = Draft(
    code=factories.CODE,
    file_name="a\0b.py",
    gpus=("H100",),
    mode="profile",
    profile_case=2,
    idempotency_key="discord:7",
)


async def test_what_was_sent_comes_back_as_it_was_with_what_is_chosen_and_ends_when_it_is_sent(
    app: App,
) -> None:
    actor = await make_actor(app)
    number = await unaddressed.keep(app, actor, DRAFT)
    await unaddressed.goes_to(app, actor, number, "vectoradd")

    found = await unaddressed.find(app, actor, number)
    await unaddressed.sent(app, actor, number)

    assert (found.code, found.gpus, found.mode) == (DRAFT.code, ("H100",), "profile")
    assert (found.leaderboard, found.profile_case) == ("vectoradd", 2)
    assert (found.file_name, found.idempotency_key) == ("a\u2400b.py", "discord:7")
    with pytest.raises(Conflict, match="sent already"):
        await unaddressed.find(app, actor, number)
    assert await rows(app, "SELECT id FROM drafts") == []


async def test_a_file_is_its_senders_alone_and_of_one_person_five_are_kept(app: App) -> None:
    actor, other = await make_actor(app), await make_actor(app, "grace")
    numbers = [await unaddressed.keep(app, actor, DRAFT) for _ in range(6)]

    with pytest.raises(NotFound, match="sent no file"):
        await unaddressed.find(app, other, numbers[-1])
    with pytest.raises(Conflict, match="not kept any more"):
        await unaddressed.find(app, actor, numbers[0])
    assert (await unaddressed.find(app, actor, numbers[1])).code == DRAFT.code


async def test_what_an_administrator_was_asked_is_no_file(app: App) -> None:
    root = await admin(app)
    asked = await pending.ask(app, root, "void", {})

    with pytest.raises(NotFound, match="sent no file"):
        await unaddressed.find(app, root, asked.id)
