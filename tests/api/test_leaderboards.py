"""Reading leaderboards, problems and queues."""

from __future__ import annotations

import asyncio
import io
import itertools
import zipfile

import httpx2
import pytest
from sqlalchemy import text

from kernelbot.api.coalesce import Coalesced
from kernelbot.app import App
from tests.api.conftest import Submit, refused
from tests.factories import CODE, judge_one, make_actor, make_verdict, ranked

STANDINGS = "/v1/leaderboards/vectoradd/standings"


async def test_leaderboards_are_readable_by_anybody(anonymous: httpx2.AsyncClient) -> None:
    items = (await anonymous.get("/v1/leaderboards")).json()["items"]

    assert {"vectoradd", "matmul", "histogram"} <= {item["name"] for item in items}
    one = (await anonymous.get("/v1/leaderboards/VectorAdd")).json()
    assert one["name"] == "vectoradd"
    assert "CPU" in one["gpus"]
    assert one["is_open"]


async def test_standings_are_in_ranking_order_and_come_in_parts(
    app: App, anonymous: httpx2.AsyncClient
) -> None:
    for place, name in enumerate(("first", "second", "third")):
        await ranked(app, await make_actor(app, name), ns=1e6 * (1 + place))

    whole = (await anonymous.get(STANDINGS, params={"gpu": "cpu"})).json()
    begin = (await anonymous.get(STANDINGS, params={"gpu": "CPU", "limit": 2})).json()
    end = (await anonymous.get(STANDINGS, params={"gpu": "CPU", "cursor": begin["cursor"]})).json()

    assert [(item["rank"], item["user_name"]) for item in whole["items"]] == [
        (1, "first"),
        (2, "second"),
        (3, "third"),
    ]
    assert (whole["total"], whole["gpu"], whole["mine"]) == (3, "CPU", None)
    assert begin["items"] + end["items"] == whole["items"]
    assert end["cursor"] is None


async def test_ones_own_place_is_there_wherever_it_is(
    app: App, ada: httpx2.AsyncClient, submit: Submit
) -> None:
    for place in range(3):
        await ranked(app, await make_actor(app, f"p{place}"), ns=1e6 * (1 + place))
    await submit(ada, CODE + b"# mine\n", mode="ranked")
    await judge_one(app, make_verdict(ns=9e6))

    page = (await ada.get(STANDINGS, params={"gpu": "CPU", "limit": 1})).json()

    assert page["mine"]["position"] == 4
    assert page["mine"]["user_name"] == "ada"


async def test_an_unchanged_page_costs_no_body_and_a_change_is_seen_at_once(
    app: App, anonymous: httpx2.AsyncClient
) -> None:
    first = await anonymous.get(STANDINGS, params={"gpu": "CPU"})
    tag = {"if-none-match": first.headers["etag"]}

    same = await anonymous.get(STANDINGS, params={"gpu": "CPU"}, headers=tag)
    await ranked(app, await make_actor(app), ns=1e6)
    changed = await anonymous.get(STANDINGS, params={"gpu": "CPU"}, headers=tag)

    assert (same.status_code, same.content) == (304, b"")
    assert same.headers["etag"] == first.headers["etag"]
    assert changed.status_code == 200
    assert changed.json()["total"] == 1
    assert changed.json()["revision"] > first.json()["revision"]


async def test_a_page_with_ones_own_place_is_not_for_shared_caches(
    ada: httpx2.AsyncClient, anonymous: httpx2.AsyncClient
) -> None:
    mine = await ada.get(STANDINGS, params={"gpu": "CPU"})
    public = await anonymous.get(STANDINGS, params={"gpu": "CPU"})

    assert mine.headers["cache-control"].startswith("private")
    assert public.headers["cache-control"].startswith("public")
    assert mine.headers["vary"] == "Authorization"


