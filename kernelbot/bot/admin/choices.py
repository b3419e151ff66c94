"""Completion for administrators; nobody else is offered anything."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, ParamSpec, TypeVar

from discord.app_commands import Choice

from kernelbot.bot import autocomplete, choosing
from kernelbot.bot.admin import posts
from kernelbot.bot.door import Interaction, administrator, ctx_of
from kernelbot.bot.limits import CHOICES
from kernelbot.errors import Forbidden, NotFound
from kernelbot.services import competitions, grants, invitations, persons, standings
from kernelbot.services import submissions as store
from kernelbot.services.views import LeaderboardView

LASTING = ("1h", "12h", "1d", "3d", "7d", "2w", "30d", "90d")
FOR_EVER = "forever"


P = ParamSpec("P")
T = TypeVar("T")


def for_administrators(
    completion: Callable[P, Coroutine[Any, Any, list[T]]],
) -> Callable[P, Coroutine[Any, Any, list[T]]]:
    """Whoever may not ask is offered nothing: a completion has no place for a refusal."""

    @functools.wraps(completion)
    async def offered(*args: P.args, **kwargs: P.kwargs) -> list[T]:
        try:
            return await completion(*args, **kwargs)
        except Forbidden:
            return []

    return offered


@for_administrators
async def people(interaction: Interaction, typed: str) -> list[Choice[str]]:
    found = await persons.like(ctx_of(interaction), await administrator(interaction), typed)
    return offers(map(posts.person_choice, found))


@for_administrators
async def submissions(interaction: Interaction, typed: str) -> list[Choice[int]]:
    found = await store.recent(ctx_of(interaction), await administrator(interaction), typed)
    offered = map(posts.submission_choice, found)
    return [Choice(name=item.name, value=int(item.value)) for item in offered]


@for_administrators
async def contests(interaction: Interaction, typed: str) -> list[Choice[str]]:
    found = await competitions.competitions(ctx_of(interaction), await administrator(interaction))
    named = [
        choosing.Choice(f"{view.document['name']}: {view.document['title']}", view.document["name"])
        for view in found
    ]
    return offers(choosing.matching(named, typed))


@for_administrators
async def boards(interaction: Interaction, typed: str) -> list[Choice[str]]:
    """All of them, also those of competitions that not everybody sees."""
    return offers(autocomplete.listed(await _boards(interaction), typed))


@for_administrators
async def gpu(interaction: Interaction, typed: str) -> list[Choice[str]]:
    """Of the leaderboard that is chosen."""
    chosen = getattr(interaction.namespace, "leaderboard", None)
    return offers(choosing.matching(autocomplete.kinds(await _boards(interaction), chosen), typed))


async def _boards(interaction: Interaction) -> Sequence[LeaderboardView]:
    return await standings.leaderboards(ctx_of(interaction), await administrator(interaction))


@for_administrators
async def invites(interaction: Interaction, typed: str) -> list[Choice[int]]:
    """Those in use of the competition that is chosen."""
    name = getattr(interaction.namespace, "competition", None) or ""
    try:
        found = await invitations.listed(
            ctx_of(interaction), await administrator(interaction), name
        )
    except NotFound:
        return []
    wanted = typed.strip()
    offered = [
        item for item in found if item.revoked_at is None and str(item.id).startswith(wanted)
    ]
    return [Choice(name=posts.invite_choice(item), value=item.id) for item in offered[:CHOICES]]


@for_administrators
async def grants_in_force(interaction: Interaction, typed: str) -> list[Choice[int]]:
    """By number, person or competition."""
    found = await grants.in_force(ctx_of(interaction), await administrator(interaction))
    wanted = typed.strip().lower()
    named = [(posts.grant_choice(item), item.id) for item in found]
    offered = [
        Choice(name=name, value=number)
        for name, number in named
        if (str(number).startswith(wanted) if wanted.isdigit() else wanted in name.lower())
    ]
    return offered[:CHOICES]


async def lasting(interaction: Interaction, typed: str) -> list[Choice[str]]:
    """Whatever is typed can be sent as it is."""
    return _times([*LASTING, FOR_EVER], typed)


async def ending(interaction: Interaction, typed: str) -> list[Choice[str]]:
    """The same for what has an end in any case."""
    return _times(LASTING, typed)


def _times(offered: Iterable[str], typed: str) -> list[Choice[str]]:
    wanted = typed.strip().lower()
    return [Choice(name=item, value=item) for item in offered if item.startswith(wanted)]


async def targets(interaction: Interaction, typed: str) -> list[Choice[str]]:
    """What the audit log is about: people and submissions by what they are called there."""
    whom = [
        Choice(name=item.name, value=f"user:{item.value.removeprefix('#')}")
        for item in await people(interaction, typed)
    ]
    what = [
        Choice(name=item.name, value=f"submission:{item.value}")
        for item in await submissions(interaction, typed)
    ]
    half = CHOICES // 2
    return [*whom[:half], *what[:half]]


def offers(found: Iterable[choosing.Choice]) -> list[Choice[str]]:
    return [Choice(name=item.name, value=item.value) for item in found]
