"""Reading submissions: one's own, a page at a time, nothing of anybody else."""

from __future__ import annotations

import dataclasses

import pytest

from kernelbot.app import App
from kernelbot.domain.people import ALL_SCOPES, Role, Scope
from kernelbot.errors import Forbidden, InvalidInput, NotFound
from kernelbot.judge.protocol import Mode, Spent
from kernelbot.services import identity, moderation, submissions
from tests.conftest import ADMIN_TOKEN
from tests.factories import CODE, judge_one, make_actor, make_verdict, submitted


async def test_ones_submissions_come_newest_first_in_pages(app: App) -> None:
    ada, bob = await make_actor(app, "ada"), await make_actor(app, "bob")
    ids = [(await submitted(app, ada)).id for _ in range(5)]
    await submitted(app, bob)

    seen: list[int] = []
    cursor: str | None = None
    while True:
        page = await submissions.mine(app, ada, cursor=cursor, limit=2)
        seen += [item.id for item in page.items]
        cursor = page.cursor
        if cursor is None:
            break

    assert seen == ids[::-1]


@pytest.mark.parametrize(
    ("name", "found"), [("VectorAdd", 1), ("matmul", 0), ("a\0b", 0), ("\ud800", 0)]
)
async def test_the_list_can_be_of_one_leaderboard(app: App, name: str, found: int) -> None:
    ada = await make_actor(app)
    await submitted(app, ada)

    assert len((await submissions.mine(app, ada, leaderboard=name)).items) == found


async def test_anothers_submission_its_code_and_its_steps_are_not_there(app: App) -> None:
    ada, bob = await make_actor(app, "ada"), await make_actor(app, "bob")
    view = await submitted(app, ada)

    with pytest.raises(NotFound):
        await submissions.submission(app, bob, view.id)
    with pytest.raises(NotFound):
        await submissions.code(app, bob, view.id)
    with pytest.raises(NotFound):
        await anext(submissions.follow(app, bob, view.id))


async def test_an_administrator_sees_everybodys_with_the_scope_alone(app: App) -> None:
    ada, root = await make_actor(app, "ada"), await make_actor(app, "root")
    view = await submitted(app, ada)
    with_scope = dataclasses.replace(root, role=Role.ADMIN, scopes=ALL_SCOPES)
    without = dataclasses.replace(root, role=Role.ADMIN)

    assert (await submissions.submission(app, with_scope, view.id)).id == view.id
    with pytest.raises(NotFound):
        await submissions.submission(app, without, view.id)


async def test_of_a_number_that_no_submission_can_have_nothing_is_offered(app: App) -> None:
    root = await identity.authenticate(app, ADMIN_TOKEN, "api")
    view = await submitted(app, await make_actor(app))

    assert [item.id for item in await submissions.recent(app, root, f"#{view.id}")] == [view.id]
    assert await submissions.recent(app, root, "9" * 19) == ()


async def test_an_administrator_who_reads_anothers_code_is_written_down_each_time(app: App) -> None:
    root = await identity.authenticate(app, ADMIN_TOKEN, "api")
    view = await submitted(app, await make_actor(app))
    own = await submitted(app, root)

    for _ in range(2):
        assert (await submissions.code(app, root, view.id)).content == CODE
    await submissions.code(app, root, own.id)

    reads = [
        (item["actor"], item["target"])
        for item in (await moderation.audit(app, root)).items
        if item["action"] == "submission.read"
    ]
    assert reads == [("admin", f"submission:{view.id}")] * 2


async def test_code_comes_back_byte_for_byte_under_its_name(app: App) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada, code=b"\xef\xbb\xbf" + CODE, file_name="../my kernel.py")

    sent = await submissions.code(app, ada, view.id)
    assert (sent.file_name, sent.content) == ("mykernel.py", b"\xef\xbb\xbf" + CODE)


async def test_what_is_for_the_operator_is_not_shown(app: App) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada)
    await judge_one(app, dataclasses.replace(make_verdict(), fault="gpu 3 is hot"))

    run = (await submissions.submission(app, ada, view.id)).runs[0]

    assert run.verdict is not None
    assert run.verdict.fault == ""
    assert run.verdict.device.name == "a processor"


async def test_the_time_of_a_ranked_run_is_told_in_steps_to_all_but_organizers(app: App) -> None:
    ada, root = await make_actor(app), await identity.authenticate(app, ADMIN_TOKEN, "api")
    exact = Spent(check_s=2.25, wall_s=3.5)
    for mode, told in ((Mode.RANKED, Spent(check_s=4.0, wall_s=4.0)), (Mode.BENCHMARK, exact)):
        view = await submitted(app, ada, mode=mode)
        await judge_one(app, dataclasses.replace(make_verdict(), spent=exact))
        found = {}
        for actor in (ada, root):
            verdict = (await submissions.submission(app, actor, view.id)).runs[0].verdict
            assert verdict is not None
            found[actor.name] = verdict.spent
        assert found == {ada.name: told, root.name: exact}


async def test_reading_needs_the_scope(app: App) -> None:
    ada = dataclasses.replace(await make_actor(app), scopes=frozenset({Scope.SUBMIT}))

    with pytest.raises(Forbidden):
        await submissions.mine(app, ada)
    with pytest.raises(Forbidden):
        await submissions.submission(app, ada, 1)
    with pytest.raises(Forbidden):
        await submissions.code(app, ada, 1)


async def test_a_page_that_is_none_is_refused(app: App) -> None:
    ada = await make_actor(app)

    with pytest.raises(InvalidInput, match="cursor"):
        await submissions.mine(app, ada, cursor="x")
    with pytest.raises(InvalidInput, match="limit"):
        await submissions.mine(app, ada, limit=0)
