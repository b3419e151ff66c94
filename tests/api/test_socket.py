"""The API as a process: event streams, uploads that break off, stopping and starting again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest_asyncio
from sqlalchemy import text

from kernelbot.app import App
from kernelbot.judge.protocol import Event, Stage
from kernelbot.services import dispatch
from tests.api.conftest import refused
from tests.api.serving import Serving, serving, signed_in
from tests.factories import CODE, claim_one, judge_one, make_verdict

FORM = {"leaderboard": "vectoradd", "gpus": "CPU", "mode": "ranked"}


@pytest_asyncio.fixture
async def server(environment: dict[str, str], tmp_path: Path) -> AsyncIterator[Serving]:
    async with serving(environment, tmp_path / "api.log") as started:
        yield started


async def send(client: httpx2.AsyncClient) -> dict[str, Any]:
    files = {"file": ("kernel.py", CODE, "text/x-python")}
    response = await client.post("/v1/submissions", files=files, data=FORM)
    assert response.status_code == 202, response.text
    body: dict[str, Any] = response.json()
    return body


async def read_events(
    client: httpx2.AsyncClient, url: str, *, after: str = "", stop_at: str = "done"
) -> list[dict[str, Any]]:
    """Events up to the first of kind ``stop_at`` or the end of the stream."""
    headers = {"last-event-id": after} if after else {}
    found: list[dict[str, Any]] = []
    event: dict[str, Any] = {}
    async with client.stream("GET", url, headers=headers) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        async for line in response.aiter_lines():
            assert line.isascii()
            name, _, value = line.partition(": ")
            if not line and "data" in event:
                found.append({"id": event.get("id", ""), **json.loads(event["data"])})
                assert event["event"] == found[-1]["kind"]
                if found[-1]["kind"] == stop_at:
                    break
            event = event | {name: value} if line else {}
    return found


async def test_events_come_as_they_happen_and_end_with_the_submission(
    app: App, server: Serving
) -> None:
    async with signed_in(server) as client:
        sent = await send(client)
        waiting = await read_events(client, sent["events_url"], stop_at="wait")
        held = await claim_one(app)
        step = Event(kind="case", stage=Stage.CHECK, done=1, total=3, message="µ")
        following = asyncio.create_task(read_events(client, sent["events_url"]))
        await dispatch.progress(app, held, step)
        await dispatch.finish(app, held, make_verdict())
        events = await asyncio.wait_for(following, 120)

    assert waiting[-1]["data"]["position"] == 1
    kinds = [event["kind"] for event in events]
    assert kinds[-2:] == ["finished", "done"]
    assert "case" in kinds
    ids = [int(event["id"]) for event in events if event["id"]]
    assert ids == sorted(set(ids))


async def test_a_stream_goes_on_after_the_last_event_seen(app: App, server: Serving) -> None:
    async with signed_in(server) as client:
        sent = await send(client)
        await judge_one(app)
        whole = await read_events(client, sent["events_url"])
        seen = next(event["id"] for event in whole if event["kind"] == "started")

        rest = await read_events(client, sent["events_url"], after=seen)

    after = [event for event in whole if not event["id"] or int(event["id"]) > int(seen)]
    assert rest == after


async def test_following_what_is_not_yours_or_not_there_is_refused_before_the_stream(
    server: Serving,
) -> None:
    async with signed_in(server) as client, httpx2.AsyncClient(base_url=server.url) as nobody:
        sent = await send(client)
        refused(await client.get("/v1/submissions/999999/events"), 404, "unknown_submission")
        refused(await nobody.get(sent["events_url"]), 401, "not_signed_in")
        odd = {"last-event-id": "x"}
        refused(await client.get(sent["events_url"], headers=odd), 422, "invalid_input")


async def test_an_upload_that_breaks_off_stores_nothing(app: App, server: Serving) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    token = server.environment["KERNELBOT_ADMIN_TOKEN"]
    writer.write(
        f"POST /v1/submissions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 5000\r\n\r\n"
        '--b\r\nContent-Disposition: form-data; name="file"; filename="k.py"\r\n\r\nimport'.encode()
    )
    await writer.drain()
    writer.write_eof()
    answer = await asyncio.wait_for(reader.read(), 120)
    writer.close()

    async with app.database.read() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM submissions")) == 0
    assert b" 202 " not in answer
    async with signed_in(server) as client:
        assert (await client.get("/v1/health")).is_success
    assert "Traceback" not in server.log.read_text()


async def test_a_stop_does_not_wait_for_those_who_watch(server: Serving) -> None:
    async with signed_in(server) as client:
        sent = await send(client)
        async with client.stream("GET", sent["events_url"]) as stream:
            lines = stream.aiter_lines()
            await anext(lines)
            code = await server.stop()  # they would watch for ever

    assert code == 0


async def test_what_was_accepted_outlives_the_server(
    app: App, environment: dict[str, str], tmp_path: Path
) -> None:
    async with serving(environment, tmp_path / "first.log") as first:
        async with signed_in(first) as client:
            sent = await send(client)
        await first.stop(kill=True)
    await judge_one(app)

    async with serving(environment, tmp_path / "second.log") as second, signed_in(second) as client:
        found = (await client.get(sent["url"])).json()

    assert found["runs"][0]["verdict"] == "passed"


async def test_several_processes_count_together(
    environment: dict[str, str], tmp_path: Path
) -> None:
    async with (
        serving(environment, tmp_path / "api.log", processes=2) as server,
        httpx2.AsyncClient(base_url=server.url) as client,
    ):
        for _ in range(20):
            # A connection each, so that both processes get some.
            async with httpx2.AsyncClient(base_url=server.url) as once:
                assert (await once.get("/v1/leaderboards/vectoradd")).is_success
        words = (await client.get("/metrics")).text

    line = next(
        line
        for line in words.splitlines()
        if line.startswith("kernelbot_http_requests_total") and 'leaderboards/{name}"' in line
    )
    assert float(line.rsplit(" ", 1)[1]) == 20
