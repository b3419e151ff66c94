"""Standings across the problems of a competition, from the boards as the reader sees them."""

from __future__ import annotations

import asyncio
import bisect
from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from kernelbot.domain import competition_scoring
from kernelbot.domain.competition import Competition, LeaderboardSpec
from kernelbot.domain.competition_scoring import CompetitionScoring, Event, Rule, Tally, Total
from kernelbot.domain.people import Actor
from kernelbot.errors import InvalidInput, NotFound, Unavailable, did_you_mean
from kernelbot.services import access, competitions, standings
from kernelbot.services.context import Context
from kernelbot.services.paging import bounded, number
from kernelbot.services.standings import Board
from kernelbot.services.views import EventStandings, TotalsPage

TOTALS_KEPT = 100
"""Competitions whose totals a process keeps in memory; the least recently read goes first."""

Key = tuple[str, str, bool]  # competition, phase, whether seen through a freeze
_Kept = tuple[CompetitionScoring, Sequence[Event], Sequence[Total], Tally]


async def totals(
    ctx: Context,
    actor: Actor | None,
    name: str,
    phase: str | None = None,
    *,
    cursor: str | None = None,
    limit: int = 50,
) -> TotalsPage:
    """A page of them; of a competition with phases, those of one (by default the last that has begun).

    Raises NotFound where the organizer has not said how problems are weighed against each other.
    """
    view = await competitions.competition(ctx, actor, name)
    competition = _read(view.document)
    if competition.scoring is None:
        raise NotFound(
            f"{competition.name} has no standings across its problems; look at their leaderboards: "
            f"{', '.join(board.name for board in competition.leaderboards)}.",
            code="no_standings",
        )
    chosen = _phase(competition, phase, datetime.now(UTC))
    specs = [board for board in competition.leaderboards if board.phase == chosen]
    found = await standings.boards(ctx, actor, [spec.name for spec in specs])
    # One that is not among them was hidden just now.
    boards = [
        (spec, *found[spec.name.lower(), gpu])
        for spec in specs
        for gpu in spec.gpus
        if (spec.name.lower(), gpu) in found
    ]
    events = [_event(competition, spec, common) for spec, common, _ in boards]
    reader = actor.user_id if actor else None
    through = access.organizes(actor)
    key = (competition.name, chosen, through)
    placed = await _placed(ctx, key, competition.scoring, events)
    if reader is not None and any(own is not common for _, common, own in boards):
        own_events = [_event(competition, spec, own) for spec, _, own in boards]
        placed = await asyncio.to_thread(
            competition_scoring.with_own, placed, own_events, reader, competition.scoring
        )
    after, limit = number(cursor, 0), bounded(limit)
    start = bisect.bisect_right(placed, after, key=lambda item: item.position)
    items = tuple(placed[start : start + limit])
    return TotalsPage(
        competition=competition.name,
        phase=chosen,
        scoring=competition.scoring,
        events=tuple(
            EventStandings(
                leaderboard=event.leaderboard,
                gpu=event.gpu,
                worth=event.worth,
                counts=event.counts(competition.scoring),
            )
            for event in events
        ),
        total=len(placed),
        items=items,
        mine=next((item for item in placed if item.user_id == reader), None),
        cursor=str(items[-1].position) if start + limit < len(placed) else None,
        frozen_until=max(
            (board.frozen_until for _, board, _ in boards if board.frozen_until), default=None
        ),
        seen_through=any(board.seen_through for _, board, _ in boards),
    )


def _read(document: Mapping[str, Any]) -> Competition:
    try:
        return Competition.from_document(document)
    except (KeyError, TypeError, ValueError) as error:
        raise Unavailable(
            "This competition was stored by another version of the program, which is being changed "
            "just now; its leaderboards are shown meanwhile."
        ) from error


async def _placed(
    ctx: Context, key: Key, scoring: CompetitionScoring, events: Sequence[Event]
) -> Sequence[Total]:
    """The totals, from memory while nothing they are made of has changed, and only what has is made again.
    All of thousands of people take a second, in which one thread makes them and everybody else is served."""
    cache: OrderedDict[Key, _Kept] = ctx.cache.setdefault("totals", OrderedDict())
    async with ctx.cache.setdefault("totalling", defaultdict(asyncio.Lock))[key]:
        known = cache.get(key)
        # Unchanged boards hand out the very same standings, so comparing them is quick.
        if known is None or known[:2] != (scoring, events):
            tally = known[3] if known is not None and known[0] == scoring else Tally(scoring)
            cache.pop(key, None)  # whoever is interrupted leaves no half of it behind
            placed = await asyncio.to_thread(tally.totals, events)
            known = cache[key] = (scoring, events, placed, tally)
            while len(cache) > TOTALS_KEPT:
                cache.popitem(last=False)
        cache.move_to_end(key)
    return known[2]


def _phase(competition: Competition, phase: str | None, now: datetime) -> str:
    names = [item.name for item in competition.phases]
    if phase is None:
        begun = [
            board.phase
            for board in competition.leaderboards
            if board.opens is None or board.opens <= now
        ]
        return begun[-1] if begun else names[0] if names else ""
    if phase.lower() not in names:
        there_is = f"It has: {', '.join(names)}." if names else "It has none."
        raise InvalidInput(
            f"{competition.name} has no phase {phase[:80]!r}. {there_is}{did_you_mean(phase, names)}",
            code="unknown_phase",
            detail={"choices": names},
        )
    return phase.lower()


def _event(competition: Competition, spec: LeaderboardSpec, board: Board) -> Event:
    assert competition.scoring is not None
    summed = competition.scoring.rule is Rule.POINTS
    return Event(
        leaderboard=board.leaderboard,
        gpu=board.gpu,
        standings=board.standings,
        worth=spec.points if summed else spec.weight,
        light=board.light_seconds,
        baseline=spec.baseline.get(board.gpu),
    )
