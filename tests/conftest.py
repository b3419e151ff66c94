"""What tests share: a real Postgres for each test process, a fresh database for each test.

The template database is built once by running the migrations and loading a few of ``problems/``; a test's
own is cloned from it in tens of milliseconds, so tests commit for real and see only themselves.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import hypothesis
import pytest
import pytest_asyncio
import structlog

from kernelbot.app import App, build, prepare
from kernelbot.config import Settings
from kernelbot.services.located_yaml import each_once
from kernelbot.storage.database import driver_url
from kernelbot.storage.embedded import EmbeddedPostgres
from tests.processes import alive

ADMIN_TOKEN = "kb_test-administrator"
NUMBERS = itertools.count(1)
MEMORY, IN_MEMORY = Path("/dev/shm"), "kernelbot-tests-"
ROOM_BYTES = 2 << 30
"""A database has ten megabytes, and some tests leave theirs until all have ended."""
PROBLEMS = Path(__file__).resolve().parents[1] / "problems"

# The command line tells moments by the clock on the wall.
os.environ["TZ"] = "UTC"
time.tzset()

# What a busy machine takes for an example says nothing; the same examples in every run, ``search`` draws others.
hypothesis.settings.register_profile(
    "search",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile(
    "same", hypothesis.settings.get_profile("search"), derandomize=True, database=None
)
hypothesis.settings.load_profile("same")

# A traceback with the values of everything that is in sight takes seconds of a busy machine.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        ),
    ]
)

# Started in the background by a shell that ignores SIGINT, our processes would ignore it too, and
# the tests that interrupt them would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own settings do not reach the tests."""
    for name in list(os.environ):
        if name.startswith(("KERNELBOT_", "DATABASE_URL", "DISCORD_")):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session", autouse=True)
def files_read_once() -> Iterator[None]:
    """Every application reads the same file of devices, and most tests have an application."""
    with each_once():
        yield


@pytest.fixture(scope="session")
def memory() -> Iterator[Path | None]:
    """A folder in memory, where there is room, until no Postgres needs it any more."""
    if not MEMORY.is_dir():
        yield None
        return
    for left in MEMORY.glob(f"{IN_MEMORY}*"):
        if not alive([int(left.name.removeprefix(IN_MEMORY))]):
            shutil.rmtree(left, ignore_errors=True)
    if shutil.disk_usage(MEMORY).free < ROOM_BYTES:
        yield None
        return
    folder = MEMORY / f"{IN_MEMORY}{os.getpid()}"
    folder.mkdir(mode=0o700)
    yield folder
    shutil.rmtree(folder)


@pytest_asyncio.fixture(scope="session")
async def cluster(
    memory: Path | None, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[str]:
    """The URL of a Postgres that is this test process's own."""
    async with EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), durable=False) as url:
        # Half of what a connection takes is 4,096 rounds of hashing the password, and each test makes several.
        word = urlsplit(url)
        await _admin(
            url,
            f"SET scram_iterations = 1; ALTER ROLE {word.username} PASSWORD '{word.password}'",
        )
        yield url


@pytest_asyncio.fixture(scope="session")
async def tablespace(cluster: str, memory: Path | None) -> str:
    """Where databases lie: making the six hundred files of one on a disk takes more than what most tests take."""
    if memory is not None:
        # As another user, whom it lets not in, Postgres refuses it.
        with contextlib.suppress(asyncpg.PostgresError):
            await _admin(cluster, f"CREATE TABLESPACE memory LOCATION '{memory}'")
            return "memory"
    return "pg_default"


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of problems with three of the shipped ones and their one competition.

    The library grows; what a test counts does not.
    """
    made = tmp_path_factory.mktemp("shelf") / "problems"
    (made / "competitions").mkdir(parents=True)
    for name in ("vectoradd", "matmul", "histogram"):
        shutil.copytree(PROBLEMS / name, made / name)
    shutil.copy(PROBLEMS / "competitions" / "getting-started.yaml", made / "competitions")
    return made


@pytest_asyncio.fixture(scope="session")
async def template(
    cluster: str, shelf: Path, tablespace: str, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """The name of a database with the schema and a few shipped problems in it; its clones lie where it does."""
    await _admin(cluster, f'CREATE DATABASE "template_kernelbot" TABLESPACE {tablespace}')
    settings = make_settings(
        _named(cluster, "template_kernelbot"),
        tmp_path_factory.mktemp("template"),
        problems_dir=shelf,
    )
    await prepare(settings)
    return "template_kernelbot"


@pytest_asyncio.fixture
async def database_url(cluster: str, template: str) -> AsyncIterator[str]:
    """The URL of a database that is this test's own."""
    name = f"test_{next(NUMBERS)}"
    # Copying files is the quicker way where nothing is made durable.
    await _admin(cluster, f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
    yield _named(cluster, name)
    await _admin(cluster, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def settings(database_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    """With the module's ``LEASE_S``, where it has one."""
    own = {"lease_s": request.module.LEASE_S} if hasattr(request.module, "LEASE_S") else {}
    return make_settings(database_url, tmp_path / "data", **own)


@pytest_asyncio.fixture
async def app(settings: Settings) -> AsyncIterator[App]:
    """An application on a fresh database, in this process."""
    async with build(settings) as made:
        yield made


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    """The environment for a process of ours on this test's database."""
    return process_environment(settings)


def make_settings(url: str, data_dir: Path, **more: object) -> Settings:
    """Settings with short periods, so that what is waited for happens soon; but for the lease: nothing is taken from
    a worker that is only slow, and tests say when one has fallen silent (``factories.lost_by_its_holder``)."""
    values: dict[str, object] = {
        "database_url": url,
        "data_dir": data_dir,
        "admin_token": ADMIN_TOKEN,
        "heartbeat_s": 0.3,
        "lease_s": 30.0,
        "retry_s": 0.2,
        "canary_s": 0.0,
        "database_timeout_s": 15.0,
        "log_json": True,
        **more,
    }
    return Settings.model_validate(values)


def process_environment(settings: Settings) -> dict[str, str]:
    assert settings.database_url is not None
    return {
        **{k: v for k, v in os.environ.items() if not k.startswith(("KERNELBOT_", "DISCORD_"))},
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "KERNELBOT_DATA_DIR": str(settings.data_dir),
        "KERNELBOT_ADMIN_TOKEN": ADMIN_TOKEN,
        "KERNELBOT_HEARTBEAT_S": str(settings.heartbeat_s),
        "KERNELBOT_LEASE_S": str(settings.lease_s),
        "KERNELBOT_RETRY_S": str(settings.retry_s),
        "KERNELBOT_CANARY_S": str(settings.canary_s),
    }


def _named(url: str, database: str) -> str:
    return url.rsplit("/", 1)[0] + "/" + database


async def _admin(url: str, statement: str) -> None:
    connection = await asyncpg.connect(driver_url(_named(url, "postgres")))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