async def test_a_board_of_several_gpus_asks_which_one(anonymous: httpx2.AsyncClient) -> None:
    assert "CPU" in refused(await anonymous.get(STANDINGS), 400, "no_gpu")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/leaderboards/nope", "unknown_leaderboard"),
        ("/v1/leaderboards/nope/standings?gpu=CPU", "unknown_leaderboard"),
        ("/v1/leaderboards/vectoradd/standings?gpu=H9000", "unknown_gpu"),
        ("/v1/leaderboards/vectoradd/history?gpu=H9000", "unknown_gpu"),
        ("/v1/problems/nope", "unknown_problem"),
        ("/v1/problems/vectoradd/starters/cobol", "unknown_starter"),
        ("/v1/nope", "no_such_address"),
        ("/", "no_such_address"),
        ("/v1/leaderboards/", "no_such_address"),
    ],
)
async def test_what_is_unknown_is_not_found(eve: httpx2.AsyncClient, path: str, code: str) -> None:
    refused(await eve.get(path), 404, code)


async def test_a_board_that_is_not_public_does_not_exist_for_strangers(
    app: App, anonymous: httpx2.AsyncClient
) -> None:
    async with app.database.transaction() as connection:
        await connection.execute(text("UPDATE competitions SET visibility = 'private'"))

    assert (await anonymous.get("/v1/leaderboards")).json()["items"] == []
    refused(await anonymous.get("/v1/leaderboards/vectoradd"), 404, "unknown_leaderboard")
    refused(await anonymous.get(STANDINGS, params={"gpu": "CPU"}), 404, "unknown_leaderboard")
    refused(await anonymous.get("/v1/problems/vectoradd"), 404, "unknown_problem")


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("/v1/leaderboards/vectoradd/standings?gpu=CPU&limit=-1", "query.limit"),
        ("/v1/leaderboards/vectoradd/standings?gpu=CPU&limit=1000", "query.limit"),
        ("/v1/leaderboards/vectoradd/standings?gpu=CPU&cursor=x", "query.cursor"),
        (f"/v1/leaderboards/vectoradd/standings?gpu=CPU&cursor={'0' * 30}9", "query.cursor"),
        ("/v1/leaderboards/vectoradd/standings?gpu=%00", "query.gpu"),
        ("/v1/leaderboards/%00", "path.name"),
        ("/v1/leaderboards/" + "x" * 101, "path.name"),
    ],
)
async def test_a_malformed_parameter_is_named(
    eve: httpx2.AsyncClient, path: str, where: str
) -> None:
    assert refused(await eve.get(path), 422, "invalid_input").startswith(f"{where}: ")


@pytest.mark.parametrize("cursor", ["x", "", "-1", "1%0A", "9" * 21])
async def test_a_cursor_that_is_none_is_told_where_one_comes_from(
    eve: httpx2.AsyncClient, cursor: str
) -> None:
    message = refused(await eve.get(f"/v1/submissions?cursor={cursor}"), 422, "invalid_input")

    assert message == (
        "query.cursor: is not one of ours; pass the 'cursor' of the part before, or none to begin "
        "anew."
    )


@pytest.mark.parametrize("number", ["0", "-1", "9223372036854775808", "9" * 5000, "1.5", "x"])
async def test_a_submission_number_that_cannot_be_is_refused(
    eve: httpx2.AsyncClient, number: str
) -> None:
    message = refused(await eve.get(f"/v1/submissions/{number}"), 422, "invalid_input")

    assert "submission_id" in message
    assert len(message) < 600


async def test_personal_bests_are_kept_as_they_were_set(
    app: App, ada: httpx2.AsyncClient, submit: Submit
) -> None:
    for version, ns in enumerate((3e6, 2e6)):
        await submit(ada, CODE + f"# {version}\n".encode(), mode="ranked")
        await judge_one(app, make_verdict(ns=ns))
    await ranked(app, await make_actor(app, "bob"), ns=1e6)

    everybody = (await ada.get("/v1/leaderboards/vectoradd/history", params={"gpu": "CPU"})).json()
    hers = (
        await ada.get("/v1/leaderboards/vectoradd/history", params={"gpu": "CPU", "user": "ada"})
    ).json()
    mine = (await ada.get("/v1/leaderboards/vectoradd/personal", params={"gpu": "CPU"})).json()

    assert len(everybody["items"]) == 3
    assert hers["items"] == mine["items"]
    assert [round(item["seconds"] * 1e3) for item in mine["items"]] == [2, 3]


