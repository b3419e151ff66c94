"""The gateway at its wire: who is let in, what bodies are read, whose request for work still counts."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import json
import socket
import tarfile
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from fastapi import FastAPI
from sqlalchemy import text

from kernelbot.app import App
from kernelbot.judge import shipping
from kernelbot.judge.protocol import dump
from kernelbot.services import runners, submissions
from kernelbot.services.dispatch import Assignment
from kernelbot.services.gateway import LONGEST_POLL_S
from tests.api.conftest import client, refused
from tests.api.serving import Serving, serving
from tests.factories import make_actor, submitted
from tests.patience import until
from tests.services.machines import Machine, announcement, machine


@dataclass
class Box:
    """A machine at the wire."""

    http: httpx2.AsyncClient
    machine: Machine

    @property
    def named(self) -> dict[str, str]:
        return {"kernelbot-session": str(self.machine.session)}

    def about(self, held: Assignment) -> dict[str, str]:
        return {**self.named, "kernelbot-lease": str(held.lease)}


@pytest_asyncio.fixture
async def box(app: App, api: FastAPI) -> AsyncIterator[Box]:
    made = await machine(app)
    async with client(api, made.secret) as http:
        yield Box(http, made)


async def test_a_run_goes_the_whole_way_over_http(app: App, box: Box) -> None:
    view = await submitted(app, await make_actor(app), mode="profile")
    terms = (await box.http.get("/v1/runner")).json()
    assert terms["targets"] == [{"name": "CPU", "device": "cpu", "match": "", "gpus": 1}]
    said = vars(announcement(app)) | {"units": [vars(unit) for unit in announcement(app).units]}
    named = (await box.http.post("/v1/runner/announce", json=said)).json()
    headers = {"kernelbot-session": named["session"]}
    asked = {"poll": 1, "offers": [{"CPU": 1}], "wait_s": 5, "holds": [str(uuid.uuid4())]}

    (run,) = (await box.http.post("/v1/runner/lease", json=asked, headers=headers)).json()["runs"]
    about = headers | {"kernelbot-lease": run["lease"]}
    path = f"/v1/runner/runs/{run['run_id']}"
    sign = {"run_id": run["run_id"], "lease": run["lease"], "devices": ["cpu"]}
    beat = await box.http.post(
        "/v1/runner/heartbeat", json={"slots": {"CPU": 1}, "runs": [sign]}, headers=headers
    )
    package = await box.http.get(f"{path}/package", headers=about)
    step = {"kind": "case", "stage": "check", "done": 1, "total": 2}
    told = await box.http.post(f"{path}/events", json={"events": [step]}, headers=about)
    file = await box.http.put(f"{path}/files/a.json/0", content=b"{}", headers=about)
    held = dataclasses.replace(_held(run), lease=uuid.UUID(run["lease"]))
    verdict = dump(box.machine.verdict(held)).encode()
    ended = await box.http.put(f"{path}/verdict", content=verdict, headers=about)
    again = await box.http.put(f"{path}/verdict", content=verdict, headers=about)

    assert beat.json()["runs"] == {str(run["run_id"]): False}
    assert package.content.startswith(b"kernelbot parcel")
    assert told.json() == file.json() == {"done": True}
    assert ended.json()["recorded"] == "passed", ended.text
    refused(again, 409, "lease_lost")
    assert view.runs[0].id == run["run_id"]
    assert (await box.http.post("/v1/runner/leave", headers=headers)).json() == {"done": True}


def _held(run: dict[str, Any]) -> Assignment:
    values: dict[str, Any] = {item.name: None for item in dataclasses.fields(Assignment)}
    return Assignment(**values | {"run_id": run["run_id"]})


async def test_the_program_is_served_as_it_is_here(box: Box, tmp_path: Path) -> None:
    answer = await box.http.get("/v1/runner/program")

    with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
        archive.extractall(tmp_path, filter="data")
    digest, content = runners.tree(box.machine.app)
    assert shipping.intact(tmp_path / "program", digest)
    assert (await box.http.get(f"/v1/runner/tree/{digest}")).content == content
    refused(await box.http.get(f"/v1/runner/tree/{'0' * 64}"), 404, "not_found")


PLACES = (
    ("GET", ""), ("GET", "/program"), ("GET", "/tree/0"), ("POST", "/announce"), ("POST", "/lease"),
    ("POST", "/heartbeat"), ("POST", "/leave"), ("GET", "/runs/1/package"), ("POST", "/runs/1/events"),
    ("PUT", "/runs/1/files/x/0"), ("PUT", "/runs/1/verdict"), ("POST", "/runs/1/cancelled"),
    ("POST", "/runs/1/give-back"),
)  # fmt: skip


@pytest.mark.parametrize(("method", "path"), PLACES)
async def test_nobody_without_a_runners_token_is_let_in(
    method: str, path: str, anonymous: httpx2.AsyncClient, ada: httpx2.AsyncClient
) -> None:
    headers = {"kernelbot-session": str(uuid.uuid4()), "kernelbot-lease": str(uuid.uuid4())}
    for who in (anonymous, ada):  # a person's token is none
        answer = await who.request(method, f"/v1/runner{path}", headers=headers, content=b"{")
        assert answer.status_code in (401, 422), (method, path, answer.text)
        if (
            answer.status_code == 422
        ):  # JSON that cannot be read is told before anything is looked up
            assert method == "POST"


async def test_a_runners_token_signs_nobody_in_elsewhere(box: Box) -> None:
    refused(await box.http.get("/v1/me"), 401, "unknown_token")
    refused(await box.http.get("/v1/admin/runners"), 401, "unknown_token")


@pytest.mark.parametrize(
    "body",
    [
        {"poll": 0, "offers": [{"CPU": 1}], "wait_s": 1},
        {"poll": 2**63, "offers": [{"CPU": 1}], "wait_s": 1},
        {"poll": 1, "offers": [{"CPU": 65}], "wait_s": 1},
        {"poll": 1, "offers": [{"CPU": -1}], "wait_s": 1},
        {"poll": 1, "offers": [{"CPU": True}], "wait_s": 1},
        {"poll": 1, "offers": [{}] * 17, "wait_s": 1},
        {"poll": 1, "offers": [{"CPU": 1}], "wait_s": 1e9},
        {"poll": 1, "offers": [{"CPU": 1}], "wait_s": 1, "admin": True},
        {"poll": 1, "offers": [{"CPU": 1}], "wait_s": 1, "holds": ["mine"]},
        {"offers": []},
        [],
    ],
)
async def test_a_malformed_request_for_work_is_refused(box: Box, body: Any) -> None:
    answer = await box.http.post("/v1/runner/lease", json=body, headers=box.named)
    refused(answer, 422, "invalid_input")


async def test_bodies_are_bounded_and_whole(app: App, box: Box) -> None:
    await submitted(app, await make_actor(app), mode="profile")
    held = await box.machine.one()
    path, about = f"/v1/runner/runs/{held.run_id}", box.about(held)

    piece = await box.http.put(f"{path}/files/x/0", content=b"x" * (1 << 20) + b"x", headers=about)
    verdict = await box.http.put(f"{path}/verdict", content=b" " * ((8 << 20) + 1), headers=about)
    many = {"events": [{"kind": "log", "stage": "build"}] * 101}
    events = await box.http.post(f"{path}/events", json=many, headers=about)
    odd = await box.http.post(f"{path}/events", json={"events": [{"kind": 7}]}, headers=about)

    refused(piece, 413, "too_large")
    refused(verdict, 413, "too_large")
    refused(events, 422, "invalid_input")
    refused(odd, 400, "bad_event")
    assert (await box.machine.beat(held)).alive == {held.run_id: False}


async def test_of_one_machine_few_bodies_are_read_at_once_and_the_others_in_their_turn(
    app: App, box: Box
) -> None:
    await submitted(app, await make_actor(app))
    held = await box.machine.one()
    path, about = f"/v1/runner/runs/{held.run_id}/verdict", box.about(held)
    begun, ending = 0, asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        nonlocal begun
        begun += 1
        await ending.wait()
        yield b"{}"

    sent = [
        asyncio.create_task(
            box.http.put(path, content=slow(), headers={**about, "content-length": "2"})
        )
        for _ in range(12)
    ]
    await until(lambda: begun == 8)
    await asyncio.sleep(0.3)
    assert begun == 8
    ending.set()

    answers = await asyncio.gather(*sent)
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 11


@pytest.mark.parametrize(
    "step",
    [
        {"kind": "finished", "stage": "check"},
        {"kind": "cancelled", "stage": "check"},
        {"kind": "x" * 100, "stage": "check"},
        {"kind": "case", "stage": "over"},
        {"kind": "case", "stage": "check", "done": -1},
        {"kind": "case", "stage": "check", "total": 10**30},
        {"kind": "case", "stage": "check", "message": 7},
        {"kind": "case", "stage": "check", "run_id": 7},
        "case",
    ],
)
async def test_a_step_that_no_judge_tells_reaches_nobody(app: App, box: Box, step: Any) -> None:
    await submitted(app, await make_actor(app), mode="test")
    held = await box.machine.one()
    good = {"kind": "case", "stage": "check", "done": 1, "total": 2, "message": "\0\ud800\x1b[31m"}

    answer = await box.http.post(
        f"/v1/runner/runs/{held.run_id}/events",
        content=json.dumps({"events": [good, step]}).encode(),
        headers=box.about(held) | {"content-type": "application/json"},
    )

    refused(
        answer, 422 if step == "case" else 400, "invalid_input" if step == "case" else "bad_event"
    )
    found = await submissions.events(app, held.submission_id, 0)
    assert [event.kind for event in found] == ["started"]


async def test_a_verdict_that_is_nonsense_is_recorded_as_ours(app: App, box: Box) -> None:
    await submitted(app, await make_actor(app))
    held = await box.machine.one()

    answer = await box.http.put(
        f"/v1/runner/runs/{held.run_id}/verdict", content=b"\xff" * 9, headers=box.about(held)
    )

    assert answer.json()["recorded"] == "judge_failed"
    assert "no verdict" in answer.json()["fault"]


# --- over a socket -------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def server(environment: dict[str, str], tmp_path: Path) -> AsyncIterator[Serving]:
    async with serving(environment, tmp_path / "api.log") as started:
        yield started


async def test_the_poll_of_a_machine_that_was_killed_takes_nothing(
    app: App, server: Serving
) -> None:
    made = await machine(app)
    connection = await asyncio.to_thread(_ask_for_work, server, made)
    await until(lambda: _polls(app))
    assert not await _answered(server)

    connection.close()  # as the kernel does for a process that is killed
    await until(lambda: _answered(server), LONGEST_POLL_S - 5.0)  # else it ends by itself
    await submitted(app, await make_actor(app))

    made.poll = 10
    (run,) = (await made.lease()).runs
    assert run.attempt == 1


def _ask_for_work(server: Serving, made: Machine) -> socket.socket:
    host, port = server.url.removeprefix("http://").split(":")
    asked = {"poll": 5, "offers": [{"CPU": 1}], "wait_s": LONGEST_POLL_S}
    body = json.dumps(asked).encode()
    connection = socket.create_connection((host, int(port)))
    connection.sendall(
        b"POST /v1/runner/lease HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        + f"Authorization: Bearer {made.secret}\r\nKernelbot-Session: {made.session}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    return connection


async def _answered(server: Serving) -> bool:
    """Whether the server has ended a request for work, if only for itself."""
    async with httpx2.AsyncClient(base_url=server.url, timeout=60) as client:
        return 'route="/v1/runner/lease"' in (await client.get("/metrics")).text


async def _polls(app: App) -> bool:
    async with app.database.read() as connection:
        return bool(await connection.scalar(text("SELECT poll = 5 FROM runners")))


async def test_a_verdict_does_not_count_whose_token_was_revoked_while_it_was_on_its_way(
    app: App, box: Box
) -> None:
    await submitted(app, await make_actor(app))
    held = await box.machine.one()
    content = dump(box.machine.verdict(held)).encode()

    async def slowly() -> AsyncIterator[bytes]:
        yield content[:10]
        async with app.database.transaction() as connection:
            await connection.execute(text("UPDATE runners SET revoked_at = now(), session = NULL"))
        yield content[10:]

    answer = await box.http.put(
        f"/v1/runner/runs/{held.run_id}/verdict",
        content=slowly(),
        headers={**box.about(held), "content-length": str(len(content))},
    )

    refused(answer, 401, "revoked_token")
