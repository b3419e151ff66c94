"""The API in this process over a real database, and people with tokens."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import asyncpg
import httpx2
import pytest
import pytest_asyncio
from fastapi import FastAPI

from kernelbot.api.application import create
from kernelbot.app import App, build
from kernelbot.services import identity
from kernelbot.storage.database import driver_url
from tests.conftest import ADMIN_TOKEN, make_settings
from tests.factories import CODE

Submit = Callable[..., Awaitable[httpx2.Response]]


@pytest_asyncio.fixture
async def api(app: App) -> FastAPI:
    return application(app)


def application(app: App) -> FastAPI:
    """The API over this context; its life is the fixture's."""

    @asynccontextmanager
    async def context() -> AsyncIterator[App]:
        yield app

    made = create(context)
    made.state.context = app
    return made


@pytest_asyncio.fixture
async def anonymous(api: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    async with client(api) as made:
        yield made


def client(api: FastAPI, token: str | None = None) -> httpx2.AsyncClient:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=api), base_url="http://test", headers=headers
    )


@pytest_asyncio.fixture
async def admin(api: FastAPI, app: App) -> AsyncIterator[httpx2.AsyncClient]:
    async with client(api, ADMIN_TOKEN) as made:
        yield made


async def token_of(
    app: App, name: str, *, scopes: tuple[str, ...] = ("read", "submit", "tokens")
) -> str:
    """A new token for the person of this name."""
    administrator = await identity.authenticate(app, ADMIN_TOKEN, "api")
    made = await identity.create_user_token(app, administrator, name, "test", scopes, None)
    assert made.secret is not None
    return made.secret


@pytest_asyncio.fixture
async def ada(api: FastAPI, app: App) -> AsyncIterator[httpx2.AsyncClient]:
    """A competitor's client."""
    async with client(api, await token_of(app, "ada")) as made:
        yield made


@pytest_asyncio.fixture
async def bob(api: FastAPI, app: App) -> AsyncIterator[httpx2.AsyncClient]:
    """Another competitor's client."""
    async with client(api, await token_of(app, "bob")) as made:
        yield made


@pytest_asyncio.fixture(scope="module")
async def untouched(
    cluster: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[App]:
    """An application whose database a whole module shares, because nothing is stored in it."""
    server, _, _ = cluster.rpartition("/")
    name = f"untouched_{secrets.token_hex(4)}"
    connection = await asyncpg.connect(driver_url(f"{server}/postgres"))
    await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    await connection.close()
    settings = make_settings(f"{server}/{name}", tmp_path_factory.mktemp(name), lease_s=30.0)
    async with build(settings) as made:
        yield made


@pytest_asyncio.fixture(scope="module")
async def eve(untouched: App) -> AsyncIterator[httpx2.AsyncClient]:
    """The client of somebody who sends only what must be refused."""
    async with client(application(untouched), await token_of(untouched, "eve")) as made:
        yield made


@pytest.fixture
def submit() -> Submit:
    """Sends a submission that is fine but for what the arguments change."""

    async def send(
        sender: httpx2.AsyncClient,
        code: bytes = CODE,
        name: str = "kernel.py",
        headers: dict[str, str] | None = None,
        **fields: object,
    ) -> httpx2.Response:
        form = {"leaderboard": "vectoradd", "gpus": "CPU", "mode": "test"} | fields
        return await sender.post(
            "/v1/submissions",
            files={"file": (name, code, "text/x-python")},
            data={key: value for key, value in form.items() if value is not None},
            headers=headers or {},
        )

    return send


def refused(response: httpx2.Response, status: int, code: str) -> str:
    """Assert the one error body; the message, to look at its words."""
    assert response.status_code == status, response.text
    body = response.json()
    assert set(body) == {"error"}
    error = body["error"]
    assert set(error) == {"code", "message", "detail", "id"}
    assert error["code"] == code, error
    assert error["id"] == response.headers["x-request-id"]
    assert error["message"].endswith((".", "?", "!")), error["message"]
    return str(error["message"])
