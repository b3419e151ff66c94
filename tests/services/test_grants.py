"""More GPU-seconds for a person: how long they hold, and what cannot be granted."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kernelbot.app import App
from kernelbot.errors import Conflict, Forbidden, InvalidInput, NotFound, RateLimited
from kernelbot.services import grants, moderation
from tests.factories import make_actor, submitted
from tests.services.contest import board, contest, published
from tests.services.test_moderation import admin
from tests.services.test_turns import rows

CONTEST = "getting-started"


async def given(app: App, **changes: Any) -> grants.Grant:
    values = {"gpu": "CPU", "gpu_s": 30.0, "reason": "A paper", "days": 1.0, "word": "ada"}
    wish: dict[str, Any] = {**values, **changes}
    ends = datetime.now(UTC) + timedelta(days=wish.pop("days"))
    return await grants.grant(
        app, await admin(app), wish.pop("word"), CONTEST, ends_at=ends, **wish
    )


async def limit(app: App, gpu: str = "CPU") -> float:
    use = await grants.of_person(app, await admin(app), "ada", CONTEST)
    (item,) = [one for one in use.competitions[0].gpu_seconds if one.gpu == gpu]
    return item.limit_s


async def test_a_grant_that_is_repeated_because_its_answer_was_lost_is_made_once(
    app: App, shelf: Path
) -> None:
    await published(app, shelf, contest(gpu_seconds_per_day={"*": 20.0}))
    await make_actor(app)

    found = await asyncio.gather(given(app), given(app, gpu="cpu"), return_exceptions=True)
    (made,) = [item for item in found if isinstance(item, grants.Grant)]
    with pytest.raises(Conflict, match=f"as grant {made.id}, and it holds"):
        await given(app)
    assert await limit(app) == 50

    await given(app, reason="Another paper")
    await rows(app, "UPDATE grants SET created_at = now() - interval '11 minutes'")
    await given(app)
    assert await limit(app) == 110


async def test_grants_add_up_on_their_gpu_for_their_person_until_they_end(
    app: App, shelf: Path
) -> None:
    several = contest(board(gpus=("CPU", "T4")), gpu_seconds_per_day={"*": 20.0})
    await published(app, shelf, several)
    ada, bob = await make_actor(app), await make_actor(app, "bob")
    await submitted(app, ada)
    await submitted(app, bob)
    with pytest.raises(RateLimited):
        await submitted(app, ada)

    first, second = await given(app), await given(app, gpu="cpu", gpu_s=50.0, days=7.0)
    assert (await limit(app), await limit(app, "T4")) == (100, 20)
    await submitted(app, ada)
    with pytest.raises(RateLimited):
        await submitted(app, bob)

    await rows(app, "UPDATE grants SET ends_at = now() WHERE id = :id", id=second.id)
    assert await limit(app) == 50
    await grants.take_back(app, await admin(app), first.id)
    assert await limit(app) == 20
    with pytest.raises(NotFound, match="in force"):
        await grants.take_back(app, await admin(app), first.id)
    ended, *made = (await moderation.audit(app, await admin(app), limit=3)).items
    assert (ended["action"], ended["detail"]) == ("grant.end", {"grant": first.id})
    assert {line["detail"]["gpu_s"] for line in made} == {30, 50}


@pytest.mark.parametrize(
    ("wish", "refusal", "words"),
    [
        ({"gpu": "T4"}, Conflict, "nothing to grant"),
        ({"gpu": "TPU"}, NotFound, "It is on: CPU, T4"),
        ({"word": "nobody"}, NotFound, "nobody named"),
        ({"gpu_s": 0.0}, InvalidInput, "GPU-seconds"),
        ({"gpu_s": float("nan")}, InvalidInput, "GPU-seconds"),
        ({"days": -1.0}, InvalidInput, "3650 days"),
        ({"days": 4000.0}, InvalidInput, "3650 days"),
        ({"reason": " "}, InvalidInput, "reason"),
    ],
)
async def test_what_cannot_be_granted_is_refused_with_what_can(
    app: App, shelf: Path, wish: dict[str, Any], refusal: type[Exception], words: str
) -> None:
    several = contest(board(gpus=("CPU", "T4")), gpu_seconds_per_day={"CPU": 20.0})
    await published(app, shelf, several)
    await make_actor(app)

    with pytest.raises(refusal, match=words):
        await given(app, **wish)


async def test_hourly_limits_are_shown_with_what_was_used(app: App) -> None:
    await rows(app, "UPDATE leaderboards SET ranked_per_hour = 3")
    await submitted(app, await make_actor(app))

    use = await grants.of_person(app, await admin(app), "ada")

    (hourly,) = [item for item in use.competitions[0].hourly if item.leaderboard == "vectoradd"]
    assert (hourly.ranked_used, hourly.ranked_limit) == (1, 3)


async def test_members_see_and_grant_nothing(app: App) -> None:
    ada = await make_actor(app)
    ends = datetime.now(UTC) + timedelta(days=1)
    for attempt in (
        grants.of_person(app, ada, "ada"),
        grants.grant(app, ada, "ada", CONTEST, "CPU", 1, "x", ends),
        grants.take_back(app, ada, 1),
    ):
        with pytest.raises(Forbidden):
            await attempt
