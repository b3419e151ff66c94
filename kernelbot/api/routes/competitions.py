"""Competitions: their rules, who gets in, and the standings across their problems."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Response

from kernelbot.api import present, schemas
from kernelbot.api.access import (
    READABLE,
    SECURED,
    Ctx,
    Cursor,
    Id,
    Limit,
    Member,
    NameInPath,
    Printable,
    Visitor,
    json_response,
)
from kernelbot.api.errors import documented
from kernelbot.services import competition_standings, competitions, invitations

router = APIRouter(prefix="/v1", tags=["competitions"])


@router.get(
    "/competitions",
    response_model=schemas.CompetitionsOut,
    responses=documented(401),
    openapi_extra=READABLE,
)
async def all_competitions(ctx: Ctx, actor: Visitor) -> Response:
    """All competitions that you may see, with their rules."""
    found = await competitions.competitions(ctx, actor)
    return json_response(
        schemas.CompetitionsOut(items=[present.competition(view) for view in found])
    )


@router.get(
    "/competitions/{name}",
    response_model=schemas.CompetitionOut,
    responses=documented(401, 404),
    openapi_extra=READABLE,
)
async def one_competition(ctx: Ctx, actor: Visitor, name: NameInPath) -> Response:
    """One competition; its name is compared without case."""
    return json_response(present.competition(await competitions.competition(ctx, actor, name)))


@router.get(
    "/competitions/{name}/standings",
    response_model=schemas.CompetitionStandingsOut,
    responses=documented(401, 404),
    openapi_extra=READABLE,
)
async def standings_of_competition(
    ctx: Ctx,
    actor: Visitor,
    name: NameInPath,
    phase: Annotated[str | None, Query(min_length=1, max_length=100), Printable] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """Who is where across its problems, in a phase if it has any: by default the last that began."""
    page = await competition_standings.totals(ctx, actor, name, phase, cursor=cursor, limit=limit)
    return json_response(present.totals(page))


@router.post(
    "/competitions/{name}/join",
    response_model=schemas.CompetitionOut,
    responses=documented(401, 403, 404, 413),
    dependencies=SECURED,
)
async def join(ctx: Ctx, actor: Member, name: NameInPath, body: schemas.JoinIn) -> Response:
    """Come in with a code. A wrong code and a competition that does not exist are answered alike."""
    return json_response(present.competition(await invitations.join(ctx, actor, name, body.code)))


@router.post(
    "/admin/competitions/{name}/invites",
    status_code=201,
    response_model=schemas.NewInviteOut,
    responses=documented(401, 403, 404, 409, 413),
    dependencies=SECURED,
    tags=["admin"],
)
async def new_invite(ctx: Ctx, actor: Member, name: NameInPath, body: schemas.InviteIn) -> Response:
    """A code that lets people into a competition; it is shown this once."""
    ends = None if body.days is None else datetime.now(UTC) + timedelta(days=body.days)
    view = await invitations.create(ctx, actor, name, body.most, ends)
    return json_response(
        schemas.NewInviteOut(**present.invite(view).model_dump(), code=view.code or ""), 201
    )


@router.get(
    "/admin/competitions/{name}/invites",
    response_model=schemas.InvitesOut,
    responses=documented(401, 403, 404),
    dependencies=SECURED,
    tags=["admin"],
)
async def all_invites(ctx: Ctx, actor: Member, name: NameInPath) -> Response:
    """The codes of a competition, without the codes themselves."""
    found = await invitations.listed(ctx, actor, name)
    return json_response(schemas.InvitesOut(items=[present.invite(view) for view in found]))


@router.delete(
    "/admin/competitions/{name}/invites/{invite_id}",
    response_model=schemas.DoneOut,
    responses=documented(401, 403, 404),
    dependencies=SECURED,
    tags=["admin"],
)
async def revoke_invite(ctx: Ctx, actor: Member, name: NameInPath, invite_id: Id) -> Response:
    """Let nobody else in with this code; who came in stays."""
    await invitations.revoke(ctx, actor, name, invite_id)
    return json_response(schemas.DoneOut())
