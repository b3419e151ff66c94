"""The composition root: settings become an App; the only module that knows everything."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from kernelbot.config import Settings
from kernelbot.domain.target import Target
from kernelbot.errors import InvalidInput
from kernelbot.launchers.targets import load_targets
from kernelbot.services import identity, publish
from kernelbot.services.catalog import load_catalog
from kernelbot.services.context import Context
from kernelbot.services.devices import load_devices
from kernelbot.services.publish import Source
from kernelbot.storage import database
from kernelbot.storage.changes import Changes
from kernelbot.storage.database import Database

App = Context

ADMIN_TOKEN_FILE = "admin-token"  # noqa: S105  a file's name


@dataclass(frozen=True)
class Prepared:
    """What preparing an installation found out."""

    leaderboards: list[str]
    admin_token: str
    new_admin_token: bool  # made just now


@contextlib.asynccontextmanager
async def build(settings: Settings) -> AsyncIterator[App]:
    """Connections, listeners and targets for one process. Does not touch the schema.

    Raises InvalidInput when no database is named or the file of targets or devices is wrong. The database need
    not be up: whoever uses it then gets Unavailable until it is.
    """
    url = database_url(settings)
    targets = targets_of(settings)
    devices = load_devices(settings.devices_file)
    pool = Database(url, pool_size=settings.pool_size, timeout_s=settings.database_timeout_s)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(pool.close)
        events = await stack.enter_async_context(Changes(url))
        yield App(settings=settings, database=pool, events=events, targets=targets, devices=devices)


def database_url(settings: Settings) -> str:
    """Raises InvalidInput where none is named, or what is named is none."""
    if settings.database_url is None:
        raise InvalidInput(
            "No database is named. Set DATABASE_URL, or start everything with `kernelbot up`, "
            "which brings its own.",
            code="no_database",
        )
    url = settings.database_url.get_secret_value()
    database.sqlalchemy_url(url)
    return url


def targets_of(settings: Settings) -> Mapping[str, Target]:
    return load_targets(settings.targets_file)


async def upgrade(settings: Settings) -> None:
    """Bring the database's schema to this version."""
    await database.migrate(database_url(settings))


async def prepare(settings: Settings, checked: Mapping[str, str] | None = None) -> Prepared:
    """Everything an installation needs before its processes start. Repeatable.

    ``checked`` says of each problem how it was checked; it is kept in the audit log. One that is not
    in it gets no leaderboard.

    Migrates, loads problems and competitions, makes the local administrator. Raises
    DefinitionErrors with everything that is wrong in the problem files.
    """
    catalog = load_catalog(settings.problems_dir, targets_of(settings))
    if checked is not None:
        catalog = catalog.limited_to(checked)
    await upgrade(settings)
    token, new = _admin_token(settings)
    async with build(settings) as app:
        await publish.apply(app, catalog, Source(), checked)
        await identity.ensure_admin(app, token)
    return Prepared(leaderboards=catalog.leaderboards, admin_token=token, new_admin_token=new)


def _admin_token(settings: Settings) -> tuple[str, bool]:
    """The administrator's token: from the settings, from its file, or made and written there."""
    if settings.admin_token is not None:
        return settings.admin_token.get_secret_value(), False
    path = settings.data_dir / ADMIN_TOKEN_FILE
    with contextlib.suppress(FileNotFoundError):
        kept = path.read_text().strip()
        if kept:
            return kept, False
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    token = identity.PREFIX + secrets.token_urlsafe(32)
    # Created unreadable for others, renamed when whole: a kill in between leaves no half a secret.
    draft = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(token + "\n")
    draft.replace(path)
    return token, True
