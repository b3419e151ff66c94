"""Administration. Every route needs a token with the scope ``admin``; every act is in the audit log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from kernelbot.api import present, schemas
from kernelbot.api.access import (
    SECURED,
    Ctx,
    Cursor,
    Id,
    Limit,
    Member,
    NameInPath,
    Printable,
    json_response,
)
from kernelbot.api.errors import documented
from kernelbot.domain import lasting
from kernelbot.services import identity, intake, moderation, quarantine, rejudge
from kernelbot.services.views import Page

router = APIRouter(prefix="/v1/admin", tags=["admin"], dependencies=SECURED)

DECISION: dict[str, Any] = {
    "response_model": schemas.DoneOut,
    "responses": documented(401, 403, 404, 413),
}

Target = Annotated[
    str | None,
    Query(min_length=1, max_length=100, description="As the log names it: user:7, submission:12."),
    Printable,
]

Servers = Annotated[bool, Query(description="Also what people chose for their servers of Discord.")]


@router.post(
    "/users",
    status_code=201,
    response_model=schemas.NewTokenOut,
    responses=documented(401, 403, 409, 413),
)
async def new_user(ctx: Ctx, actor: Member, body: schemas.UserIn) -> Response:
    """A person (found by name, or made) and a new token for them."""
    view = await identity.create_user_token(
        ctx, actor, body.name, body.token_name, body.scopes, body.days
    )
    return json_response(present.new_token(view), 201)


@router.post(
    "/users/{name}/ban",
    response_model=schemas.DoneOut,
    responses=documented(401, 403, 404, 409, 413),
)
async def ban(ctx: Ctx, actor: Member, name: NameInPath, body: schemas.BanIn) -> Response:
    """Let this person submit nothing for a time; with `void` nothing of theirs counts any more."""
    until = lasting.FOR_EVER if body.days is None else datetime.now(UTC) + timedelta(days=body.days)
    await moderation.ban(ctx, actor, name, until, body.reason, void=body.void)
    return json_response(schemas.DoneOut())


@router.delete(
    "/users/{name}/ban",
    response_model=schemas.DoneOut,
    responses=documented(401, 403, 404, 409, 413),
)
async def unban(ctx: Ctx, actor: Member, name: NameInPath) -> Response:
    """Let this person submit again."""
    await moderation.unban(ctx, actor, name)
    return json_response(schemas.DoneOut())


@router.post("/submissions/{submission_id}/void", **DECISION)
async def void(ctx: Ctx, actor: Member, submission_id: Id, body: schemas.ReasonIn) -> Response:
    """Take a submission out of the standings."""
    await moderation.void(ctx, actor, submission_id, body.reason)
    return json_response(schemas.DoneOut())


@router.post("/submissions/{submission_id}/restore", **DECISION)
async def restore(ctx: Ctx, actor: Member, submission_id: Id, body: schemas.ReasonIn) -> Response:
    """Let a voided submission count again."""
    await moderation.restore(ctx, actor, submission_id, body.reason)
    return json_response(schemas.DoneOut())


@router.post(
    "/submissions/{submission_id}/first",
    response_model=schemas.DoneOut,
    responses=documented(401, 403, 404, 409, 413),
)
async def put_first(ctx: Ctx, actor: Member, submission_id: Id, body: schemas.ReasonIn) -> Response:
    """Have what waits of a submission start before everything else on its GPUs."""
    await moderation.put_first(ctx, actor, submission_id, body.reason)
    return json_response(schemas.DoneOut())


@router.get("/intake", response_model=schemas.IntakeOut, responses=documented(401, 403))
async def paused(ctx: Ctx, actor: Member) -> Response:
    """Which GPU kinds take no submissions, why, and since when."""
    items = [schemas.PausedOut(**vars(item)) for item in await intake.listed(ctx, actor)]
    return json_response(schemas.IntakeOut(items=items))


@router.post(
    "/intake/pause",
    response_model=schemas.DoneOut,
    responses=documented(401, 403, 413),
)
async def pause(ctx: Ctx, actor: Member, body: schemas.PauseIn) -> Response:
    """Take no submissions for a GPU kind, or for any; whoever submits is told the reason."""
    await intake.pause(ctx, actor, body.gpu, body.reason, hold=body.hold)
    return json_response(schemas.DoneOut())


@router.post(
    "/intake/resume",
    response_model=schemas.DoneOut,
    responses=documented(401, 403, 409, 413),
)
async def resume(ctx: Ctx, actor: Member, body: schemas.ResumeIn) -> Response:
    """Take submissions again, and begin what was held."""
    await intake.resume(ctx, actor, body.gpu)
    return json_response(schemas.DoneOut())


@router.get("/quarantine", response_model=schemas.QuarantineOut, responses=documented(401, 403))
async def quarantine_list(
    ctx: Ctx, actor: Member, cursor: Cursor = None, limit: Limit = 50
) -> Response:
    """Runs whose times contradict each other, the oldest first, with the evidence and the hints."""
    page = await quarantine.waiting(ctx, actor, cursor=cursor, limit=limit)
    return json_response(present.quarantine(page))


@router.post(
    "/runs/{run_id}/release",
    response_model=schemas.DoneOut,
    responses=documented(401, 403, 404, 409, 413),
)
async def release(ctx: Ctx, actor: Member, run_id: Id, body: schemas.ReasonIn) -> Response:
    """Let a quarantined run pass: it counts as if it always had."""
    await quarantine.release(ctx, actor, run_id, body.reason)
    return json_response(schemas.DoneOut())


@router.post("/runs/{run_id}/refuse", **DECISION)
async def refuse(ctx: Ctx, actor: Member, run_id: Id, body: schemas.ReasonIn) -> Response:
    """End a quarantined run as disqualified; its owner reads the reason."""
    await quarantine.refuse(ctx, actor, run_id, body.reason)
    return json_response(schemas.DoneOut())


@router.post(
    "/rejudge",
    response_model=schemas.RejudgesOut,
    responses=documented(401, 403, 404, 413),
)
async def rejudge_entries(ctx: Ctx, actor: Member, body: schemas.RejudgeIn) -> Response:
    """Run ranked entries once more as they were sent; what is under way is not queued twice."""
    found = await rejudge.ask(
        ctx,
        actor,
        submission_ids=body.submissions,
        leaderboard=body.leaderboard,
        gpu=body.gpu,
        top=body.top,
        dry_run=body.dry_run,
    )
    return json_response(present.rejudges(Page(items=found)))


@router.get("/rejudge", response_model=schemas.RejudgesOut, responses=documented(401, 403))
async def rejudge_list(
    ctx: Ctx,
    actor: Member,
    leaderboard: Annotated[str | None, Query(min_length=1, max_length=100), Printable] = None,
    submission: Annotated[int | None, Query(ge=1, le=schemas.LARGEST_ID)] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """What was judged again and what came of it, the newest first."""
    page = await rejudge.results(
        ctx, actor, leaderboard=leaderboard, submission_id=submission, cursor=cursor, limit=limit
    )
    return json_response(present.rejudges(page))


@router.get(
    "/submissions/{submission_id}/hints",
    response_model=schemas.HintsOut,
    responses=documented(401, 403, 404),
)
async def hints(ctx: Ctx, actor: Member, submission_id: Id) -> Response:
    """Lines of a submission that a reviewer may want to look at; they decide nothing."""
    found = await moderation.hints(ctx, actor, submission_id)
    return json_response(present.hints(found))


@router.get("/audit", response_model=schemas.AuditOut, responses=documented(401, 403))
async def audit(
    ctx: Ctx,
    actor: Member,
    target: Target = None,
    servers: Servers = False,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """Who did what, the newest first: to everything, or to one target."""
    page = await moderation.audit(
        ctx, actor, target=target, servers=servers, cursor=cursor, limit=limit
    )
    return json_response(schemas.AuditOut(items=list(page.items), cursor=page.cursor))
