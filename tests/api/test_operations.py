"""Health, metrics, headers, crashes, and the OpenAPI document."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from io import StringIO

import httpx2
import pytest
import structlog
from fastapi import FastAPI

from kernelbot import logs
from kernelbot.api import access
from kernelbot.app import App
from kernelbot.config import Settings
from tests.api.conftest import refused


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
    entry = json.loads(logged.getvalue().splitlines()[0])
    assert (entry["event"], entry["id"]) == ("crash", response.headers["x-request-id"])
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
