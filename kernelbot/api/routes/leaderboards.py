"""Leaderboards, their standings and how they came about. Reading needs no token."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

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
    context,
    json_response,
    visitor,
)
from kernelbot.api.errors import documented
from kernelbot.api.pages import Pages
from kernelbot.services import access, standings
from kernelbot.services.views import StandingsPage

router = APIRouter(prefix="/v1", tags=["leaderboards"])


class StandingsQuery(BaseModel):
    """The parameters of the page that is read most; checked by hand, at a third of the cost."""

    name: NameInPath
    gpu: Gpu = None
    cursor: Cursor = None
    limit: Limit = 50


def _parameters() -> list[dict[str, Any]]:
    schema = StandingsQuery.model_json_schema()
    header = {"name": "If-None-Match", "in": "header", "schema": {"type": "string"}}
    described = [
        {
            "name": name,
            "in": _place(name),
            "required": name in schema["required"],
            "schema": about,
        }
        for name, about in schema["properties"].items()
    ]
    return [*described, header]


def _place(parameter: str) -> str:
    return "path" if parameter == "name" else "query"


@router.get(
    "/leaderboards/{name}/standings",
    response_model=schemas.StandingsOut,
    responses={304: {"description": "Unchanged since If-None-Match."}, **documented(401, 404)},
    openapi_extra=READABLE | {"parameters": _parameters()},
)
async def leaderboard_standings(request: Request) -> Response:
    """Who is where on one GPU kind; it may be left out where there is only one.

    `mine` is your own place, wherever it is.
    """
    ctx, actor, query = await context(request), await visitor(request), _query(request)

    def load() -> Awaitable[StandingsPage]:
        return standings.standings(
            ctx, actor, query.name, query.gpu, cursor=query.cursor, limit=query.limit
        )

    pages: Pages = request.app.state.pages
    gpu = query.gpu.lower() if query.gpu else query.gpu
    # Two tokens of one person may show different things.
    reader = (actor.user_id, access.organizes(actor)) if actor else None
    page = await pages.get((reader, query.name.lower(), gpu, query.cursor, query.limit), load)
    headers = {
        "etag": page.etag,
        "vary": "Authorization",
        "cache-control": "private, no-cache" if actor else "public, no-cache",
    }
    if _matches(request.headers.get("if-none-match", ""), page.etag):
        return Response(status_code=304, headers=headers)
    return Response(page.body, headers=headers, media_type="application/json")


def _query(request: Request) -> StandingsQuery:
    try:
        return StandingsQuery.model_validate({**request.query_params, **request.path_params})
    except ValidationError as error:
        raise RequestValidationError(
            [
                {**item, "loc": (_place(str(item["loc"][0])), *item["loc"])}
                for item in error.errors()
            ]
        ) from None


def _matches(header: str, etag: str) -> bool:
    tags = (tag.strip().removeprefix("W/") for tag in header.split(","))
    return any(tag in ("*", etag) for tag in tags)


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
async def personal_bests(
    ctx: Ctx,
    actor: Member,
    name: NameInPath,
    gpu: Gpu = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """Your own personal bests, newest first."""
    page = await standings.personal(ctx, actor, name, gpu, cursor=cursor, limit=limit)
    return json_response(present.bests(page))


@router.get("/queues", response_model=schemas.QueuesOut, responses=documented())
async def all_queues(ctx: Ctx) -> Response:
    """How many runs wait and run for each GPU kind, how many run at once, and whether it takes submissions."""
    views = await standings.queues(ctx)
    return json_response(schemas.QueuesOut(items=[present.queue(view) for view in views]))
