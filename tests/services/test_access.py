"""Who sees what: by invitation, privately until a date, and others' code once it is open."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from kernelbot.app import App
from kernelbot.domain.competition import Visibility
from kernelbot.domain.competition_scoring import CompetitionScoring
from kernelbot.domain.people import Actor
from kernelbot.errors import Conflict, Forbidden, NotFound
from kernelbot.services import (
    competition_standings,
    competitions,
    identity,
    invitations,
    moderation,
    standings,
    submissions,
    submit,
)
from tests.conftest import ADMIN_TOKEN
from tests.factories import CODE, judge_one, make_actor, ranked, submitted
from tests.patience import until
from tests.services.contest import HOUR, board, contest, now, published
from tests.services.test_lock_order import waiting_for_locks

NAME = "getting-started"
SCORED = {"scoring": CompetitionScoring()}

ADDRESSES: dict[str, Callable[[App, Actor | None], Awaitable[Any]]] = {
    "the competition": lambda app, actor: competitions.competition(app, actor, NAME),
    "its standings": lambda app, actor: competition_standings.totals(app, actor, NAME),
    "its leaderboard": lambda app, actor: standings.leaderboard(app, actor, "vectoradd"),
    "the leaderboard's standings": lambda app, actor: standings.standings(
        app, actor, "vectoradd", "CPU"
    ),
    "the leaderboard's history": lambda app, actor: standings.history(
        app, actor, "vectoradd", "CPU"
    ),
    "its problem": lambda app, actor: competitions.problem(app, actor, "vectoradd"),
    "the problem's archive": lambda app, actor: competitions.problem_archive(
        app, actor, "vectoradd"
    ),
}


async def root(app: App) -> Actor:
    return await identity.authenticate(app, ADMIN_TOKEN, "api")


async def code_of(app: App, **values: Any) -> str:
    made = await invitations.create(
        app, await root(app), NAME, **{"most": None, "expires_at": None, **values}
    )
    assert made.code is not None
    return made.code


async def sees(app: App, actor: Actor | None) -> list[bool]:
    seen = []
    for address in ADDRESSES.values():
        try:
            await address(app, actor)
        except NotFound:
            seen.append(False)
        else:
            seen.append(True)
    return seen


@pytest.fixture
async def by_invitation(app: App, shelf: Path) -> None:
    await published(app, shelf, contest(visibility=Visibility.INVITE, **SCORED))


@pytest.mark.usefixtures("by_invitation")
async def test_what_somebody_is_not_invited_to_does_not_exist_for_them(app: App) -> None:
    ada = await make_actor(app)

    for actor in (None, ada):
        assert await sees(app, actor) == [False] * len(ADDRESSES)
        assert await standings.leaderboards(app, actor) == ()
        assert await competitions.problems(app, actor) == ()
        assert await competitions.competitions(app, actor) == ()
    assert await submit.allowance(app, ada) == ()
    with pytest.raises(NotFound, match=r"There is no leaderboard 'vectoradd'\.$"):
        await submitted(app, ada)


def test_no_code_is_taken_for_an_option_where_it_is_typed() -> None:
    assert not [code for code in (invitations.new_code() for _ in range(2000)) if code[0] == "-"]


@pytest.mark.usefixtures("by_invitation")
async def test_a_code_lets_one_in_everywhere_and_nobody_else(app: App) -> None:
    ada, bob = await make_actor(app), await make_actor(app, "bob")

    joined = await invitations.join(app, ada, "Getting-Started", f" {await code_of(app)} ")

    assert joined.joined
    assert await sees(app, ada) == [True] * len(ADDRESSES)
    assert [item.name for item in await standings.leaderboards(app, ada)] == ["vectoradd"]
    assert [item.leaderboard for item in await submit.allowance(app, ada)] == ["vectoradd"]
    await ranked(app, ada, 1e6)
    assert (await standings.standings(app, ada, "vectoradd", "CPU")).total == 1
    assert await sees(app, bob) == [False] * len(ADDRESSES)


@pytest.mark.usefixtures("by_invitation")
async def test_organizers_see_what_is_not_public_if_their_token_says_so(app: App) -> None:
    admin = await root(app)
    assert await sees(app, admin) == [True] * len(ADDRESSES)

    without = Actor(user_id=admin.user_id, name=admin.name, channel="api", role=admin.role)
    assert await sees(app, without) == [False] * len(ADDRESSES)


@pytest.mark.usefixtures("by_invitation")
async def test_a_wrong_code_and_an_unknown_competition_are_answered_alike(app: App) -> None:
    ada = await make_actor(app)
    told = []
    for name in (NAME, "nothing-here"):
        with pytest.raises(NotFound) as refused:
            await invitations.join(app, ada, name, "wrong")
        told.append(refused.value.message.replace(name, "NAME"))

    assert told[0] == told[1]


@pytest.mark.usefixtures("by_invitation")
async def test_a_code_for_one_lets_in_one_of_many_who_come_at_once(app: App) -> None:
    people = [await make_actor(app, f"p{at}") for at in range(5)]
    code = await code_of(app, most=1)

    done = await asyncio.gather(
        *(invitations.join(app, actor, NAME, code) for actor in people), return_exceptions=True
    )

    assert sum(not isinstance(item, Exception) for item in done) == 1
    (listed,) = await invitations.listed(app, await root(app), NAME)
    assert (listed.joined, listed.most, listed.hint) == (1, 1, code[:4])


@pytest.mark.usefixtures("by_invitation")
async def test_one_person_who_comes_several_times_at_once_takes_one_place(app: App) -> None:
    ada, bob, code = await make_actor(app), await make_actor(app, "bob"), await code_of(app, most=2)

    async def both_wait() -> bool:
        return await waiting_for_locks(app) == 2

    async with app.database.transaction() as holding:
        await holding.execute(text("SELECT id FROM invites FOR UPDATE"))
        coming = [asyncio.create_task(invitations.join(app, ada, NAME, code)) for _ in range(2)]
        await until(both_wait)
    await asyncio.gather(*coming)

    (listed,) = await invitations.listed(app, await root(app), NAME)
    assert listed.joined == 1
    assert (await invitations.join(app, bob, NAME, code)).joined


@pytest.mark.usefixtures("by_invitation")
async def test_who_is_in_uses_up_no_code(app: App) -> None:
    ada, code = await make_actor(app), await code_of(app, most=2)

    for given in (code, code, "anything"):
        await invitations.join(app, ada, NAME, given)

    (listed,) = await invitations.listed(app, await root(app), NAME)
    assert listed.joined == 1


@pytest.mark.usefixtures("by_invitation")
async def test_a_code_that_is_revoked_or_expired_lets_nobody_in_and_throws_nobody_out(
    app: App,
) -> None:
    ada, bob, admin = await make_actor(app), await make_actor(app, "bob"), await root(app)
    revoked, expired = await code_of(app), await code_of(app, expires_at=now() - HOUR)
    await invitations.join(app, ada, NAME, revoked)
    made = await invitations.listed(app, admin, NAME)

    await invitations.revoke(app, admin, NAME, made[-1].id)

    for code in (revoked, expired):
        with pytest.raises(NotFound):
            await invitations.join(app, bob, NAME, code)
    assert await sees(app, ada) == [True] * len(ADDRESSES)
    with pytest.raises(NotFound):
        await invitations.revoke(app, admin, NAME, made[-1].id)


@pytest.mark.usefixtures("by_invitation")
async def test_codes_are_the_organizers_to_make(app: App) -> None:
    ada = await make_actor(app)

    for wish in (
        invitations.create(app, ada, NAME, None, None),
        invitations.listed(app, ada, NAME),
        invitations.revoke(app, ada, NAME, 1),
    ):
        with pytest.raises(Forbidden):
            await wish


async def test_there_are_no_codes_for_what_everybody_sees_or_nobody_may(
    app: App, shelf: Path
) -> None:
    admin = await root(app)
    with pytest.raises(Conflict, match="getting-started is public"):
        await invitations.create(app, admin, NAME, None, None)

    await published(app, shelf, contest(visibility=Visibility.INVITE))
    code = await code_of(app)
    await published(app, shelf, contest(visibility=Visibility.PRIVATE))

    with pytest.raises(NotFound):
        await invitations.join(app, await make_actor(app), NAME, code)


@pytest.mark.parametrize("visibility", [Visibility.PRIVATE, Visibility.INVITE])
async def test_from_its_date_on_everybody_sees_it(
    app: App, shelf: Path, visibility: Visibility
) -> None:
    for at, visible in ((now() + HOUR, False), (now() - HOUR, True)):
        await published(app, shelf, contest(visibility=visibility, public_from=at, **SCORED))

        assert await sees(app, None) == [visible] * len(ADDRESSES)


async def test_a_podium_that_not_everybody_may_see_is_told_in_one_channel_by_its_id_or_nowhere(
    app: App, shelf: Path
) -> None:
    async def told() -> list[str]:
        async with app.database.read() as connection:
            rows = await connection.exec_driver_sql(
                "SELECT payload->>'channel' FROM outbox WHERE topic = 'podium' ORDER BY id"
            )
            return list(rows.scalars())

    admin = await root(app)
    for number, channel in enumerate((None, "class")):  # a name may be given anywhere
        await published(app, shelf, contest(visibility=Visibility.PRIVATE, channel=channel))
        await ranked(app, admin, 3e6 - number * 1e6, CODE + b"# %d\n" % number)
    assert await told() == []

    by_id = "1189498204333543425"
    await published(app, shelf, contest(visibility=Visibility.PRIVATE, channel=by_id))
    await ranked(app, admin, 1e6, CODE + b"# 2\n")
    assert await told() == [by_id]


# --- code ------------------------------------------------------------------------------------------


async def reads(app: App, actor: Actor, submission_id: int) -> str | None:
    """The licence under which somebody reads it; None if they may not."""
    try:
        return (await submissions.code(app, actor, submission_id)).licence
    except NotFound:
        return None


@pytest.mark.parametrize(
    ("opens_in", "licence"), [(None, None), (HOUR, None), (-HOUR, "MIT")], ids=str
)
async def test_ranked_code_opens_at_its_time_under_its_licence(
    app: App, shelf: Path, opens_in: timedelta | None, licence: str | None
) -> None:
    opens = None if opens_in is None else now() + opens_in
    await published(app, shelf, contest(board(code_opens=opens)))
    ada, bob = await make_actor(app), await make_actor(app, "bob")

    view = await ranked(app, ada, 1e6)

    assert await reads(app, bob, view.id) == licence
    assert await reads(app, ada, view.id) == "MIT"


async def test_only_code_that_counts_is_opened(app: App, shelf: Path) -> None:
    ada, bob = await make_actor(app), await make_actor(app, "bob")
    await published(app, shelf, contest(board(code_opens=now() - HOUR)))
    tried = await submitted(app, ada, mode="benchmark", code=CODE + b"# tried\n")
    await judge_one(app)
    cheated = await ranked(app, ada, 1e6, CODE + b"# cheated\n")
    await moderation.void(app, await root(app), cheated.id, "it copied")
    waiting = await submitted(app, ada, code=CODE + b"# waits\n")

    for view in (tried, cheated, waiting):
        assert await reads(app, bob, view.id) is None


async def test_open_code_is_open_to_those_who_see_the_competition(app: App, shelf: Path) -> None:
    open_board = board(code_opens=now() - timedelta(minutes=1))
    await published(app, shelf, contest(open_board, visibility=Visibility.INVITE))
    ada, bob, cy = [await make_actor(app, name) for name in ("ada", "bob", "cy")]
    code = await code_of(app)
    for actor in (ada, bob):
        await invitations.join(app, actor, NAME, code)
    view = await ranked(app, ada, 1e6)

    assert await reads(app, bob, view.id) == "MIT"
    assert await reads(app, cy, view.id) is None
