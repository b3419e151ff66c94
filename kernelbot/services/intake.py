"""Whether GPU kinds take submissions: paused and resumed by organizers, with a reason that everybody reads.

What runs ends in any case. What waits goes on being judged, or, where the pause ``holds``, waits with its place
in the queue until the kind is resumed; no wait counts against anybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Row

from kernelbot.domain.people import Actor, Scope
from kernelbot.domain.reasons import bounded_reason
from kernelbot.domain.target import spellings
from kernelbot.errors import Conflict, InvalidInput, did_you_mean
from kernelbot.services.context import Context
from kernelbot.services.views import PauseView
from kernelbot.storage import changes, people, queue
from kernelbot.storage import intake as store

EVERYTHING = ""


async def pause(ctx: Context, admin: Actor, gpu: str | None, reason: str, *, hold: bool) -> None:
    """Take no submissions for a GPU kind, or for any (None). Paused again, the reason and whether it holds
    change. Raises InvalidInput."""
    admin.needs(Scope.ADMIN)
    bounded_reason(reason)
    name = EVERYTHING if gpu is None else known(ctx, gpu)
    reason = " ".join(reason.split())
    async with ctx.database.transaction() as connection:
        await store.put(connection, name, admin.user_id, reason, holds=hold)
        await people.record(
            connection, admin.user_id, "intake.pause", _target(name), reason=reason, hold=hold
        )


async def resume(ctx: Context, admin: Actor, gpu: str | None) -> None:
    """Take submissions again, and begin what was held. Raises Conflict where nothing was paused."""
    admin.needs(Scope.ADMIN)
    async with ctx.database.transaction() as connection:
        paused = [row.gpu for row in await store.every(connection)]
        name = EVERYTHING if gpu is None else known(ctx, gpu, paused)
        if not await store.remove(connection, name):
            what = "Taking submissions as a whole" if gpu is None else name
            there = f"Paused: {_listed(paused)}." if paused else "Nothing is."
            raise Conflict(f"{what} is not paused. {there}", code="not_paused")
        await people.record(connection, admin.user_id, "intake.resume", _target(name))
        # Whoever waits for work looks again: the queue itself has not changed.
        await changes.notify(connection, queue.channel())


async def paused(ctx: Context) -> tuple[PauseView, ...]:
    """What is paused now, for everybody; the pause of everything first."""
    async with ctx.database.read() as connection:
        return tuple(_view(row) for row in await store.every(connection))


async def listed(ctx: Context, admin: Actor) -> tuple[PauseView, ...]:
    """The same with who paused."""
    admin.needs(Scope.ADMIN)
    async with ctx.database.read() as connection:
        rows = await store.every(connection)
    return tuple(replace(_view(row), paused_by=row.paused_by) for row in rows)


def kinds(ctx: Context, admin: Actor) -> tuple[str, ...]:
    """What can be paused beside everything."""
    admin.needs(Scope.ADMIN)
    return tuple(ctx.targets)


def of(gpu: str, pauses: Sequence[PauseView]) -> PauseView | None:
    """The pause that a GPU kind is under: one that holds before one that does not, its own before all's."""
    found = [item for item in pauses if item.gpu in (None, gpu)]
    return max(found, key=lambda item: (item.holds, item.gpu or ""), default=None)


def known(ctx: Context, gpu: str, paused: Sequence[str] = ()) -> str:
    """A kind's name, however it was spelled; also one that is paused and in the file of targets no more. Raises
    InvalidInput."""
    names = {name.lower(): name for name in paused if name} | spellings(ctx.targets)
    if gpu.lower() not in names:
        raise InvalidInput(
            f"There is no GPU kind {gpu[:40]!r}; there are: {', '.join(ctx.targets)}."
            f"{did_you_mean(gpu, ctx.targets)}",
            code="unknown_gpu",
        )
    return names[gpu.lower()]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(name or "everything" for name in names)


def _target(name: str) -> str:
    return f"intake:{name or 'everything'}"


def _view(row: Row[Any]) -> PauseView:
    return PauseView(
        gpu=row.gpu or None,
        reason=row.reason,
        holds=row.holds,
        since=row.since,
    )
