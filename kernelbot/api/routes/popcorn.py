"""The addresses of the field's own command line, so that ``popcorn-cli`` works here as it is.

It is pointed at a server by ``POPCORN_API_URL`` and sends the ``cli_id`` of ``~/.popcorn.yaml``, which here is a
token, in ``X-Popcorn-Cli-Id``. Of an error it shows ``detail``. What it does not know (places in the queue,
verdicts, ranks) it is told as text. None of this is in the OpenAPI document: who writes a program uses ``/v1``.
"""

from __future__ import annotations

import base64
import io
import json
import time
import zipfile
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.exceptions import HTTPException

from kernelbot.api import errors, popcorn
from kernelbot.api.access import Ctx, Id, NameInPath, Printable, context
from kernelbot.api.upload import read_draft
from kernelbot.domain.people import Actor
from kernelbot.errors import (
    Conflict,
    Fault,
    Forbidden,
    InvalidInput,
    NotFound,
    NotSignedIn,
    Refused,
)
from kernelbot.services import artefacts, identity, invitations, standings, submissions, submit
from kernelbot.services.context import Context
from kernelbot.services.views import SubmissionView

HEADER = "X-Popcorn-Cli-Id"
HOW_TO_SIGN_IN = (
    "popcorn-cli signs in here with a token of this server: write it as 'cli_id: TOKEN' in ~/.popcorn.yaml. "
    "`kernelbot login --discord` and `kernelbot tokens create popcorn` make one, or ask an administrator."
)
CHANNEL = "popcorn"
MOST_PASSED_OVER = 1000
MOST_TRACE_BYTES = 32 << 20
"""Of a profile's files in one line of a stream; what is larger is fetched by itself."""


class BoardConvertor(StringConvertor):
    """A leaderboard as the first part of an address, which none of ``/v1`` is taken for."""

    regex = "(?!v1/)[^/]+"


register_url_convertor("board", BoardConvertor())


class FieldRoute(APIRoute):
    """Errors have ``detail`` beside our own body: it is what popcorn-cli shows."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answering(request: Request) -> Response:
            try:
                return await handle(request)
            except (Refused, Fault, RequestValidationError, HTTPException) as error:
                return _with_detail(await errors.answered(request, error))

        return answering


def _with_detail(response: Response) -> Response:
    document = json.loads(bytes(response.body))
    headers = {
        name: value
        for name, value in response.headers.items()
        if name not in ("content-length", "content-type")
    }
    body = {"detail": document["error"]["message"], **document}
    return Response(
        json.dumps(body), response.status_code, headers=headers, media_type="application/json"
    )


router = APIRouter(route_class=FieldRoute, include_in_schema=False)


async def visitor(request: Request) -> Actor | None:
    secret = request.headers.get(HEADER, "").strip()
    if not secret:
        return None
    try:
        return await identity.authenticate(await context(request), secret, CHANNEL)
    except NotSignedIn as error:
        words = error.message.removesuffix(identity.HOW_TO_SIGN_IN)
        raise NotSignedIn(words + HOW_TO_SIGN_IN, code=error.code) from None


async def member(actor: Annotated[Actor | None, Depends(visitor)]) -> Actor:
    if actor is None:
        raise NotSignedIn(f"The request has no {HEADER}. {HOW_TO_SIGN_IN}")
    return actor


Visitor = Annotated[Actor | None, Depends(visitor)]
Member = Annotated[Actor, Depends(member)]


@router.get("/auth/init")
async def begin_to_sign_in() -> Response:
    """What follows it would go to the field's own server, whatever we answer."""
    raise InvalidInput(
        f"`popcorn register` signs in at the field's own server only. {HOW_TO_SIGN_IN}",
        code="no_registration",
    )


@router.api_route("/admin/{rest:path}", methods=["GET", "POST", "PUT", "DELETE"])
async def administer(rest: str) -> Response:
    """Its words for administration mean other things here: nothing is deleted, and problems come by files."""
    raise NotFound(
        "`popcorn admin` is not offered here. `kernelbot admin` and `kernelbot competition` do what it does: "
        "docs/cli.md lists them.",
        code="no_such_address",
    )


@router.get("/leaderboards")
async def open_leaderboards(ctx: Ctx, actor: Visitor) -> Response:
    """Those that take submissions: it asks in order to choose one."""
    views = await standings.leaderboards(ctx, actor)
    return _answer([popcorn.leaderboard(view) for view in views if view.is_open])


@router.get("/gpus/{leaderboard}")
async def gpus_of_a_leaderboard(ctx: Ctx, actor: Visitor, leaderboard: NameInPath) -> Response:
    return _answer(list((await standings.leaderboard(ctx, actor, leaderboard)).gpus))


