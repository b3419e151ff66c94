"""Sending submissions and following them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from kernelbot.api import present, schemas
from kernelbot.api.access import (
    SECURED,
    Ctx,
    Cursor,
    Id,
    IdempotencyKey,
    LastEventId,
    Limit,
    Member,
    Printable,
    attachment,
    json_response,
)
from kernelbot.api.errors import documented
from kernelbot.api.upload import read_draft
from kernelbot.errors import Unavailable
from kernelbot.services import submissions, submit

router = APIRouter(prefix="/v1/submissions", tags=["submissions"], dependencies=SECURED)

RECONNECT_MS = 1000
LICENCE_SHOWN = 100
"""Characters in a header: each takes up to 12 bytes, and proxies take no header of any length."""

FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "additionalProperties": False,
                    "properties": {
                        "file": {
                            "type": "string",
                            "format": "binary",
                            "description": "Source code, UTF-8, at most 1,000,000 bytes. Its first "
                            "lines may name leaderboard and GPUs.",
                        },
                        "leaderboard": {"type": "string"},
                        "gpus": {
                            "type": "array",
                            "items": {"type": "string"},
                            "description": "Repeated, or comma-separated.",
                        },
                        "mode": {
                            "type": "string",
                            "enum": ["test", "benchmark", "profile", "ranked"],
                            "default": "test",
                        },
                        "case": {
                            "type": "integer",
                            "minimum": 0,
                            "description": "Of a profile: the number of the benchmark, from 0. "
                            "Left out: the slowest.",
                        },
                    },
                }
            }
        },
    }
}


@router.post(
    "",
    status_code=202,
    response_model=schemas.SubmissionOut,
    responses=documented(401, 403, 404, 409, 413, 415, 429),
    openapi_extra=FORM,
)
async def submit_file(
    request: Request, ctx: Ctx, actor: Member, idempotency_key: IdempotencyKey = None
) -> Response:
    """Submit a file. Once this answers 202 the submission is stored and will be judged, whatever
    happens to the connection or to us; follow it at `events_url`."""
    draft = await read_draft(request, idempotency_key)
    view = await submit.accept(ctx, actor, draft)
    answer = present.submission(view)
    return json_response(answer, 202, {"location": answer.url})


@router.get("", response_model=schemas.SubmissionsOut, responses=documented(401, 403, 404))
async def my_submissions(
    ctx: Ctx,
    actor: Member,
    leaderboard: Annotated[str | None, Query(min_length=1, max_length=100), Printable] = None,
    cursor: Cursor = None,
    limit: Limit = 20,
) -> Response:
    """Your submissions, the newest first."""
    page = await submissions.mine(ctx, actor, leaderboard=leaderboard, cursor=cursor, limit=limit)
    return json_response(present.submissions(page))


@router.get(
    "/{submission_id}",
    response_model=schemas.SubmissionOut,
    responses=documented(401, 403, 404),
)
async def one_submission(ctx: Ctx, actor: Member, submission_id: Id) -> Response:
    """A submission of yours with its runs: verdict, cases, times, log, and whether it is ranked."""
    return json_response(
        present.submission(await submissions.submission(ctx, actor, submission_id))
    )


@router.post(
    "/{submission_id}/cancel",
    response_model=schemas.SubmissionOut,
    responses=documented(401, 403, 404, 409),
)
async def cancel_submission(ctx: Ctx, actor: Member, submission_id: Id) -> Response:
    """Cancel what is queued or running of it. 409 when it has already ended."""
    return json_response(present.submission(await submit.cancel(ctx, actor, submission_id)))


@router.get(
    "/{submission_id}/code",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
        **documented(401, 403, 404, of_json=False),
    },
)
async def submitted_code(ctx: Ctx, actor: Member, submission_id: Id) -> Response:
    """The file as you sent it; of others once their competition opens code, under the licence in
    `x-licence` (percent-encoded; a long one ends in … after 100 characters, whole in its competition)."""
    found = await submissions.code(ctx, actor, submission_id)
    answer = attachment(found.content, found.file_name, "text/plain; charset=utf-8")
    licence = found.licence
    if len(licence) > LICENCE_SHOWN:
        licence = licence[:LICENCE_SHOWN] + "…"
    answer.headers["x-licence"] = quote(licence)
    return answer


async def _visible(ctx: Ctx, actor: Member, submission_id: Id) -> int:
    # Before the stream begins: afterwards there is no status left to say 404 with.
    return (await submissions.submission(ctx, actor, submission_id)).id


@router.get(
    "/{submission_id}/events",
    response_class=EventSourceResponse,
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
        **documented(401, 403, 404, of_json=False),
    },
)
async def submission_events(
    ctx: Ctx,
    actor: Member,
    submission_id: Annotated[int, Depends(_visible)],
    last_event_id: LastEventId = 0,
) -> AsyncIterator[ServerSentEvent]:
    """Its events as server-sent events: first those after `Last-Event-ID`, then live, until `done`.

    `wait` events carry position and expected times while it is queued and have no id.
    """
    try:
        async for event in submissions.follow(ctx, actor, submission_id, last_event_id):
            yield ServerSentEvent(
                event=event.kind,
                id=str(event.id) if event.id else None,
                raw_data=_ascii_json(present.event(event)),
                retry=RECONNECT_MS,
            )
    except Unavailable:
        # Ending the stream is how clients are told to come again, from their last event on.
        return


def _ascii_json(event: schemas.EventOut) -> str:
    # Escaped, because readers that decode chunk by chunk break characters of several bytes.
    return json.dumps(event.model_dump(mode="json"), ensure_ascii=True, separators=(",", ":"))
