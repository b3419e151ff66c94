"""From services' views to what the API says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from kernelbot import report
from kernelbot.api import schemas
from kernelbot.domain.budget import Balance
from kernelbot.domain.competition_scoring import Part, Total
from kernelbot.domain.ranking import Standing
from kernelbot.domain.scoring import Score
from kernelbot.domain.submission import Decision
from kernelbot.domain.waiting import Wait
from kernelbot.judge.protocol import CaseResult, Hint, Verdict, to_json
from kernelbot.services.views import (
    AllowanceView,
    ArtefactView,
    CompetitionView,
    EventStandings,
    EventView,
    InviteView,
    Page,
    PauseView,
    ProblemView,
    QueueView,
    RunHints,
    RunView,
    StandingsPage,
    SubmissionView,
    TokenView,
    TotalsPage,
)


def submission(view: SubmissionView, now: datetime | None = None) -> schemas.SubmissionOut:
    at = now or datetime.now(UTC)
    url = f"/v1/submissions/{view.id}"
    return schemas.SubmissionOut.model_construct(
        id=view.id,
        leaderboard=view.leaderboard,
        problem=view.problem,
        title=view.title,
        competition=view.competition,
        user_id=view.user_id,
        user_name=view.user_name,
        mode=view.mode,
        file_name=view.file_name,
        language=view.language,
        channel=view.channel,
        status=view.status,
        done=view.done,
        repeated=view.repeated,
        note=view.note,
        repeats=view.repeats,
        created_at=view.created_at,
        finished_at=view.finished_at,
        url=url,
        events_url=f"{url}/events",
        runs=[run(item, at) for item in view.runs],
    )


def artefacts(submission_id: int, found: Sequence[ArtefactView]) -> schemas.ArtefactsOut:
    base = f"/v1/submissions/{submission_id}/artefacts"
    items = [
        schemas.ArtefactOut(
            run_id=item.run_id,
            gpu=item.gpu,
            name=item.name,
            bytes=item.bytes,
            media_type=item.media_type,
            sha256=item.sha256,
            created_at=item.created_at,
            url=f"{base}/{item.name}",
        )
        for item in found
        if item.expired_at is None
    ]
    return schemas.ArtefactsOut(items=items, expired=expired(found))


def expired(found: Sequence[ArtefactView]) -> list[schemas.ExpiredOut]:
    return [
        schemas.ExpiredOut(name=item.name, at=item.expired_at)
        for item in found
        if item.expired_at is not None
    ]


def submissions(page: Page) -> schemas.SubmissionsOut:
    now = datetime.now(UTC)
    return schemas.SubmissionsOut.model_construct(
        items=[submission(view, now) for view in page.items], cursor=page.cursor
    )


def balance(item: Balance) -> schemas.BalanceOut:
    return schemas.BalanceOut(**vars(item), left_s=item.left_s)


def allowance(view: AllowanceView) -> schemas.AllowanceOut:
    balances = [balance(item) for item in view.gpu_seconds]
    return schemas.AllowanceOut(**{**vars(view), "gpu_seconds": balances})


def run(view: RunView, now: datetime) -> schemas.RunOut:
    return schemas.RunOut.model_construct(
        id=view.id,
        gpu=view.gpu,
        mode=view.mode,
        status=view.status,
        stage=view.stage,
        progress=view.progress,
        verdict=view.kind,
        headline=report.headline(view),
        message=view.message,
        ranking=view.ranking,
        decision=None if view.decision is None else decision(view.decision),
        seconds=view.seconds,
        error=view.error,
        light=view.light,
        attempt=view.attempt,
        wait=None if view.wait is None else wait(view.wait, now),
        created_at=view.created_at,
        started_at=view.started_at,
        finished_at=view.finished_at,
        artefacts=list(view.files),
        artefacts_expired=expired(view.artefacts),
        **_judged(view.verdict, view.bounds),
    )


def decision(made: Decision) -> schemas.DecisionOut:
    return schemas.DecisionOut.model_construct(**vars(made))


def _judged(verdict: Verdict | None, bounds: Sequence[float | None]) -> dict[str, Any]:
    # ``fault`` stays out: it is for the operator.
    if verdict is None:
        nothing = dict.fromkeys(("judged_stage", "device", "harness", "spent"))
        return {**nothing, "cases": [], "log": "", "rule": "", "evidence": ""}
    return {
        "judged_stage": verdict.stage,
        "cases": [case(item, bounds) for item in verdict.cases],
        "log": verdict.log,
        "rule": verdict.rule,
        "evidence": verdict.evidence,
        "device": schemas.DeviceOut.model_construct(**vars(verdict.device)),
        "harness": schemas.HarnessOut.model_construct(
            **{**vars(verdict.harness), "fences": list(verdict.harness.fences)}
        ),
        "spent": schemas.SpentOut.model_construct(**vars(verdict.spent)),
    }


def case(result: CaseResult, bounds: Sequence[float | None] = ()) -> schemas.CaseOut:
    measured = result.measurement
    return schemas.CaseOut.model_construct(
        stage=result.stage,
        index=result.index,
        spec=result.spec,
        ok=result.ok,
        message=result.message,
        measurement=None
        if measured is None
        else schemas.MeasurementOut.model_construct(
            **{**vars(measured), "warnings": list(measured.warnings)}
        ),
        light=report.case_light(result, bounds),
    )


def hints(found: Sequence[RunHints]) -> schemas.HintsOut:
    return schemas.HintsOut.model_construct(
        items=[
            schemas.RunHintsOut.model_construct(
                **{**vars(item), "hints": [_hint(hint) for hint in item.hints]}
            )
            for item in found
        ]
    )


def _hint(hint: Hint) -> schemas.HintOut:
    return schemas.HintOut.model_construct(**vars(hint))


def quarantine(page: Page) -> schemas.QuarantineOut:
    items = [
        schemas.SetAsideOut.model_construct(
            **{
                **vars(item),
                "hints": [_hint(hint) for hint in item.hints],
                "cases": [case(found) for found in item.cases],
            }
        )
        for item in page.items
    ]
    return schemas.QuarantineOut.model_construct(items=items, cursor=page.cursor)


def rejudges(page: Page) -> schemas.RejudgesOut:
    items = [
        schemas.RejudgeOut.model_construct(
            **{
                **vars(item),
                "counted": _score(item.counted),
                "score": _score(item.score),
                "earlier_devices": list(item.earlier_devices),
            }
        )
        for item in page.items
    ]
    return schemas.RejudgesOut.model_construct(items=items, cursor=page.cursor)


def _score(found: Score | None) -> schemas.ScoreOut | None:
    return None if found is None else schemas.ScoreOut.model_construct(**vars(found))


def queue(view: QueueView) -> schemas.QueueOut:
    paused = None if view.paused is None else pause(view.paused)
    return schemas.QueueOut(**{**vars(view), "paused": paused})


def pause(view: PauseView) -> schemas.PauseOut:
    """Without who paused: that is for organizers."""
    return schemas.PauseOut(gpu=view.gpu, reason=view.reason, holds=view.holds, since=view.since)


def wait(value: Wait, now: datetime) -> schemas.WaitOut:
    def at(seconds: float | None) -> datetime | None:
        return None if seconds is None else now + timedelta(seconds=round(seconds, 1))

    return schemas.WaitOut.model_construct(
        **vars(value),
        starts_after=at(value.start_low_s),
        starts_before=at(value.start_high_s),
        ends_after=at(value.finish_low_s),
        ends_before=at(value.finish_high_s),
        text=report.wait_text(value),
    )


def event(view: EventView) -> schemas.EventOut:
    return schemas.EventOut(
        kind=view.kind, run_id=view.run_id, gpu=view.gpu, at=view.at, data=view.data
    )


def standings(page: StandingsPage) -> dict[str, Any]:
    """Plain values: this is the page read most, and models would double what it costs."""
    return {
        "leaderboard": page.leaderboard,
        "gpu": page.gpu,
        "revision": page.revision,
        "total": page.total,
        "items": [standing(item) for item in page.items],
        "mine": None if page.mine is None else standing(page.mine),
        "cursor": page.cursor,
        "self_evaluated": page.self_evaluated,
        "light_seconds": page.light_seconds,
        "frozen_until": page.frozen_until.isoformat() if page.frozen_until else None,
        "seen_through": page.seen_through,
    }


def standing(item: Standing) -> dict[str, Any]:
    entry = item.entry
    return {
        "rank": item.rank,
        "position": item.position,
        "tied": item.tied,
        "user_id": entry.user_id,
        "user_name": entry.user_name,
        "submission_id": entry.submission_id,
        "seconds": entry.seconds,
        "error": entry.error,
        "runs": entry.runs,
        "submitted_at": entry.submitted_at.isoformat(),
        "earlier_version": item.earlier is not None,
        "unconfirmed": entry.unconfirmed,
        "device_timed": entry.device_timed,
    }


def competition(view: CompetitionView) -> schemas.CompetitionOut:
    return schemas.CompetitionOut(
        name=view.document["name"],
        title=view.document["title"],
        joined=view.joined,
        source=view.source,
        pinned=view.pinned,
        definition=view.document,
    )


def invite(view: InviteView) -> schemas.InviteOut:
    names = schemas.InviteOut.model_fields
    return schemas.InviteOut(**{name: getattr(view, name) for name in names})


def totals(page: TotalsPage) -> schemas.CompetitionStandingsOut:
    counted = [event for event in page.events if event.counts]
    return schemas.CompetitionStandingsOut(
        competition=page.competition,
        phase=page.phase,
        scoring=to_json(page.scoring),
        events=[schemas.EventStandingsOut(**vars(event)) for event in page.events],
        total=page.total,
        items=[_total(item, counted) for item in page.items],
        mine=None if page.mine is None else _total(page.mine, counted),
        cursor=page.cursor,
        frozen_until=page.frozen_until,
        seen_through=page.seen_through,
    )


def _total(item: Total, events: Sequence[EventStandings]) -> schemas.TotalOut:
    parts = [_part(event, part) for event, part in zip(events, item.parts, strict=True)]
    return schemas.TotalOut(**{**vars(item), "parts": parts})


def _part(event: EventStandings, part: Part) -> schemas.PartOut:
    standing = part.standing
    return schemas.PartOut(
        leaderboard=event.leaderboard,
        gpu=event.gpu,
        share=part.share,
        rank=standing.rank if standing else None,
        seconds=standing.entry.seconds if standing else None,
        submission_id=standing.entry.submission_id if standing else None,
        earlier_version=standing is not None and standing.earlier is not None,
    )


def bests(page: Page) -> schemas.BestsOut:
    return schemas.BestsOut(
        items=[schemas.BestOut(**vars(view)) for view in page.items], cursor=page.cursor
    )


def problem(view: ProblemView) -> schemas.ProblemOut:
    return schemas.ProblemOut(**asdict(view))


def problem_summary(view: ProblemView) -> schemas.ProblemSummaryOut:
    names = schemas.ProblemSummaryOut.model_fields
    return schemas.ProblemSummaryOut(**{name: getattr(view, name) for name in names})


def token(view: TokenView) -> schemas.TokenOut:
    names = schemas.TokenOut.model_fields
    return schemas.TokenOut(**{name: getattr(view, name) for name in names})


def new_token(view: TokenView) -> schemas.NewTokenOut:
    names = schemas.NewTokenOut.model_fields
    return schemas.NewTokenOut(**{name: getattr(view, name) for name in names})
