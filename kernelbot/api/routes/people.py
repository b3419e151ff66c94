"""Me: who I am here, my tokens, what I may still send."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from kernelbot.api import present, schemas
from kernelbot.api.access import SECURED, Ctx, Id, Member, Printable, json_response
from kernelbot.api.errors import documented
from kernelbot.services import identity, submit

router = APIRouter(prefix="/v1/me", tags=["me"], dependencies=SECURED)


@router.get("", response_model=schemas.MeOut, responses=documented(401))
async def me(ctx: Ctx, actor: Member) -> Response:
    """Who this token belongs to, and what it may do."""
    view = await identity.me(ctx, actor)
    return json_response(schemas.MeOut(**vars(view)))


@router.get("/tokens", response_model=schemas.TokensOut, responses=documented(401, 403))
async def my_tokens(ctx: Ctx, actor: Member) -> Response:
    """Your tokens, without their secrets."""
    views = await identity.tokens(ctx, actor)
    return json_response(schemas.TokensOut(items=[present.token(view) for view in views]))


@router.post(
    "/tokens",
    status_code=201,
    response_model=schemas.NewTokenOut,
    responses=documented(401, 403, 409, 413),
)
async def new_token(ctx: Ctx, actor: Member, body: schemas.TokenIn) -> Response:
    """A new token. Its secret is in this answer and nowhere else."""
    view = await identity.create_token(ctx, actor, body.name, body.scopes, body.days)
    return json_response(present.new_token(view), 201)


@router.post(
    "/tokens/{token_id}/renew",
    response_model=schemas.TokenOut,
    responses=documented(401, 403, 404, 409, 413),
)
async def renew_token(ctx: Ctx, actor: Member, token_id: Id, body: schemas.RenewIn) -> Response:
    """Its end is so many days from now; the secret stays. One that has expired cannot be renewed."""
    view = await identity.renew_token(ctx, actor, token_id, body.days)
    return json_response(present.token(view))


@router.delete(
    "/tokens/{token_id}",
    response_model=schemas.DoneOut,
    responses=documented(401, 403, 404, 409),
)
async def revoke_token(ctx: Ctx, actor: Member, token_id: Id) -> Response:
    """From now on this token signs nobody in."""
    await identity.revoke_token(ctx, actor, token_id)
    return json_response(schemas.DoneOut())


@router.get("/allowance", response_model=schemas.AllowancesOut, responses=documented(401, 403, 404))
async def my_allowance(
    ctx: Ctx,
    actor: Member,
    leaderboard: Annotated[str | None, Query(min_length=1, max_length=100), Printable] = None,
) -> Response:
    """What is left of your hourly allowance and of your GPU-seconds, on one leaderboard or on each."""
    views = await submit.allowance(ctx, actor, leaderboard)
    return json_response(schemas.AllowancesOut(items=[present.allowance(view) for view in views]))
