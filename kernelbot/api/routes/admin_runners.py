"""Which machines may judge. Every route needs a token with the scope ``admin``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from kernelbot.api import runner_schemas, schemas
from kernelbot.api.access import SECURED, Ctx, Member, NameInPath, json_response
from kernelbot.api.errors import documented
from kernelbot.services import runners

router = APIRouter(prefix="/v1/admin/runners", tags=["admin"], dependencies=SECURED)


@router.post(
    "",
    status_code=201,
    response_model=runner_schemas.NewRunnerOut,
    responses=documented(401, 403, 409, 413),
)
async def new_runner(ctx: Ctx, actor: Member, body: runner_schemas.RunnerIn) -> Response:
    """Let a machine in for some GPU kinds; its token is in this answer and nowhere else."""
    view = await runners.create(ctx, actor, body.name, body.targets, trusted=body.trusted)
    return json_response(runner_schemas.NewRunnerOut.model_validate(vars(view)), 201)


@router.get("", response_model=runner_schemas.RunnersOut, responses=documented(401, 403))
async def runner_list(
    ctx: Ctx,
    actor: Member,
    revoked: Annotated[bool, Query(description="Those too that were shut out.")] = False,
) -> Response:
    """The machines that were let in: what they proved, what they do, when they were heard of."""
    found = await runners.listed(ctx, actor, revoked=revoked)
    items = [runner_schemas.RunnerOut.model_validate(vars(view)) for view in found]
    return json_response(runner_schemas.RunnersOut(items=items))


@router.delete("/{name}", response_model=schemas.DoneOut, responses=documented(401, 403, 404, 409))
async def revoke_runner(ctx: Ctx, actor: Member, name: NameInPath) -> Response:
    """Its token opens nothing any more; what it was judging goes to others."""
    await runners.revoke(ctx, actor, name)
    return json_response(schemas.DoneOut())


@router.post(
    "/{name}/drain",
    response_model=schemas.DoneOut,
    responses=documented(401, 403, 404, 409, 413),
)
async def drain_runner(
    ctx: Ctx, actor: Member, name: NameInPath, body: runner_schemas.DrainIn
) -> Response:
    """Let it end what it has and take nothing more, or take work again."""
    await runners.drain(ctx, actor, name, drained=body.drained)
    return json_response(schemas.DoneOut())


@router.post(
    "/{name}/trust",
    response_model=schemas.DoneOut,
    responses=documented(401, 403, 404, 409, 413),
)
async def trust_runner(
    ctx: Ctx, actor: Member, name: NameInPath, body: runner_schemas.TrustIn
) -> Response:
    """Vouch for a machine, or no more: podium places that it measures need no other machine's word then."""
    await runners.trust(ctx, actor, name, trusted=body.trusted)
    return json_response(schemas.DoneOut())
