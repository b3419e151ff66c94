"""Health, metrics, headers, crashes, and the OpenAPI document."""

from __future__ import annotations

import json
import logging
import re
import uuid
from collections.abc import Iterator
from io import StringIO

import httpx2
import pytest
import structlog
from fastapi import FastAPI
from sqlalchemy import text

from kernelbot import logs
from kernelbot.api import __main__ as serving
from kernelbot.api import access
from kernelbot.app import App
from kernelbot.config import ROOT, Settings
from kernelbot.judge.protocol import VerdictKind
from kernelbot.services import submit
from kernelbot.storage import fleet
from tests.api.conftest import refused
from tests.factories import judge_one, make_actor, make_verdict, submitted


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[StringIO]:
    """What is logged, as in production."""
    kept, root = structlog.get_config(), logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    logs.configure(settings, "api")
    structlog.configure(cache_logger_on_first_use=False)
    yield stream
    structlog.configure(**kept)
    structlog.contextvars.clear_contextvars()
    root.handlers, root.level = handlers, level


async def test_alive_needs_no_database_and_ready_does(
    app: App, anonymous: httpx2.AsyncClient
) -> None:
    alive = (await anonymous.get("/v1/health")).json()
    ready = await anonymous.get("/v1/ready")

    assert alive["status"] == "ok"
    assert ready.status_code == 200
    assert ready.json()["status"] == "ok"


async def test_a_lost_database_is_503_with_an_id_and_when_to_come_again(
    api: FastAPI, settings: Settings
) -> None:
    from contextlib import asynccontextmanager

    from kernelbot.api.application import create
    from kernelbot.app import build

    nowhere = settings.model_copy(
        update={"database_url": type(settings.database_url)("postgresql://a:b@127.0.0.1:1/none")}
    )
    async with build(nowhere) as lost:
        broken = create(asynccontextmanager(lambda: (yield lost)))  # type: ignore[arg-type]
        broken.state.context = lost
        async with httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=broken), base_url="http://test"
        ) as client:
            for path in ("/v1/ready", "/v1/leaderboards", "/v1/problems/vectoradd", "/metrics"):
                response = await client.get(path)
                message = refused(response, 503, "unavailable")
                assert response.headers["retry-after"] == "1"
                assert "127.0.0.1" not in message
            assert (await client.get("/v1/health")).status_code == 200


async def test_a_crash_gives_an_id_and_nothing_of_the_exception(
    api: FastAPI, anonymous: httpx2.AsyncClient, logged: StringIO
) -> None:
    async def crash() -> None:
        secret_of_the_request = "kb_local-variable"
        raise RuntimeError(f"the password is hunter2, {len(secret_of_the_request)}")

    api.dependency_overrides[access.context] = crash

    response = await anonymous.get("/v1/leaderboards")

    message = refused(response, 500, "fault")
    assert "hunter2" not in response.text
    assert response.headers["x-request-id"] in message
    entries = [json.loads(line) for line in logged.getvalue().splitlines()]
    (entry,) = [item for item in entries if item["event"] == "crash"]
    assert entry["id"] == response.headers["x-request-id"]
    assert "hunter2" in logged.getvalue()
    assert "kb_local-variable" not in logged.getvalue()


