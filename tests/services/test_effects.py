"""What a decision would do is what it does."""

from __future__ import annotations

from pathlib import Path

import pytest

from kernelbot.app import App
from kernelbot.errors import Forbidden, NotFound
from kernelbot.services import effects, moderation, standings
from tests.factories import judge_one, make_actor, make_verdict, ranked, submitted
from tests.services.contest import board, contest, published
from tests.services.test_moderation import TOMORROW, admin

SLOW = b"# slow\nprint()\n"


async def test_a_void_does_on_every_gpu_what_was_told(app: App, shelf: Path) -> None:
    root = await admin(app)
    await published(app, shelf, contest(board(gpus=("CPU", "T4"))))
    ada, bob = await make_actor(app), await make_actor(app, "bob")
    await ranked(app, ada, 9e6, SLOW)
    sent = await submitted(app, ada, gpus=("CPU", "T4"))
    await judge_one(app, make_verdict(ns=1e6))
    await judge_one(app, make_verdict(ns=1e6), gpu="T4")
    await ranked(app, bob, 3e6, b"# bob\nprint()\n")

    told = await effects.of_void(app, root, sent.id)
    assert [
        (item.gpu, item.rank, item.people, item.rank_after, item.moves_up) for item in told.falls
    ] == [
        ("CPU", 1, 2, 2, 1),
        ("T4", 1, 1, None, 0),
    ]
    await moderation.void(app, root, sent.id, "x")

    cpu, t4 = [await standings.board(app, None, "vectoradd", gpu) for gpu in ("CPU", "T4")]
    assert [item.entry.user_name for item in cpu.standings] == ["bob", "ada"]
    assert not t4.standings
    after = await effects.of_void(app, root, sent.id)
    assert after.void
    assert await moderation.void(app, root, sent.id, "x") == 0, "done once"


async def test_a_ban_that_voids_takes_the_places_that_were_told(app: App) -> None:
    root, ada = await admin(app), await make_actor(app)
    await ranked(app, ada, 1e6)
    await ranked(app, await make_actor(app, "bob"), 2e6, SLOW)
    await submitted(app, ada)

    told = await effects.of_ban(app, root, "ada")
    assert (told.open_runs, len(told.falls), told.falls[0].moves_up) == (1, 1, 1)
    await moderation.ban(app, root, "ada", TOMORROW, "x", void=True)

    assert (await effects.of_ban(app, root, "ada")).falls == ()


async def test_what_stands_nowhere_or_does_not_wait_has_no_effect(app: App) -> None:
    root, ada = await admin(app), await make_actor(app)
    for asked in (0, 1, 2**63):
        with pytest.raises(NotFound):
            await effects.of_void(app, root, asked)
        with pytest.raises(NotFound):
            await effects.of_refusal(app, root, asked)
    for attempt in (
        effects.of_void(app, ada, 1),
        effects.of_ban(app, ada, "ada"),
        effects.of_refusal(app, ada, 1),
    ):
        with pytest.raises(Forbidden):
            await attempt
