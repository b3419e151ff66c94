"""Acts that wait for a yes."""

from __future__ import annotations

import asyncio

import pytest

from kernelbot.app import App
from kernelbot.errors import Conflict, Forbidden, NotFound
from kernelbot.services import pending
from tests.factories import make_actor
from tests.services.test_moderation import admin
from tests.services.test_turns import rows


async def test_of_many_who_say_yes_at_once_one_does_it(app: App) -> None:
    root = await admin(app)
    asked = await pending.ask(app, root, "void", {"submission": 7})

    taken = await asyncio.gather(
        *(pending.take(app, root, asked.id) for _ in range(5)), return_exceptions=True
    )

    (act,) = [item for item in taken if isinstance(item, pending.Act)]
    assert (act.name, act.detail) == ("void", {"submission": 7})
    assert all(isinstance(item, Conflict) for item in taken if item is not act)
    await pending.end(app, act)
    with pytest.raises(Conflict, match="decided already"):
        await pending.take(app, root, asked.id)


async def test_what_was_given_back_or_whose_taker_died_can_be_taken_again(app: App) -> None:
    root = await admin(app)
    asked = await pending.ask(app, root, "void", {})
    await pending.release(app, await pending.take(app, root, asked.id))
    await pending.take(app, root, asked.id)

    await rows(app, "UPDATE pending_acts SET taken_at = taken_at - interval '121 seconds'")
    await pending.take(app, root, asked.id)

    with pytest.raises(Conflict, match="being done"):
        await pending.drop(app, root, asked.id)


async def test_nobody_answers_for_another_and_old_questions_are_forgotten(app: App) -> None:
    root = await admin(app)
    asked = await pending.ask(app, root, "void", {})
    with pytest.raises(Forbidden):
        await pending.ask(app, await make_actor(app), "void", {})
    await rows(app, "UPDATE pending_acts SET user_id = (SELECT id FROM users WHERE name = 'ada')")
    with pytest.raises(NotFound):
        await pending.take(app, root, asked.id)

    await rows(app, "UPDATE pending_acts SET created_at = now() - interval '8 days'")
    await pending.ask(app, root, "void", {})
    assert len(await rows(app, "SELECT id FROM pending_acts")) == 1