async def test_ones_own_bests_come_in_parts(
    app: App, ada: httpx2.AsyncClient, submit: Submit
) -> None:
    for version, ns in enumerate((3e6, 2e6, 1e6)):
        await submit(ada, CODE + f"# {version}\n".encode(), mode="ranked")
        await judge_one(app, make_verdict(ns=ns))

    address, gpu = "/v1/leaderboards/vectoradd/personal", {"gpu": "CPU"}
    whole = (await ada.get(address, params=gpu)).json()
    begin = (await ada.get(address, params={**gpu, "limit": 2})).json()
    end = (await ada.get(address, params={**gpu, "limit": 2, "cursor": begin["cursor"]})).json()

    assert (len(whole["items"]), len(begin["items"])) == (3, 2)
    assert begin["items"] + end["items"] == whole["items"]
    assert (whole["cursor"], end["cursor"]) == (None, None)
    message = refused(await ada.get(address, params={**gpu, "cursor": "x"}), 422, "invalid_input")
    assert message.startswith("query.cursor: ")


async def test_a_problem_has_its_statement_starters_and_files(
    anonymous: httpx2.AsyncClient,
) -> None:
    problem = (await anonymous.get("/v1/problems/vectoradd")).json()
    starter = await anonymous.get("/v1/problems/VectorAdd/starters/Triton")
    archive = await anonymous.get("/v1/problems/vectoradd/archive")

    assert "custom_kernel" in problem["statement"]
    assert problem["tolerances"] == [{"rtol": 0.0, "atol": 0.0, "dtypes": {}}]
    assert starter.text == problem["starters"]["triton"]
    assert starter.headers["content-disposition"].startswith("attachment")
    with zipfile.ZipFile(io.BytesIO(archive.content)) as file:
        names = file.namelist()
    assert "vectoradd/reference.py" in names
    assert not any("examples/" in name for name in names)


async def test_competitions_are_listed_with_their_rules(anonymous: httpx2.AsyncClient) -> None:
    items = (await anonymous.get("/v1/competitions")).json()["items"]

    assert "getting-started" in {item["name"] for item in items}


async def test_queues_tell_what_waits_and_that_nobody_serves_it(
    ada: httpx2.AsyncClient, anonymous: httpx2.AsyncClient, submit: Submit
) -> None:
    await submit(ada)

    items = (await anonymous.get("/v1/queues")).json()["items"]

    (cpu,) = [item for item in items if item["gpu"] == "CPU"]
    assert (cpu["queued"], cpu["running"], cpu["slots"]) == (1, 0, 0)


async def test_readers_at_the_same_time_share_a_reading_that_began_after_they_asked() -> None:
    shared: Coalesced[int] = Coalesced()
    begun, go = asyncio.Semaphore(0), asyncio.Semaphore(0)
    loads = itertools.count()

    async def load() -> int:
        number = next(loads)
        begun.release()
        await go.acquire()
        return number

    first = asyncio.create_task(shared.get("page", load))
    await begun.acquire()
    late = [asyncio.create_task(shared.get("page", load)) for _ in range(100)]
    await asyncio.sleep(0)
    go.release()
    await begun.acquire()
    go.release()

    assert await first == 0
    assert set(await asyncio.gather(*late)) == {1}
    assert next(loads) == 2


async def test_a_reader_who_leaves_takes_the_answer_from_nobody() -> None:
    shared: Coalesced[str] = Coalesced()
    go = asyncio.Event()

    async def load() -> str:
        await go.wait()
        return "page"

    leaver, stayer = (asyncio.create_task(shared.get("page", load)) for _ in range(2))
    await asyncio.sleep(0)
    leaver.cancel()
    go.set()

    assert await stayer == "page"


async def test_a_failed_reading_fails_its_readers_and_not_the_next() -> None:
    shared: Coalesced[str] = Coalesced()

    async def fail() -> str:
        raise ConnectionError

    async def work() -> str:
        return "page"

    with pytest.raises(ConnectionError):
        await shared.get("page", fail)
    assert await shared.get("page", work) == "page"