async def _accept(
    request: Request,
    ctx: Ctx,
    actor: Member,
    leaderboard: NameInPath,
    gpu: NameInPath,
    mode: NameInPath,
) -> SubmissionView:
    draft = replace(
        await read_draft(request, None), leaderboard=leaderboard, gpus=(gpu,), mode=mode
    )
    return await submit.accept(ctx, actor, draft)


Accepted = Annotated[SubmissionView, Depends(_accept)]


@router.post("/submission/{leaderboard}/{gpu}/{mode}")
async def submit_and_ask_again(view: Accepted) -> Response:
    return _answer(popcorn.accepted(view), 202)


@router.post("/{leaderboard:board}/{gpu}/{mode}", response_class=EventSourceResponse)
async def submit_and_watch(
    ctx: Ctx, actor: Member, view: Accepted
) -> AsyncIterator[ServerSentEvent]:
    """Watching only: it is stored, and goes on when nobody does."""
    began = time.monotonic()
    if view.note:
        yield _event("status", status="processing", elapsed_time=0.0, message=view.note)
    try:
        async for event in submissions.follow(ctx, actor, view.id):
            elapsed = round(time.monotonic() - began, 2)
            words = f"Submission {view.id}, {popcorn.message(event)}"
            yield _event("status", status="processing", elapsed_time=elapsed, message=words)
        done = await submissions.submission(ctx, actor, view.id)
        yield _event("result", **popcorn.result(done, await _traces(ctx, actor, done)))
    except Fault:
        lost = (
            f"We lost sight of submission {view.id}; it goes on: popcorn submissions show {view.id}"
        )
        yield _event("error", status="error", detail=lost, status_code=503)


def _event(kind: str, **data: Any) -> ServerSentEvent:
    return ServerSentEvent(event=kind, raw_data=popcorn.ascii_json(data))


async def _traces(ctx: Context, actor: Actor, view: SubmissionView) -> dict[int, str]:
    left = [item for run in view.runs for item in run.artefacts if item.expired_at is None]
    if sum(item.bytes for item in left) > MOST_TRACE_BYTES:
        return {}
    traces = {}
    for run in view.runs:
        files = {name: await _read(ctx, actor, view.id, name) for name in run.files}
        if files:
            traces[run.id] = await run_in_threadpool(_zipped, files)
    return traces


async def _read(ctx: Context, actor: Actor, submission_id: int, name: str) -> bytes:
    _, pieces = await artefacts.opened(ctx, actor, submission_id, name)
    return b"".join([piece async for piece in pieces])


def _zipped(files: dict[str, bytes]) -> str:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return base64.b64encode(made.getvalue()).decode("ascii")


@router.get("/user/submissions")
async def my_submissions(
    ctx: Ctx,
    actor: Member,
    leaderboard: Annotated[str | None, Query(max_length=100), Printable] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    offset: Annotated[int, Query(ge=0, le=MOST_PASSED_OVER)] = 0,
) -> Response:
    """The newest first."""
    found: list[SubmissionView] = []
    cursor: str | None = None
    while len(found) < offset + limit:
        page = await submissions.mine(
            ctx, actor, leaderboard=leaderboard or None, cursor=cursor, limit=100
        )
        found += page.items
        cursor = page.cursor
        if cursor is None:
            break
    return _answer([popcorn.listed(view) for view in found[offset : offset + limit]])


@router.get("/user/submissions/{submission_id}")
async def one_submission(ctx: Ctx, actor: Member, submission_id: Id) -> Response:
    """With its code once it has ended: until then this is asked every five seconds by somebody who has it."""
    view = await submissions.submission(ctx, actor, submission_id)
    code = (await submissions.code(ctx, actor, submission_id)).content if view.done else b""
    return _answer(popcorn.submission(view, code.decode("utf-8", "replace")))


@router.delete("/user/submissions/{submission_id}")
async def keep_a_submission(ctx: Ctx, actor: Member, submission_id: Id) -> Response:
    """Nothing that was submitted is deleted: a slot or a piece of evidence would be gone with it."""
    view = await submissions.submission(ctx, actor, submission_id)
    if view.done:
        raise Forbidden(
            f"Submission {submission_id} is kept: nothing that was submitted is deleted here. An organizer can "
            "take its code off the leaderboard.",
            code="nothing_is_deleted",
        )
    raise Conflict(
        f"Submission {submission_id} has not ended, and nothing is deleted here; "
        f"`kernelbot cancel {submission_id}` stops it.",
        code="nothing_is_deleted",
    )


class JoinIn(BaseModel):
    code: str


@router.post("/user/join")
async def join(ctx: Ctx, actor: Member, body: JoinIn) -> Response:
    """Come into the competition that the code is for."""
    view = await invitations.join(ctx, actor, None, body.code[:200])
    names = [item["name"] for item in view.document["leaderboards"]]
    return _answer({"status": "ok", "competition": view.document["name"], "leaderboards": names})


def _answer(document: object, status: int = 200) -> Response:
    return Response(popcorn.ascii_json(document), status, media_type="application/json")
