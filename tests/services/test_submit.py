"""Accepting: one transaction, one answer for one key, no way past the allowance together."""

from __future__ import annotations

import asyncio
import dataclasses
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text

from kernelbot.app import App
from kernelbot.domain.people import Scope
from kernelbot.domain.submission import Status
from kernelbot.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    RateLimited,
    Unavailable,
)
from kernelbot.judge.protocol import VerdictKind
from kernelbot.services import dispatch, submissions, submit
from tests.factories import (
    CODE,
    claim_one,
    judge_one,
    make_actor,
    make_draft,
    make_verdict,
    submitted,
)
from tests.patience import until


async def rows(app: App, query: str, **values: Any) -> list[Mapping[str, Any]]:
    async with app.database.transaction() as connection:
        result = await connection.execute(text(query), values)
        return [dict(row) for row in result.mappings()] if result.returns_rows else []


async def count(app: App, table: str) -> int:
    return int((await rows(app, f"SELECT count(*) AS n FROM {table}"))[0]["n"])


async def limit(app: App, *, ranked: int | None = None, other: int | None = None) -> None:
    query = "UPDATE leaderboards SET ranked_per_hour = :r, other_per_hour = :o"
    await rows(app, query, r=ranked, o=other)


# --- one transaction ----------------------------------------------------------------------------


async def test_submission_code_runs_and_queue_places_are_written_together(app: App) -> None:
    ada = await make_actor(app)

    view = await submitted(app, ada, gpus=("T4", "H100"))

    assert view.status is Status.QUEUED
    assert [(run.gpu, run.status) for run in view.runs] == [
        ("T4", Status.QUEUED),
        ("H100", Status.QUEUED),
    ]
    assert await count(app, "submissions") == await count(app, "code_blobs") == 1
    queued = await rows(app, "SELECT queue_id FROM runs ORDER BY id")
    places = await rows(app, "SELECT id, status::text FROM pgqueuer ORDER BY id")
    assert [row["queue_id"] for row in queued] == [row["id"] for row in places]
    assert {row["status"] for row in places} == {"queued"}


async def test_what_is_answered_is_what_is_read_later(app: App) -> None:
    ada = await make_actor(app)
    told = await submitted(app, ada, gpus=("T4", "H100"))

    assert await submissions.submission(app, ada, told.id) == told


async def test_the_same_code_is_stored_once_for_everybody(app: App) -> None:
    for name in ("ada", "bob"):
        await submitted(app, await make_actor(app, name))

    assert await count(app, "submissions") == 2
    assert await count(app, "code_blobs") == 1


async def test_a_connection_that_dies_before_the_commit_leaves_nothing(
    app: App, database_url: str
) -> None:
    ada = await make_actor(app)
    blocker, killer = [await asyncpg.connect(database_url) for _ in range(2)]
    # Holds the insert of the runs, the last write: everything before it has been sent by then.
    await blocker.execute("BEGIN; LOCK TABLE runs IN SHARE MODE")
    accepting = asyncio.create_task(submitted(app, ada))
    stuck = (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
        "AND wait_event_type = 'Lock'"
    )
    waiting = await until(lambda: killer.fetchval(stuck))
    await killer.fetchval("SELECT pg_terminate_backend($1)", waiting)
    await blocker.execute("COMMIT")
    await blocker.close()
    await killer.close()

    with pytest.raises(Unavailable):
        await accepting
    for table in ("submissions", "runs", "code_blobs", "pgqueuer"):
        assert await count(app, table) == 0, table
    assert (await submitted(app, ada)).status is Status.QUEUED


async def test_a_refused_submission_leaves_nothing(app: App) -> None:
    ada = await make_actor(app)

    with pytest.raises(InvalidInput, match="not offered"):
        await submitted(app, ada, gpus=("CPU", "H1000"))

    for table in ("submissions", "runs", "code_blobs", "pgqueuer"):
        assert await count(app, table) == 0, table


