"""Completion from memory: Discord wants an answer while the person types, so never a query here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import structlog
from discord.app_commands import Choice

from kernelbot.bot import choosing, submission_posts
from kernelbot.bot.door import Interaction, person
from kernelbot.bot.limits import CHOICE, CHOICES
from kernelbot.bot.messages import say
from kernelbot.bot.text import cut
from kernelbot.domain.people import Actor
from kernelbot.services import competitions, standings, submissions
from kernelbot.services.context import Context
from kernelbot.services.views import CompetitionView, LeaderboardView

REFRESH_S = 10.0
OWN_KEPT_S, OWN_KEPT = 5.0, 1000

log = structlog.get_logger()


@dataclass(frozen=True)
class Known:
    """What somebody may choose from."""

    boards: tuple[LeaderboardView, ...] = ()
    competitions: tuple[CompetitionView, ...] = ()


class Index:
    """What competitions, leaderboards, problems and GPUs there are, as of a few seconds ago."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._everybody = Known()
        self._seen: dict[int, tuple[float, Known]] = {}
        self._looking: set[asyncio.Task[None]] = set()
        self._own: dict[int, tuple[float, tuple[choosing.Choice, ...]]] = {}

    async def run(self) -> None:
        while True:
            try:
                await self.refresh()
            except Exception as error:
                log.warning("completion is not refreshed", error=repr(error))
            await asyncio.sleep(REFRESH_S)

    async def refresh(self) -> None:
        self._everybody = await self._known_to(None)

    async def _known_to(self, actor: Actor | None) -> Known:
        return Known(
            await standings.leaderboards(self._ctx, actor),
            await competitions.competitions(self._ctx, actor),
        )

    async def own(self, interaction: Interaction, typed: str) -> list[choosing.Choice]:
        """The only completion that asks the database: what one person has sent is theirs to see."""
        user, now = interaction.user.id, time.monotonic()
        kept = self._own.get(user)
        if kept is None or now - kept[0] > OWN_KEPT_S:
            page = await submissions.mine(self._ctx, await person(interaction), limit=CHOICES)
            kept = (now, tuple(submission_posts.submission_choice(view) for view in page.items))
            self._own[user] = kept
            while len(self._own) > OWN_KEPT:
                self._own.pop(next(iter(self._own)))
        wanted = typed.strip().removeprefix("#").lower()
        if wanted.isdigit():
            return [item for item in kept[1] if item.value.startswith(wanted)]
        return [item for item in kept[1] if wanted in f"{item.name} {item.words}".lower()]

    def seen_by(self, interaction: Interaction) -> tuple[LeaderboardView, ...]:
        """Leaderboards that everybody sees, and that this person was found to see besides."""
        everybody, besides = self._everybody.boards, self._besides(interaction).boards
        known = {board.name for board in everybody}
        return (*everybody, *(board for board in besides if board.name not in known))

    def competitions_of(self, interaction: Interaction) -> tuple[CompetitionView, ...]:
        """The same of competitions. Nobody learns the name of one that they are not in."""
        everybody, besides = self._everybody.competitions, self._besides(interaction).competitions
        known = {view.document["name"] for view in everybody}
        return (*everybody, *(view for view in besides if view.document["name"] not in known))

    def _besides(self, interaction: Interaction) -> Known:
        """Looked up anew behind their back, for the next time they ask."""
        user, now = interaction.user.id, time.monotonic()
        at, known = self._seen.get(user, (-REFRESH_S, Known()))
        if now - at >= REFRESH_S:
            self._seen[user] = (now, known)
            task = asyncio.create_task(self._look(interaction), name=f"completion-{user}")
            self._looking.add(task)
            task.add_done_callback(self._looking.discard)
        while len(self._seen) > OWN_KEPT:
            self._seen.pop(next(iter(self._seen)))
        return known

    async def _look(self, interaction: Interaction) -> None:
        try:
            found = await self._known_to(await person(interaction))
            self._seen[interaction.user.id] = (time.monotonic(), found)
        except Exception as error:
            log.warning("completion is not refreshed", error=repr(error))

    def open_boards(self, seen: Sequence[LeaderboardView]) -> list[choosing.Choice]:
        """What takes submissions now."""
        return [
            choosing.Choice(cut(f"{board.name}: {board.title}", CHOICE), board.name)
            for board in seen
            if board.is_open and len(board.name) <= CHOICE
        ]

    def all_gpus(self, seen: Sequence[LeaderboardView]) -> list[choosing.Choice]:
        """On which open leaderboards are judged."""
        names = dict.fromkeys(gpu for board in seen if board.is_open for gpu in board.gpus)
        return [choosing.Choice(gpu, gpu) for gpu in names if len(gpu) <= CHOICE]

    def problems(self, seen: Sequence[LeaderboardView], typed: str) -> list[choosing.Choice]:
        posed = {board.problem: f"{board.problem}: {board.title}" for board in seen}
        return choosing.matching(
            [choosing.Choice(name, value) for value, name in posed.items()], typed
        )


