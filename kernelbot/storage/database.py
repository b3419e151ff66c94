"""Connections, transactions, migrations. What is about a table lives in the module of its noun."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import asyncpg
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from kernelbot.errors import InvalidInput, Unavailable

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"
MIGRATION_LOCK = 4_611_686_018_427_387_001
"""Advisory lock: several processes may start at once, one migrates."""

ASKING = 4
"""Connections for single reading statements, which hold one for well under a millisecond."""

LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    # Nothing happened and the same may pass: told apart from our own mistakes here, once.
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
    asyncpg.InterfaceError,
    # The server died between two messages of a statement; the connection knows no way out of it.
    asyncpg.InternalClientError,
    ConnectionError,
    TimeoutError,
)
"""What the driver says when the server is gone, going or not there yet."""


def sqlalchemy_url(url: str) -> str:
    """The same address for SQLAlchemy's asyncpg dialect."""
    for scheme in ("postgresql+asyncpg://", "postgresql://", "postgres://"):
        if url.startswith(scheme):
            return "postgresql+asyncpg://" + url.removeprefix(scheme)
    raise InvalidInput(
        "DATABASE_URL is not the address of a Postgres. Write it as "
        "postgresql://USER:PASSWORD@HOST:5432/NAME.",
        code="bad_database_url",
    )


def driver_url(url: str) -> str:
    """The same address for asyncpg itself."""
    return sqlalchemy_url(url).replace("postgresql+asyncpg://", "postgresql://", 1)


def storable(value: Any) -> Any:
    """The same JSON value with what Postgres cannot hold in text (NUL, lone surrogates) made visible.

    What a kernel prints and what it raises ends up in verdicts, and may be anything.
    """
    if isinstance(value, str):
        return value.replace("\0", "\N{SYMBOL FOR NULL}").encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {storable(str(key)): storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    return value


@contextlib.contextmanager
def lost_connection_as_unavailable() -> Iterator[None]:
    """Turn the many faces of a lost server into one Unavailable; leave everything else alone."""
    try:
        yield
    except (DBAPIError, InterfaceError) as error:
        if error.connection_invalidated or isinstance(_cause(error), LOST):
            raise Unavailable("The database does not answer.") from error
        raise
    except (PoolTimeout, *LOST) as error:
        raise Unavailable("The database does not answer.") from error
    except OSError as error:
        raise Unavailable("The database cannot be reached.") from error


def _cause(error: DBAPIError) -> BaseException | None:
    return getattr(error.orig, "__cause__", None) or error.orig


class Database:
    """One process's way to Postgres: a pool of connections, and transactions over it."""

    def __init__(self, url: str, *, pool_size: int = 10, timeout_s: float = 10.0):
        self.url = url
        self.engine: AsyncEngine = create_async_engine(
            sqlalchemy_url(url),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=timeout_s,
            connect_args={
                "timeout": timeout_s,
                "server_settings": {"application_name": "kernelbot"},
            },
        )
        self._reading = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._timeout_s = timeout_s
        self._asking: asyncpg.Pool | None = None
        self._opening = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """All or nothing. Raises Unavailable when the server is lost on the way.

        When the connection is lost during the commit itself nobody knows whether it happened:
        callers make their writes repeatable (idempotency key, lease, unique key).
        """
        with lost_connection_as_unavailable():
            async with self.engine.begin() as connection:
                yield connection

    @contextlib.asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """For reading: every statement sees what is committed, no BEGIN is paid for."""
        with lost_connection_as_unavailable():
            async with self._reading.connect() as connection:
                yield connection

    async def ask(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """One reading statement by the shortest way, for those that come with every request.

        Through SQLAlchemy the same statement costs this process more than twice the time
        (benchmarks/statements.py), which at a thousand reads a second is most of a core.
        """
        with lost_connection_as_unavailable():
            pool = self._asking or await self._open()
            async with pool.acquire() as connection:
                return await _answered(connection, query, arguments)

    async def _open(self) -> asyncpg.Pool:
        async with self._opening:
            if self._asking is None:
                self._asking = await asyncpg.create_pool(
                    driver_url(self.url),
                    min_size=0,
                    max_size=ASKING,
                    timeout=self._timeout_s,
                    command_timeout=self._timeout_s,
                    reset=_keep,
                    server_settings={"application_name": "kernelbot"},
                )
            return self._asking

    async def close(self) -> None:
        if self._asking is not None:
            self._asking.terminate()
        await self.engine.dispose()


async def _answered(
    connection: asyncpg.Connection, query: str, arguments: Sequence[object]
) -> list[asyncpg.Record]:
    """What the server says; a connection whose statement it did not answer is not used again."""
    try:
        return list(await connection.fetch(query, *arguments))
    except asyncpg.PostgresError:
        raise
    except BaseException:
        # Cut off or abandoned halfway. Without the usual reset nobody else would notice, and every
        # later statement on it would fail.
        connection.terminate()
        raise


async def _keep(connection: asyncpg.Connection) -> None:
    """Statements that only read leave nothing to reset; the usual reset is one more round trip."""


async def driver(connection: AsyncConnection) -> asyncpg.Connection:
    """The asyncpg connection under a SQLAlchemy one, inside the same transaction.

    SQLAlchemy begins a transaction with the first statement it sends, so callers have sent one.
    """
    raw = await connection.get_raw_connection()
    return cast(Any, raw).driver_connection


async def migrate(url: str) -> None:
    """Bring the schema to this version: ours by alembic, the queue's by PgQueuer itself.

    Safe to call from several processes at once.
    """
    from pgqueuer.queries import Queries

    connection = await asyncpg.connect(driver_url(url))
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)
        await asyncio.to_thread(_alembic_upgrade, url)
        queue = Queries.from_asyncpg_connection(connection)
        if await queue.schema_is_installed():
            await queue.upgrade()
        else:
            await queue.install()
    finally:
        await connection.close()


def alembic_config(url: str) -> Any:
    """Alembic's configuration for our migrations, without an ini file."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = url
    return config


def _alembic_upgrade(url: str) -> None:
    from alembic import command

    command.upgrade(alembic_config(url), "head")