# --- idempotency ---------------------------------------------------------------------------------


async def test_a_gpu_may_be_named_as_elsewhere_and_repeated_so(app: App) -> None:
    ada = await make_actor(app)
    target = dataclasses.replace(app.targets["CPU"], aliases=("Processor",))
    known = dataclasses.replace(app, targets={**app.targets, "CPU": target})

    first = await submitted(known, ada, idempotency_key="k", gpus=("processor",))
    again = await submitted(known, ada, idempotency_key="k", gpus=("Processor",))

    assert [run.gpu for run in first.runs] == ["CPU"]
    assert again.id == first.id


async def test_the_same_key_and_content_is_the_same_submission(app: App) -> None:
    ada = await make_actor(app)

    first = await submitted(app, ada, idempotency_key="k")
    again = await submitted(app, ada, idempotency_key="k", gpus=("cpu",))

    assert not first.repeated
    assert again.repeated
    assert again.id == first.id
    assert await count(app, "pgqueuer") == 1


@pytest.mark.parametrize(
    "change",
    [
        {"code": CODE + b"#"},
        {"mode": "test"},
        {"leaderboard": "matmul"},
        {"gpus": ("T4",)},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_the_same_key_for_something_else_is_a_conflict(
    app: App, change: dict[str, Any]
) -> None:
    ada = await make_actor(app)
    first = await submitted(app, ada, idempotency_key="k")

    with pytest.raises(Conflict, match=rf"another submission \({first.id}\)") as refusal:
        await submitted(app, ada, idempotency_key="k", **change)

    assert refusal.value.code == "idempotency_key_reused"


async def test_a_key_is_ones_own(app: App) -> None:
    ada, bob = await make_actor(app, "ada"), await make_actor(app, "bob")

    one = await submitted(app, ada, idempotency_key="k")
    other = await submitted(app, bob, idempotency_key="k")

    assert one.id != other.id


async def test_many_concurrent_requests_with_one_key_make_one_submission(app: App) -> None:
    ada = await make_actor(app)

    views = await asyncio.gather(*(submitted(app, ada, idempotency_key="k") for _ in range(8)))

    assert len({view.id for view in views}) == 1
    assert sum(not view.repeated for view in views) == 1
    assert await count(app, "submissions") == 1


async def test_concurrent_requests_with_one_key_for_two_boards_make_one_and_a_conflict(
    app: App,
) -> None:
    ada = await make_actor(app)
    boards = ("vectoradd", "matmul") * 3

    found = await asyncio.gather(
        *(submitted(app, ada, idempotency_key="k", leaderboard=name) for name in boards),
        return_exceptions=True,
    )

    assert {type(item).__name__ for item in found} == {"SubmissionView", "Conflict"}
    assert await count(app, "submissions") == 1


@pytest.mark.parametrize("key", ["", "x" * 201, "a\0b", "a\nb", "\ud800"])
async def test_a_key_that_is_no_key_is_refused(app: App, key: str) -> None:
    ada = await make_actor(app)

    with pytest.raises(InvalidInput, match="printable") as refusal:
        await submitted(app, ada, idempotency_key=key)

    assert refusal.value.code == "bad_idempotency_key"


# --- allowance -----------------------------------------------------------------------------------


@pytest.mark.parametrize("requests", [2, 20])
async def test_concurrent_requests_cannot_pass_the_last_place_together(
    app: App, requests: int
) -> None:
    ada = await make_actor(app)
    await limit(app, ranked=1)

    found = await asyncio.gather(
        *(submitted(app, ada) for _ in range(requests)), return_exceptions=True
    )

    assert sum(isinstance(item, RateLimited) for item in found) == requests - 1
    assert await count(app, "submissions") == 1


async def test_ranked_and_other_allowances_people_and_boards_are_apart(app: App) -> None:
    ada, bob = await make_actor(app, "ada"), await make_actor(app, "bob")
    await limit(app, ranked=1, other=1)
    await submitted(app, ada, mode="ranked")

    await submitted(app, ada, mode="test")
    await submitted(app, ada, leaderboard="matmul")
    await submitted(app, bob)
    with pytest.raises(RateLimited) as refusal:
        await submitted(app, ada, mode="benchmark")

    assert 3590 <= refusal.value.retry_after_s <= 3600
    assert refusal.value.detail["limit"] == 1


async def test_what_left_the_hour_counts_no_more(app: App) -> None:
    ada = await make_actor(app)
    await limit(app, ranked=1)
    await submitted(app, ada)
    await rows(app, "UPDATE submissions SET created_at = now() - interval '61 minutes'")

    await submitted(app, ada)

    (left,) = await submit.allowance(app, ada, "VectorAdd")
    assert (left.ranked_left, left.ranked_limit, left.other_left) == (0, 1, None)


async def test_a_repeat_under_a_key_passes_a_used_up_allowance_and_a_closed_board(app: App) -> None:
    ada = await make_actor(app)
    await limit(app, ranked=1)
    first = await submitted(app, ada, idempotency_key="k")
    await rows(app, "UPDATE leaderboards SET closes_at = now()")

    assert (await submitted(app, ada, idempotency_key="k")).id == first.id


@pytest.mark.parametrize("ours", ["T4", "H100"])
async def test_a_submission_with_a_run_that_failed_by_our_fault_is_given_back(
    app: App, ours: str
) -> None:
    ada = await make_actor(app)
    await limit(app, ranked=1)
    await submitted(app, ada, gpus=("T4", "H100"))

    for gpu in ("T4", "H100"):
        held = await claim_one(app, gpu)
        kind = VerdictKind.JUDGE_FAILED if gpu == ours else VerdictKind.WRONG_ANSWER
        last = dataclasses.replace(held, attempt=app.settings.attempts)
        assert await dispatch.finish(app, last, make_verdict(kind))

    (left,) = await submit.allowance(app, ada, "vectoradd")
    assert left.ranked_left == 1


async def test_a_failure_of_ones_own_is_not_given_back(app: App) -> None:
    ada = await make_actor(app)
    await limit(app, ranked=1)
    await submitted(app, ada)
    await judge_one(app, make_verdict(VerdictKind.CRASHED))

    with pytest.raises(RateLimited):
        await submitted(app, ada)


# --- refusals ------------------------------------------------------------------------------------


async def test_names_are_matched_whatever_their_case_and_spelled_as_the_board_does(
    app: App,
) -> None:
    view = await submitted(app, await make_actor(app), leaderboard="VECTORADD", gpus=("h100",))

    assert view.leaderboard == "vectoradd"
    assert [run.gpu for run in view.runs] == ["H100"]


async def test_the_files_header_says_where_it_goes(app: App) -> None:
    header = b"#!POPCORN leaderboard matmul\n#!POPCORN gpus T4 L4\n"
    ada = await make_actor(app)

    view = await submitted(app, ada, code=header + CODE, leaderboard=None, gpus=())

    assert view.leaderboard == "matmul"
    assert [run.gpu for run in view.runs] == ["T4", "L4"]


@pytest.mark.parametrize("written", ["vectoradd_py", "matmul"])
async def test_a_board_that_is_named_is_believed_before_the_one_in_the_files_header(
    app: App, written: str
) -> None:
    header = f"#!POPCORN leaderboard {written}\n".encode()
    ada = await make_actor(app)

    view = await submitted(
        app, ada, code=header + CODE, leaderboard="vectoradd", gpus=("H100",), idempotency_key="k"
    )
    again = await submitted(
        app, ada, code=header + CODE, leaderboard="vectoradd", gpus=("H100",), idempotency_key="k"
    )

    assert view.leaderboard == "vectoradd"
    assert [run.gpu for run in view.runs] == ["H100"]
    assert again.repeated
    for answer in (view, again):
        assert f"Your file says the leaderboard '{written}', you named 'vectoradd'" in answer.note


async def test_where_a_problem_lists_packages_a_file_that_imports_another_is_refused(
    app: App,
) -> None:
    ada = await make_actor(app)
    code = CODE + b"\n\ndef late():\n    import scipy\n"
    await submitted(app, ada, code=code)
    await rows(app, 'UPDATE problems SET document = document || \'{"packages": ["cutlass"]}\'')
    before = await count(app, "submissions")

    with pytest.raises(InvalidInput, match="imports 'scipy'") as refusal:
        await submitted(app, ada, code=code)

    assert refusal.value.code == "package_not_offered"
    assert await count(app, "submissions") == before
    await submitted(app, ada, code=CODE + b"\nimport cutlass, task\n")


@pytest.mark.parametrize("name", ["vectorad", "a\0b", "\ud800", "x" * 5000])
async def test_an_unknown_board_is_not_found(app: App, name: str) -> None:
    with pytest.raises(NotFound) as refusal:
        await submitted(app, await make_actor(app), leaderboard=name)

    assert refusal.value.code == "unknown_leaderboard"
    assert ("Did you mean 'vectoradd'?" in refusal.value.message) == (name == "vectorad")


@pytest.mark.parametrize(
    "change",
    ["UPDATE competitions SET visibility = 'private'", "UPDATE leaderboards SET retired = true"],
)
async def test_a_hidden_or_retired_board_is_as_unknown_as_any_other(app: App, change: str) -> None:
    await rows(app, change)

    with pytest.raises(NotFound) as refusal:
        await submitted(app, await make_actor(app))

    assert refusal.value.message == "There is no leaderboard 'vectoradd'."


@pytest.mark.parametrize(
    ("column", "moment", "code"),
    [("opens_at", 1, "not_open_yet"), ("closes_at", -1, "deadline_passed")],
)
async def test_outside_its_window_a_board_takes_nothing(
    app: App, column: str, moment: int, code: str
) -> None:
    when = datetime.now(UTC) + timedelta(minutes=moment)
    await rows(app, f"UPDATE leaderboards SET {column} = :at", at=when)

    with pytest.raises(Forbidden) as refusal:
        await submitted(app, await make_actor(app))

    assert refusal.value.code == code
    assert f"{when:%Y-%m-%d %H:%M} UTC" in refusal.value.message


async def test_the_banned_and_those_without_the_scope_are_refused(app: App) -> None:
    ada = await make_actor(app)
    banned = dataclasses.replace(ada, banned_until=datetime.now(UTC) + timedelta(days=1))
    reader = dataclasses.replace(ada, scopes=frozenset({Scope.READ}))

    with pytest.raises(Forbidden, match="until"):
        await submitted(app, banned)
    with pytest.raises(Forbidden, match="'submit'"):
        await submitted(app, reader)
    with pytest.raises(Forbidden, match="'submit'"):
        await submit.cancel(app, reader, 1)


async def test_a_wrong_ending_is_refused_with_those_the_problem_takes(app: App) -> None:
    with pytest.raises(InvalidInput, match=r"\.py") as refusal:
        await submitted(app, await make_actor(app), file_name="kernel.rs")

    assert refusal.value.code == "wrong_extension"


async def test_compiled_code_is_taken_where_it_can_run_and_refused_elsewhere(app: App) -> None:
    ada = await make_actor(app)
    with pytest.raises(InvalidInput, match="A cuda file needs a GPU, and CPU is none"):
        await submitted(app, ada, file_name="kernel.cu")

    view = await submitted(app, ada, code=b"int x;\n", file_name="my kernel.cpp")
    run = await claim_one(app)

    assert (view.language, view.file_name) == ("cpp", "mykernel.cpp")
    assert run.job.submission == "mykernel.cpp"
    assert [item.name for item in run.job.native] == ["a", "b", "out", "size"]


async def test_a_problem_for_several_gpus_is_refused_on_a_kind_with_one(app: App) -> None:
    ada = await make_actor(app)
    await rows(app, """UPDATE problems SET document = jsonb_set(document, '{world_size}', '4')""")
    await rows(
        app,
        "INSERT INTO leaderboard_gpus (leaderboard_id, gpu, place, offered)"
        " SELECT id, 'H200x4', 99, true FROM leaderboards",
    )

    with pytest.raises(InvalidInput, match=r"4 GPUs at once, and H200 has 1\. Choose from: H200x4"):
        await submitted(app, ada, gpus=["H200"])
    for gpu in ("H200x4", "CPU"):
        view = await submitted(app, ada, gpus=[gpu])
        assert [run.gpu for run in view.runs] == [gpu]


async def test_a_problem_for_some_numbers_of_gpus_has_as_many_ranks_as_the_kind_has_gpus(
    app: App,
) -> None:
    ada = await make_actor(app)
    several = '{"world_size": 4, "cpu_world_size": 2, "world_sizes": [2, 4]}'
    await rows(app, f"UPDATE problems SET document = document || '{several}'")
    await rows(
        app,
        "INSERT INTO leaderboard_gpus (leaderboard_id, gpu, place, offered)"
        " SELECT id, gpu, 99, true FROM leaderboards, unnest('{H200x2,H200x4,H200x8}'::text[]) gpu",
    )

    words = r"2 or 4 GPUs at once, and H200x8 has 8\. Choose from: H200x2, H200x4\."
    with pytest.raises(InvalidInput, match=words):
        await submitted(app, ada, gpus=["H200x8"])
    for gpu, ranks in (("H200x2", 2), ("H200x4", 4), ("CPU", 2)):
        await submitted(app, ada, gpus=[gpu])
        assert (await claim_one(app, gpu)).job.world_size == ranks


# --- cancelling ----------------------------------------------------------------------------------


async def test_what_waits_is_cancelled_at_once_and_never_claimed(app: App) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada, gpus=("CPU", "T4"))

    done = await submit.cancel(app, ada, view.id)

    assert done.status is Status.CANCELLED
    assert {run.ranking for run in done.runs} == {"Not ranked: it was cancelled."}
    assert await dispatch.claim(app, uuid.uuid4(), {"CPU": 1, "T4": 1}) == []
    assert await count(app, "pgqueuer") == 0


async def test_what_runs_is_asked_to_stop_and_ends_when_its_worker_says_so(app: App) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada, gpus=("CPU", "T4"))
    held = await claim_one(app)

    asked = await submit.cancel(app, ada, view.id)

    assert asked.status is Status.RUNNING
    assert {run.gpu: run.status for run in asked.runs} == {
        "CPU": Status.RUNNING,
        "T4": Status.CANCELLED,
    }
    assert await dispatch.cancelled(app, held)
    assert (await submissions.submission(app, ada, view.id)).status is Status.CANCELLED
    assert not await dispatch.finish(app, held, make_verdict())


async def test_what_has_ended_cannot_be_cancelled(app: App) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada)
    await judge_one(app)

    with pytest.raises(Conflict, match="is done already"):
        await submit.cancel(app, ada, view.id)


async def test_anothers_submission_is_not_there_to_be_cancelled(app: App) -> None:
    ada, bob = await make_actor(app, "ada"), await make_actor(app, "bob")
    view = await submitted(app, ada)

    for submission_id in (view.id, 0, -1, 2**63, 999_999):
        with pytest.raises(NotFound, match=f"no submission {submission_id}"):
            await submit.cancel(app, bob, submission_id)

    assert (await submissions.submission(app, ada, view.id)).status is Status.QUEUED


async def test_a_draft_is_checked_before_anything_is_asked_of_the_database(app: App) -> None:
    ada = await make_actor(app)
    await app.database.close()

    with pytest.raises(InvalidInput, match="empty"):
        await submit.accept(app, ada, make_draft(code=b""))
