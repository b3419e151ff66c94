"""Leaderboards, their standings and how they came about. Reading needs no token."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response

from kernelbot.api import present, schemas
from kernelbot.api.access import (
    READABLE,
    SECURED,
    Ctx,
    Cursor,
    Gpu,
    Limit,
    Member,
    NameInPath,
    Printable,
    Visitor,
    json_response,
)
from kernelbot.api.coalesce import Coalesced
from kernelbot.api.errors import documented
from kernelbot.services import standings

router = APIRouter(prefix="/v1", tags=["leaderboards"])


@dataclass(frozen=True)
class Rendered:
    """A page as bytes with the tag of exactly these bytes."""

    body: bytes
    etag: str


@router.get(
    "/leaderboards",
    response_model=schemas.LeaderboardsOut,
    responses=documented(401),
    openapi_extra=READABLE,
)
async def all_leaderboards(ctx: Ctx, actor: Visitor) -> Response:
    """All leaderboards that you may see."""
    views = await standings.leaderboards(ctx, actor)
    return json_response(
        schemas.LeaderboardsOut(items=[schemas.LeaderboardOut(**vars(view)) for view in views])
    )


@router.get(
    "/leaderboards/{name}",
    response_model=schemas.LeaderboardOut,
    responses=documented(401, 404),
    openapi_extra=READABLE,
)
async def one_leaderboard(ctx: Ctx, actor: Visitor, name: NameInPath) -> Response:
    """One leaderboard; its name is compared without case."""
    view = await standings.leaderboard(ctx, actor, name)
    return json_response(schemas.LeaderboardOut(**vars(view)))


@router.get(
    "/leaderboards/{name}/standings",
    response_model=schemas.StandingsOut,
    responses={304: {"description": "Unchanged since If-None-Match."}, **documented(401, 404)},
    openapi_extra=READABLE,
)
async def leaderboard_standings(
    request: Request,
    ctx: Ctx,
    actor: Visitor,
    name: NameInPath,
    gpu: Gpu = None,
    cursor: Cursor = None,
    limit: Limit = 50,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """Who is where on one GPU kind. `mine` is your own place, wherever it is."""

    async def load() -> Rendered:
        page = await standings.standings(ctx, actor, name, gpu, cursor=cursor, limit=limit)
        body = json.dumps(present.standings(page), ensure_ascii=False, separators=(",", ":"))
        return _rendered(body.encode(), page.revision)

    pages: Coalesced[Rendered] = request.app.state.standings
    key = (actor.user_id if actor else None, name.lower(), gpu, cursor, limit)
    page = await pages.get(key, load)
    headers = {
        "etag": page.etag,
        "vary": "Authorization",
        "cache-control": "private, no-cache" if actor else "public, no-cache",
    }
    if if_none_match is not None and _matches(if_none_match, page.etag):
        return Response(status_code=304, headers=headers)
    return Response(page.body, headers=headers, media_type="application/json")


def _rendered(body: bytes, revision: int) -> Rendered:
    # The revision alone would miss a person's new name and differ between readers' own places.
    digest = hashlib.blake2b(body, digest_size=8).hexdigest()
    return Rendered(body, f'"{revision}-{digest}"')


def _matches(header: str, etag: str) -> bool:
    tags = (tag.strip().removeprefix("W/") for tag in header.split(","))
    return any(tag in ("*", etag) for tag in tags)


@router.get(
    "/leaderboards/{name}/history",
    response_model=schemas.BestsOut,
    responses=documented(401, 404),
    openapi_extra=READABLE,
)
async def leaderboard_history(
    ctx: Ctx,
    actor: Visitor,
    name: NameInPath,
    gpu: Gpu = None,
    user: Annotated[str | None, Query(min_length=1, max_length=100), Printable] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """Personal bests in the order they were set: everybody's, or one person's."""
    page = await standings.history(
        ctx, actor, name, gpu, user_name=user, cursor=cursor, limit=limit
    )
    return json_response(present.bests(page))


@router.get(
    "/leaderboards/{name}/personal",
    response_model=schemas.BestsOut,
    responses=documented(401, 403, 404),
    dependencies=SECURED,
)
async def personal_bests(ctx: Ctx, actor: Member, name: NameInPath, gpu: Gpu = None) -> Response:
    """Your own personal bests."""
    return json_response(present.bests(await standings.personal(ctx, actor, name, gpu)))


@router.get("/queues", response_model=schemas.QueuesOut, responses=documented())
async def all_queues(ctx: Ctx) -> Response:
    """How many runs wait and run for each GPU kind, and how many run at once."""
    views = await standings.queues(ctx)
    return json_response(
        schemas.QueuesOut(items=[schemas.QueueOut(**vars(view)) for view in views])
    )