async def test_every_answer_has_safe_headers(anonymous: httpx2.AsyncClient) -> None:
    for path in ("/v1/health", "/v1/leaderboards", "/nope", "/v1/me", "/docs"):
        headers = (await anonymous.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert "content-security-policy" in headers
        assert "access-control-allow-origin" not in headers
    assert (await anonymous.get("/v1/me")).headers["cache-control"] == "no-store"


async def test_request_ids_differ(anonymous: httpx2.AsyncClient) -> None:
    ids = {(await anonymous.get("/v1/health")).headers["x-request-id"] for _ in range(5)}

    assert len(ids) == 5


async def test_a_wrong_method_names_the_right_ones(anonymous: httpx2.AsyncClient) -> None:
    response = await anonymous.put("/v1/leaderboards")

    refused(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "GET"


async def test_metrics_count_by_route_and_never_by_path(anonymous: httpx2.AsyncClient) -> None:
    await anonymous.get("/v1/leaderboards/vectoradd")
    await anonymous.get("/v1/secret-of-mine")
    await anonymous.request("BREW", "/v1/health")

    words = (await anonymous.get("/metrics")).text

    assert (
        'kernelbot_http_requests_total{method="GET",route="/v1/leaderboards/{name}",status="200"}'
        in words
    )
    assert 'route="unknown",status="404"' in words
    assert 'method="other"' in words
    assert "secret-of-mine" not in words
    assert "kernelbot_queued_runs" in words
    assert "kernelbot_http_request_seconds_bucket" in words


async def test_metrics_hold_everything_that_the_operators_are_told_of(
    app: App, anonymous: httpx2.AsyncClient
) -> None:
    told = set(re.findall(r"`(kernelbot_\w+)", (ROOT / "docs" / "operations.md").read_text()))

    words = (await anonymous.get("/metrics")).text

    there = set(re.findall(r"^# TYPE (kernelbot_\w+)", words, re.MULTILINE))
    assert told == {name for name in there if not name.endswith("_created")}


async def test_metrics_count_what_ended_lately_what_was_tried_again_and_silent_workers(
    app: App, anonymous: httpx2.AsyncClient
) -> None:
    ada = await make_actor(app)
    ids = [(await submitted(app, ada)).id for _ in range(4)]
    for kind in (VerdictKind.PASSED, VerdictKind.WRONG_ANSWER, VerdictKind.WRONG_ANSWER):
        await judge_one(app, make_verdict(kind))
    await submit.cancel(app, ada, ids[3])
    change = "UPDATE runs SET {} WHERE submission_id = :id"
    async with app.database.transaction() as connection:
        await fleet.register(connection, uuid.uuid4(), "here", {"CPU": 2, "T4": 1}, {}, "0" * 64)
        await connection.execute(text("UPDATE workers SET heartbeat_at = now() - interval '1 min'"))
        await fleet.register(connection, uuid.uuid4(), "there", {"CPU": 1}, {}, "0" * 64)
        await connection.execute(text(change.format("attempt = 2")), {"id": ids[1]})
        await connection.execute(
            text(change.format("finished_at = now() - interval '61 min', attempt = 3")),
            {"id": ids[2]},
        )

    words = (await anonymous.get("/metrics")).text

    samples = (line.rsplit(" ", 1) for line in words.splitlines() if not line.startswith("#"))
    values = {name: float(value) for name, value in samples}
    ended = {
        kind: values[f'kernelbot_hour_verdicts{{kind="{kind}"}}']
        for kind in (*VerdictKind, "cancelled")
    }
    assert {kind: count for kind, count in ended.items() if count} == {
        "passed": 1,
        "wrong_answer": 1,
        "cancelled": 1,
    }
    assert values["kernelbot_hour_retried_runs"] == 1
    assert 60 <= values['kernelbot_worker_silent_seconds{gpu="T4"}'] < 120
    assert 0 <= values['kernelbot_worker_silent_seconds{gpu="CPU"}'] < 60


async def test_every_operation_documents_its_errors_with_the_one_body(
    anonymous: httpx2.AsyncClient,
) -> None:
    document = (await anonymous.get("/openapi.json")).json()

    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            responses = operation["responses"]
            assert {"400", "422", "500", "503"} <= set(responses), (method, path)
            for status, response in responses.items():
                if int(status) >= 400:
                    schema = response["content"]["application/json"]["schema"]
                    assert schema == {"$ref": "#/components/schemas/ErrorBody"}, (method, path)
            needs_token = path.startswith(("/v1/submissions", "/v1/me", "/v1/admin"))
            assert not needs_token or "401" in responses, (method, path)
            assert operation["description"], (method, path)
    assert "HTTPValidationError" not in json.dumps(document)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (None, "The API cannot start: No database is named. Set DATABASE_URL"),
        (
            "mysql://host/name",
            "The API cannot start: DATABASE_URL is not the address of a Postgres",
        ),
    ],
)
def test_without_an_address_of_a_database_it_says_so_and_ends(
    monkeypatch: pytest.MonkeyPatch, url: str | None, words: str
) -> None:
    monkeypatch.setattr(logs, "configure", lambda *settings: None)
    monkeypatch.setenv("DATABASE_URL", url or "")

    with pytest.raises(SystemExit, match=words):
        serving.factory()


async def test_refusals_are_counted_by_their_code(anonymous: httpx2.AsyncClient) -> None:
    refused = await anonymous.get("/v1/me")
    code = refused.json()["error"]["code"]
    scraped = (await anonymous.get("/metrics")).text
    assert f'kernelbot_http_refusals_total{{code="{code}"}}' in scraped
