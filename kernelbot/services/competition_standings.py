"""Standings across the problems of a competition, from the boards as the reader sees them."""

from __future__ import annotations

import bisect
from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime

from kernelbot.domain import competition_scoring
from kernelbot.domain.competition import Competition, LeaderboardSpec
from kernelbot.domain.competition_scoring import CompetitionScoring, Event, Rule, Total
from kernelbot.domain.people import Actor
from kernelbot.errors import InvalidInput, NotFound, did_you_mean
from kernelbot.services import competitions, standings
from kernelbot.services.context import Context
from kernelbot.services.paging import bounded, number
from kernelbot.services.standings import Board
from kernelbot.services.views import EventStandings, TotalsPage

TOTALS_KEPT = 100
"""Competitions whose totals a process keeps in memory; the least recently read goes first."""

Key = tuple[str, str]
_Kept = tuple[CompetitionScoring, Sequence[Event], tuple[Total, ...]]


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
    competition = Competition.from_document(view.document)
    if competition.scoring is None:
        raise NotFound(
            f"{competition.name} has no standings across its problems; look at their leaderboards: "
            f"{', '.join(board.name for board in competition.leaderboards)}.",
            code="no_standings",
        )
    chosen = _phase(competition, phase, datetime.now(UTC))
    specs = [board for board in competition.leaderboards if board.phase == chosen]
    boards = [
        (spec, await standings.board(ctx, actor, spec.name, gpu))
        for spec in specs
        for gpu in spec.gpus
    ]
    events = [_event(competition, spec, board) for spec, board in boards]
    placed = _placed(ctx, (competition.name, chosen), competition.scoring, events)
    after, limit = number(cursor, 0), bounded(limit)
    start = bisect.bisect_right(placed, after, key=lambda item: item.position)
    items = placed[start : start + limit]
    reader = actor.user_id if actor else None
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
            (board.frozen_until for _, board in boards if board.frozen_until), default=None
        ),
        seen_through=any(board.seen_through for _, board in boards),
    )


def _placed(
    ctx: Context, key: Key, scoring: CompetitionScoring, events: Sequence[Event]
) -> tuple[Total, ...]:
    """The totals, from memory while nothing they are made of has changed: of thousands of people they
    take tenths of a second. In a freeze what each sees is their own, and the last is kept."""
    cache: OrderedDict[Key, _Kept] = ctx.cache.setdefault("totals", OrderedDict())
    known = cache.get(key)
    # Unchanged boards hand out the very same standings, so comparing them is quick.
    if known is None or known[:2] != (scoring, events):
        cache[key] = (scoring, events, tuple(competition_scoring.totals(events, scoring)))
        while len(cache) > TOTALS_KEPT:
            cache.popitem(last=False)
    cache.move_to_end(key)
    return cache[key][2]


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
