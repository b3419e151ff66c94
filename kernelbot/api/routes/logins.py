"""Signing in a command line by a code that its owner types in Discord."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from kernelbot.api import present, schemas
from kernelbot.api.access import CLI_AGENT, Ctx, json_response
from kernelbot.api.errors import documented
from kernelbot.services import logins

router = APIRouter(prefix="/v1/logins", tags=["me"])


@router.post("", status_code=201, response_model=schemas.LoginOut, responses=documented(409, 413))
async def begin(ctx: Ctx, body: schemas.LoginIn) -> Response:
    """A secret to ask with, and a code: its owner types `/link` with it in Discord."""
    found = await logins.begin(ctx, body.client)
    return json_response(schemas.LoginOut(**vars(found)), 201)


@router.post(
    "/token",
    status_code=201,
    response_model=schemas.NewTokenOut,
    responses=documented(404, 409, 413),
)
async def collect(ctx: Ctx, request: Request, body: schemas.CollectIn) -> Response:
    """The token, once the code was typed; 409 `authorization_pending` until then."""
    agent = request.headers.get("user-agent", "")
    channel = "cli" if agent.startswith(CLI_AGENT) else "api"
    view = await logins.collect(ctx, body.secret, channel)
    return json_response(present.new_token(view), 201)