def listed(seen: Sequence[LeaderboardView], typed: str) -> list[choosing.Choice]:
    """Leaderboards, the open ones first where nothing was typed."""
    ordered = sorted(seen, key=lambda board: not board.is_open)
    choices = [
        choosing.Choice(
            f"{board.name}: {board.title}" + ("" if board.is_open else say("choice.closed")),
            board.name,
            f"{board.problem} {board.competition}",
        )
        for board in ordered
    ]
    return choosing.matching(choices, typed)


def kinds(seen: Sequence[LeaderboardView], board_name: str | None) -> list[choosing.Choice]:
    """GPUs of one leaderboard once it is chosen, else of all."""
    name = (board_name or "").lower()
    boards = [board for board in seen if board.name.lower() == name] or seen
    names = dict.fromkeys(gpu for board in boards for gpu in board.gpus)
    return [choosing.Choice(gpu, gpu) for gpu in names]


def named(views: Sequence[CompetitionView], typed: str) -> list[choosing.Choice]:
    """Competitions by name and title."""
    documents = [view.document for view in views]
    choices = [
        choosing.Choice(f"{item['name']}: {item['title']}", item["name"]) for item in documents
    ]
    return choosing.matching(choices, typed)


def index_of(interaction: Interaction) -> Index:
    return cast(Index, cast(Any, interaction.client).index)


async def boards(interaction: Interaction, typed: str) -> list[Choice[str]]:
    return _choices(listed(index_of(interaction).seen_by(interaction), typed))


async def problems(interaction: Interaction, typed: str) -> list[Choice[str]]:
    index = index_of(interaction)
    return _choices(index.problems(index.seen_by(interaction), typed))


async def gpus(interaction: Interaction, typed: str) -> list[Choice[str]]:
    """One or several, with commas."""
    return _choices(choosing.matching_last(_kinds(interaction), typed))


async def gpu(interaction: Interaction, typed: str) -> list[Choice[str]]:
    return _choices(choosing.matching(_kinds(interaction), typed))


def _kinds(interaction: Interaction) -> list[choosing.Choice]:
    chosen = getattr(interaction.namespace, "leaderboard", None)
    return kinds(index_of(interaction).seen_by(interaction), chosen)


async def contests(interaction: Interaction, typed: str) -> list[Choice[str]]:
    """Competitions that this person knows."""
    return _choices(named(index_of(interaction).competitions_of(interaction), typed))


async def scored(interaction: Interaction, typed: str) -> list[Choice[str]]:
    """Those with standings across their problems."""
    views = index_of(interaction).competitions_of(interaction)
    return _choices(named([view for view in views if view.document.get("scoring")], typed))


async def phases(interaction: Interaction, typed: str) -> list[Choice[str]]:
    """Of the competition that is chosen."""
    chosen = (getattr(interaction.namespace, "competition", None) or "").lower()
    return _choices(
        choosing.matching(
            [
                choosing.Choice(phase["title"] or phase["name"], phase["name"])
                for view in index_of(interaction).competitions_of(interaction)
                if view.document["name"] == chosen
                for phase in view.document.get("phases", ())
            ],
            typed,
        )
    )


async def own(interaction: Interaction, typed: str) -> list[Choice[int]]:
    """Somebody's own latest submissions, asked for at most once in ``OWN_KEPT_S`` while they type."""
    found = await index_of(interaction).own(interaction, typed)
    return [Choice(name=item.name, value=int(item.value)) for item in found]


def _choices(found: list[choosing.Choice]) -> list[Choice[str]]:
    return [Choice(name=item.name, value=item.value) for item in found]
