"""Problems: what to compute."""

from __future__ import annotations

from fastapi import APIRouter, Response

from kernelbot.api import present, schemas
from kernelbot.api.access import READABLE, Ctx, NameInPath, Visitor, attachment, json_response
from kernelbot.api.errors import documented
from kernelbot.errors import NotFound, did_you_mean
from kernelbot.services import competitions

router = APIRouter(prefix="/v1", tags=["problems"])


@router.get(
    "/problems",
    response_model=schemas.ProblemsOut,
    responses=documented(401),
    openapi_extra=READABLE,
)
async def all_problems(ctx: Ctx, actor: Visitor) -> Response:
    """All problems that you may see."""
    views = await competitions.problems(ctx, actor)
    return json_response(
        schemas.ProblemsOut(items=[present.problem_summary(view) for view in views])
    )


@router.get(
    "/problems/{name}",
    response_model=schemas.ProblemOut,
    responses=documented(401, 404),
    openapi_extra=READABLE,
)
async def one_problem(ctx: Ctx, actor: Visitor, name: NameInPath) -> Response:
    """One problem with its statement, its cases and its starters."""
    return json_response(present.problem(await competitions.problem(ctx, actor, name)))


@router.get(
    "/problems/{name}/starters/{style}",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
        **documented(401, 404, of_json=False),
    },
    openapi_extra=READABLE,
)
async def starter(ctx: Ctx, actor: Visitor, name: NameInPath, style: NameInPath) -> Response:
    """A file to begin with."""
    view = await competitions.problem(ctx, actor, name)
    styles = {known.lower(): known for known in view.starters}
    known = styles.get(style.lower())
    if known is None:
        raise NotFound(
            f"{view.name} has no starter {style[:40]!r}. There is: {', '.join(view.starters)}."
            + did_you_mean(style, view.starters),
            code="unknown_starter",
            detail={"choices": list(view.starters)},
        )
    return attachment(
        view.starters[known].encode(),
        f"{view.name}_{known}{view.starter_suffixes[known]}",
        "text/plain; charset=utf-8",
    )


@router.get(
    "/problems/{name}/archive",
    response_class=Response,
    responses={
        200: {"content": {"application/zip": {"schema": {"type": "string"}}}},
        **documented(401, 404, of_json=False),
    },
    openapi_extra=READABLE,
)
async def problem_archive(ctx: Ctx, actor: Visitor, name: NameInPath) -> Response:
    """Statement, reference, types and starters as one zip file, to work on it locally."""
    content = await competitions.problem_archive(ctx, actor, name)
    return attachment(content, f"{name.lower()}.zip", "application/zip")
