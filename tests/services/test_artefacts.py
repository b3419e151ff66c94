"""Files of runs: they count with the verdict, are their owner's, and go when their time is over."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from kernelbot.app import App
from kernelbot.domain.people import ALL_SCOPES, Actor, Role
from kernelbot.errors import NotFound
from kernelbot.judge.protocol import Artefact, Verdict
from kernelbot.services import artefacts, dispatch
from kernelbot.services.dispatch import Assignment
from tests.factories import claim_one, make_actor, make_verdict, submitted

MB = 1 << 20
REPORT = bytes(range(256)) * 4096 * 2 + b"end"  # two pieces and a bit


def a_profile(files: dict[str, bytes], **lies: int) -> Verdict:
    """A verdict that lists these files; ``lies`` are other sizes than the true ones."""
    listed = tuple(
        Artefact(name=name, bytes=lies.get(name[0], len(content)), media_type="application/gzip")
        for name, content in files.items()
    )
    verdict = make_verdict()
    cases = tuple(dataclasses.replace(case, measurement=None) for case in verdict.cases)
    return dataclasses.replace(verdict, cases=cases, artefacts=listed)


def reader(
    files: dict[str, bytes], at_once: int = 700_001
) -> Callable[[str], AsyncIterator[bytes]]:
    async def read(name: str) -> AsyncIterator[bytes]:
        if name not in files:
            raise FileNotFoundError(name)
        for start in range(0, len(files[name]), at_once):
            yield files[name][start : start + at_once]

    return read


async def profiled(
    app: App, actor: Actor, files: dict[str, bytes], *, mode: str = "profile", **lies: int
) -> int:
    """The id of a submission whose run left these files."""
    view = await submitted(app, actor, mode=mode)
    held = await claim_one(app)
    await ended(app, held, files, **lies)
    return view.id


async def ended(app: App, held: Assignment, files: dict[str, bytes], **lies: int) -> bool:
    verdict = a_profile(files, **lies)
    await artefacts.collect(app, held, verdict, reader(files))
    return await dispatch.finish(app, held, verdict)


async def names(app: App, actor: Actor, submission_id: int) -> list[str]:
    found = await artefacts.listed(app, actor, submission_id)
    return [item.name for item in found if item.expired_at is None]


async def expired(app: App, actor: Actor, submission_id: int) -> list[str]:
    found = await artefacts.listed(app, actor, submission_id)
    return [item.name for item in found if item.expired_at is not None]


async def content(app: App, actor: Actor, submission_id: int, name: str) -> bytes:
    _, pieces = await artefacts.opened(app, actor, submission_id, name)
    return b"".join([piece async for piece in pieces])


async def count(app: App, table: str) -> int:
    async with app.database.read() as connection:
        return int((await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())


async def test_a_file_comes_back_byte_for_byte(app: App) -> None:
    ada = await make_actor(app)
    submission = await profiled(app, ada, {"report": REPORT, "empty": b""})

    first, second = await artefacts.listed(app, ada, submission)

    assert (first.name, first.bytes, first.gpu) == ("CPU-report", len(REPORT), "CPU")
    assert first.sha256 == hashlib.sha256(REPORT).hexdigest()
    assert await content(app, ada, submission, "CPU-report") == REPORT
    assert (second.name, await content(app, ada, submission, "CPU-empty")) == ("CPU-empty", b"")


async def test_a_profile_passes_without_times(app: App) -> None:
    ada = await make_actor(app)
    submission = await profiled(app, ada, {"report": b"x"})

    async with app.database.read() as connection:
        found = await connection.execute(
            text("SELECT verdict FROM runs WHERE submission_id = :id"), {"id": submission}
        )
        assert found.scalar_one() == "passed"


async def test_files_of_a_run_that_is_not_recorded_are_nobodys(app: App) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada, mode="profile")
    held = await claim_one(app)
    await artefacts.collect(app, held, a_profile({"r": b"x"}), reader({"r": b"x"}))

    assert await names(app, ada, view.id) == []


async def test_files_under_a_lease_that_was_lost_never_count(app: App) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada, mode="profile")
    lost = await claim_one(app)
    await artefacts.collect(app, lost, a_profile({"r": b"old"}), reader({"r": b"old"}))
    await dispatch.give_back(app, lost)
    held = await claim_one(app)

    assert not await dispatch.finish(app, lost, a_profile({"r": b"old"}))
    assert await ended(app, held, {"r": b"new"})

    assert await content(app, ada, view.id, "CPU-r") == b"new"


async def test_storing_again_after_a_broken_connection_leaves_one_copy(app: App) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada, mode="profile")
    held = await claim_one(app)
    await artefacts.collect(app, held, a_profile({"r": REPORT}), reader({"r": REPORT}))
    await ended(app, held, {"r": REPORT})

    assert await names(app, ada, view.id) == ["CPU-r"]
    assert await count(app, "artefact_pieces") == 3


@pytest.mark.parametrize("mode", ["test", "benchmark", "ranked"])
async def test_only_a_profile_leaves_files(app: App, mode: str) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada, mode=mode)
    held = await claim_one(app)
    verdict = dataclasses.replace(make_verdict(), artefacts=a_profile({"r": b"x"}).artefacts)
    await artefacts.collect(app, held, verdict, reader({"r": b"x"}))
    assert await dispatch.finish(app, held, verdict)

    assert await names(app, ada, view.id) == []
    assert await count(app, "artefacts") == 0


@pytest.mark.parametrize(
    ("files", "lies", "left"),
    [
        ({"a": b"12345", "b": b"1"}, {"a": 4}, ["CPU-b"]),  # longer than was said
        ({"a": b"12345", "b": b"1"}, {"a": 6}, ["CPU-b"]),  # shorter
        ({"a/b": b"1", "b": b"1"}, {}, []),  # a name that breaks the rules drops the whole list
        ({"a": b"1"}, {"a": 65 * MB}, []),
    ],
)
async def test_files_that_are_not_as_the_verdict_says_are_dropped_and_the_run_stands(
    app: App, files: dict[str, bytes], lies: dict[str, int], left: list[str]
) -> None:
    ada = await make_actor(app)
    submission = await profiled(app, ada, files, **lies)

    assert await names(app, ada, submission) == left


async def test_a_file_that_cannot_be_read_costs_nothing_else(app: App) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada, mode="profile")
    held = await claim_one(app)
    verdict = a_profile({"gone": b"x", "there": b"y"})
    await artefacts.collect(app, held, verdict, reader({"there": b"y"}))
    assert await dispatch.finish(app, held, verdict)

    assert await names(app, ada, view.id) == ["CPU-there"]


async def test_somebody_elses_files_are_as_if_they_were_not_there(app: App) -> None:
    ada, bob = await make_actor(app, "ada"), await make_actor(app, "bob")
    submission = await profiled(app, ada, {"r": b"x"})

    with pytest.raises(NotFound, match="You have no submission"):
        await artefacts.listed(app, bob, submission)
    with pytest.raises(NotFound, match="You have no submission"):
        await artefacts.opened(app, bob, submission, "CPU-r")


async def test_an_administrators_look_at_somebodys_file_is_written_down(app: App) -> None:
    ada, root = await make_actor(app, "ada"), await make_actor(app, "root")
    submission = await profiled(app, ada, {"r": b"x"})
    root = dataclasses.replace(root, role=Role.ADMIN, scopes=ALL_SCOPES)

    assert await content(app, root, submission, "CPU-r") == b"x"
    assert await content(app, ada, submission, "CPU-r") == b"x"

    async with app.database.read() as connection:
        query = text("SELECT actor_id FROM audit_log WHERE action = 'artefact.read'")
        assert [row.actor_id for row in await connection.execute(query)] == [root.user_id]


async def test_a_name_that_is_not_there_says_which_are(app: App) -> None:
    ada = await make_actor(app)
    submission = await profiled(app, ada, {"report": b"x"})

    with pytest.raises(NotFound, match=r"no file 'nope'\. It has: CPU-report\. .* 14 days"):
        await artefacts.opened(app, ada, submission, "nope")


async def test_files_are_forgotten_when_their_time_is_over(app: App) -> None:
    ada = await make_actor(app)
    old = await profiled(app, ada, {"r": b"old"})
    new = await profiled(app, ada, {"r": b"new"})
    await aged(app, old, days=15)

    before = datetime.now(UTC)
    await dispatch.housekeeping(app)

    assert (await names(app, ada, old), await expired(app, ada, old)) == ([], ["CPU-r"])
    assert (await names(app, ada, new), await expired(app, ada, new)) == (["CPU-r"], [])
    assert await count(app, "artefact_pieces") == 1
    today = f"({before:%Y-%m-%d}|{datetime.now(UTC):%Y-%m-%d})"
    with pytest.raises(
        NotFound, match=rf"no file 'CPU-r' any more: it expired on {today} .* UTC\."
    ):
        await artefacts.opened(app, ada, old, "CPU-r")


async def test_what_nobody_recorded_is_forgotten_after_a_day(app: App) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada, mode="profile")
    held = await claim_one(app)
    await artefacts.collect(app, held, a_profile({"r": b"x"}), reader({"r": b"x"}))
    await aged(app, view.id, days=2)

    await dispatch.housekeeping(app)

    assert await count(app, "artefacts") == 0


async def aged(app: App, submission_id: int, *, days: int) -> None:
    async with app.database.transaction() as connection:
        await connection.execute(
            text(
                "UPDATE artefacts SET created_at = now() - make_interval(days => :days) "
                "WHERE run_id IN (SELECT id FROM runs WHERE submission_id = :id)"
            ),
            {"days": days, "id": submission_id},
        )


async def test_a_persons_oldest_files_make_room_for_new_ones(app: App) -> None:
    small = app.settings.model_copy(update={"artefact_bytes": 25})
    limited: Any = dataclasses.replace(app, settings=small)
    ada, bob = await make_actor(app, "ada"), await make_actor(app, "bob")
    others = await profiled(limited, bob, {"r": b"x" * 20})
    first = await profiled(limited, ada, {"r": b"x" * 10})
    second = await profiled(limited, ada, {"r": b"x" * 10})
    third = await profiled(limited, ada, {"r": b"x" * 10})

    assert (await names(app, ada, first), await expired(app, ada, first)) == ([], ["CPU-r"])
    assert await names(app, ada, second) == ["CPU-r"]
    assert await names(app, ada, third) == ["CPU-r"]
    assert await count(app, "artefact_pieces") == 3
    assert await names(app, bob, others) == ["CPU-r"]
