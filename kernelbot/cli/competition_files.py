"""``kernelbot competition plan|apply``: definition files against this installation's database."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Collection

from pydantic import SecretStr

from kernelbot import app
from kernelbot.cli import publication
from kernelbot.cli.screen import note
from kernelbot.cli.up import read_settings
from kernelbot.config import Settings
from kernelbot.domain.definition import DefinitionErrors, Flaw
from kernelbot.services import publish
from kernelbot.services.publish import Hiding, Plan, Source
from kernelbot.services.sources import Opened, opened
from kernelbot.storage.database import lost_connection_as_unavailable
from kernelbot.storage.embedded import EmbeddedPostgres, running_url


def check(source: str) -> list[str]:
    """The leaderboards that the files define. Raises DefinitionErrors with all their mistakes."""
    settings = read_settings({})
    targets = app.targets_of(settings)
    with opened(source) as files:
        catalog = files.load(targets, settings.problems_dir)
        publication.tell_notes(catalog)
        wrong = [
            Flaw(
                file=source, path=f"leaderboard {item.leaderboard}", reason=item.reason,
                remedy=item.remedy,
            )
            for item in publish.misfits(catalog, targets)
        ]  # fmt: skip
        if wrong:
            raise DefinitionErrors(wrong)
        return catalog.leaderboards


def plan(source: str, *, take_over: bool) -> Plan:
    """What applying would do; nothing is written."""
    return _done(source, write=False, take_over=take_over)


def apply(source: str, *, unchecked: bool, take_over: bool, accepted: Collection[str] = ()) -> Plan:
    """Do it, and say what was done. Raises Conflict, and writes nothing, if anything is refused."""
    return _done(source, write=True, unchecked=unchecked, take_over=take_over, accepted=accepted)


def hide(name: str) -> Hiding:
    """Take a competition off every list. Raises NotFound."""
    settings = read_settings({})

    async def run() -> Hiding:
        async with _installation(settings) as made:
            return await publish.hide(made, name)

    with lost_connection_as_unavailable():
        return asyncio.run(run())


def _done(
    source: str,
    *,
    write: bool,
    take_over: bool,
    unchecked: bool = False,
    accepted: Collection[str] = (),
) -> Plan:
    settings = read_settings({})
    with opened(source) as files:
        catalog = files.load(app.targets_of(settings), settings.problems_dir)
        checked: dict[str, str] = {}
        if write:
            checked = publication.demand_checked(
                settings, catalog, unchecked=unchecked, accepted=accepted
            )
        else:
            publication.tell_notes(catalog)
        origin = dataclasses.replace(_origin(files, settings), takes_over=take_over)

        async def run() -> Plan:
            async with _installation(settings) as made:
                if write:
                    return await publish.apply(made, catalog, origin, checked)
                return await publish.plan(made, catalog, origin)

        with lost_connection_as_unavailable():
            return asyncio.run(run())


def _origin(files: Opened, settings: Settings) -> Source:
    """Files in the installation's own folder are its own, also when applied one by one."""
    one = files.file is not None
    roots = (files.file.parent, files.file.parent.parent) if files.file else (files.root,)
    own = settings.problems_dir in roots
    return Source(name="" if own else files.name, pinned=files.pinned, whole=not one)


@contextlib.asynccontextmanager
async def _installation(settings: Settings) -> AsyncIterator[app.App]:
    """The installation's database: the one that is named, that of a running ``kernelbot up``, or the
    embedded one, started for as long as this takes."""
    async with contextlib.AsyncExitStack() as stack:
        if settings.database_url is None:
            home = settings.data_dir / "postgres"
            url = running_url(home)
            if url is None:
                postgres = EmbeddedPostgres(home, binaries=settings.pg_bin, report=note)
                url = await stack.enter_async_context(postgres)
                settings = settings.model_copy(update={"database_url": SecretStr(url)})
                await app.upgrade(settings)
            settings = settings.model_copy(update={"database_url": SecretStr(url)})
        yield await stack.enter_async_context(app.build(settings))
