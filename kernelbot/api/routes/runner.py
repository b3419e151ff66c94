"""The gateway: machines with a runner's token ask for work here, report on it, and hand in what came of it.

For our own program (``runners/agent``) only: both sides are of one version, which is why none of this is in the
OpenAPI document. Every call but the first two names the process that makes it, and every call about a run the
lease that it holds; 409 says that one of them is over.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Request, Response
from fastapi.responses import JSONResponse

from kernelbot.api.access import Ctx, Id
from kernelbot.api.runner_schemas import AnnounceIn, EventsIn, HeartbeatIn, LeaseIn
from kernelbot.errors import InvalidInput, NotFound, NotSignedIn, TooLarge
from kernelbot.judge.protocol import MAX_VERDICT_BYTES
from kernelbot.services import artefacts, gateway, runners
from kernelbot.services.gateway import Remote
from kernelbot.services.runners import Announcement, Runner, Unit

router = APIRouter(prefix="/v1/runner", include_in_schema=False)

BYTES = "application/octet-stream"
BODIES_AT_ONCE = 8
"""Of one machine so many bodies are read at once in a process, each up to 8 MiB; others wait, before they are read."""


async def _runner(ctx: Ctx, request: Request) -> Runner:
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise NotSignedIn(f"This needs a runner's token. {runners.HOW_TO_JOIN}")
    return await runners.authenticate(ctx, secret.strip())


Caller = Annotated[Runner, Depends(_runner)]
Session = Annotated[uuid.UUID, Header(alias="kernelbot-session")]
Lease = Annotated[uuid.UUID, Header(alias="kernelbot-lease")]
Piece = Annotated[int, Path(ge=0, le=1 << 20)]
FileName = Annotated[str, Path(min_length=1, max_length=200)]


async def _held(ctx: Ctx, runner: Caller, session: Session, run_id: Id, lease: Lease) -> Remote:
    return await gateway.held(ctx, runner, session, run_id, lease)


Held = Annotated[Remote, Depends(_held)]


@router.get("")
async def terms(ctx: Ctx, runner: Caller) -> JSONResponse:
    """What a machine has to know before it announces itself."""
    return JSONResponse(runners.terms(ctx, runner))


@router.get("/program")
async def program(ctx: Ctx, runner: Caller) -> Response:
    """What agents of this server run, as an archive to begin with."""
    return Response(await runners.archive(ctx), media_type="application/gzip")


@router.get("/tree/{digest}")
async def tree(ctx: Ctx, runner: Caller, digest: str) -> Response:
    """What agents of this server run."""
    known, content = runners.tree(ctx)
    if digest != known:
        raise NotFound("This server has another version by now: ask for its terms again.")
    return Response(content, media_type=BYTES)


@router.post("/announce")
async def announce(ctx: Ctx, runner: Caller, body: AnnounceIn) -> JSONResponse:
    """A process of a machine says what it proved; its name for everything later."""
    said = body.model_dump()
    units = [Unit(**unit) for unit in said.pop("units")]
    session = await runners.announce(ctx, runner, Announcement(units=units, **said))
    return JSONResponse({"session": str(session)})


@router.post("/lease")
async def lease(
    ctx: Ctx, runner: Caller, session: Session, body: LeaseIn, request: Request
) -> JSONResponse:
    """Waits for work, up to ``wait_s`` seconds."""
    found = await gateway.lease(
        ctx,
        runner,
        session,
        body.poll,
        body.offers,
        body.wait_s,
        request.is_disconnected,
        body.free,
        body.holds,
    )
    runs = [
        {"run_id": run.run_id, "lease": str(run.lease), "gpu": run.gpu, "attempt": run.attempt}
        for run in found.runs
    ]
    one = found.canary
    canary = None if one is None else {"id": one.id, "lease": str(one.lease), "device": one.device}
    answer = {"runs": runs, "waiting": dict(found.waiting), "drained": found.drained}
    return JSONResponse({**answer, "canary": canary})


@router.post("/heartbeat")
async def heartbeat(ctx: Ctx, runner: Caller, session: Session, body: HeartbeatIn) -> JSONResponse:
    """A sign of life of a process and all of its runs; what is to be stopped."""
    signs = [gateway.Sign(**vars(sign)) for sign in body.runs]
    heard = await gateway.heartbeat(ctx, runner, session, body.slots, signs, body.trouble)
    alive = {str(run_id): stop for run_id, stop in heard.alive.items()}
    answer = {"runs": alive, "drained": heard.drained, "stale": heard.stale}
    return JSONResponse({**answer, "shut": dict(heard.shut)})


@router.post("/leave")
async def leave(ctx: Ctx, runner: Caller, session: Session) -> JSONResponse:
    """A process ends."""
    await gateway.leave(ctx, runner, session)
    return _done()


@router.get("/runs/{run_id}/package")
async def package(ctx: Ctx, runner: Caller, session: Session, run_id: Id, lease: Lease) -> Response:
    """Everything needed to judge a run, as a parcel."""
    content = await gateway.package(ctx, runner, session, run_id, lease)
    return Response(content, media_type=BYTES)


@router.post("/runs/{run_id}/events")
async def events(
    ctx: Ctx, runner: Caller, session: Session, run_id: Id, lease: Lease, body: EventsIn
) -> JSONResponse:
    """Steps of a run, for the person waiting."""
    told = gateway.read_events(body.events)
    await gateway.progress(ctx, runner, session, run_id, lease, told)
    return _done()


@router.put("/runs/{run_id}/files/{name}/{piece}")
async def file(
    ctx: Ctx, runner: Caller, held: Held, name: FileName, piece: Piece, request: Request
) -> JSONResponse:
    """A piece of a file that a run left."""
    content = await _body(ctx, runner, request, artefacts.MOST_AT_ONCE)
    await artefacts.receive(ctx, held, name, piece, content)
    return _done()


@router.put("/runs/{run_id}/verdict")
async def verdict(
    ctx: Ctx, runner: Caller, session: Session, run_id: Id, lease: Lease, request: Request
) -> JSONResponse:
    """What came of a run. What cannot be believed is recorded as a fault of ours and tried again."""
    gateway.demand_session(runner, session)
    content = await _body(ctx, runner, request, MAX_VERDICT_BYTES)
    # Its token may have been revoked while the verdict was on its way.
    held = await _held(ctx, await _runner(ctx, request), session, run_id, lease)
    found = await gateway.finish(ctx, runner, held, content)
    return JSONResponse({"recorded": found.kind.value, "fault": found.fault[:2000]})


@router.post("/runs/{run_id}/cancelled")
async def cancelled(
    ctx: Ctx, runner: Caller, session: Session, run_id: Id, lease: Lease
) -> JSONResponse:
    """A run was stopped, as the server had asked."""
    await gateway.cancelled(ctx, runner, session, run_id, lease)
    return _done()


@router.post("/runs/{run_id}/give-back")
async def give_back(ctx: Ctx, held: Held) -> JSONResponse:
    """A run that this machine cannot judge now; somebody else takes it. No attempt is lost until the fourth time."""
    await gateway.give_back(ctx, held)
    return _done()


@router.get("/canaries/{canary_id}/package")
async def canary_package(
    ctx: Ctx, runner: Caller, session: Session, canary_id: Id, lease: Lease
) -> Response:
    """Everything needed to judge a canary, as a parcel."""
    content = await gateway.canary_package(ctx, runner, session, canary_id, lease)
    return Response(content, media_type=BYTES)


@router.delete("/canaries/{canary_id}")
async def drop_canary(
    ctx: Ctx, runner: Caller, session: Session, canary_id: Id, lease: Lease
) -> JSONResponse:
    """A canary was ended before it ended."""
    await gateway.drop_canary(ctx, runner, session, canary_id, lease)
    return _done()


@router.put("/canaries/{canary_id}/verdict")
async def canary_verdict(
    ctx: Ctx, runner: Caller, session: Session, canary_id: Id, lease: Lease, request: Request
) -> JSONResponse:
    """What came of a canary."""
    content = await _body(ctx, runner, request, MAX_VERDICT_BYTES)
    found = await gateway.finish_canary(ctx, runner, session, canary_id, lease, content)
    return JSONResponse({"recorded": found.kind.value, "fault": found.fault[:2000]})


async def _body(ctx: Ctx, runner: Runner, request: Request, most: int) -> bytes:
    """The body, once it is known who sends it. Raises TooLarge."""
    content = bytearray()
    async with ctx.cache.setdefault(f"bodies:{runner.id}", asyncio.Semaphore(BODIES_AT_ONCE)):
        async for chunk in request.stream():
            content += chunk
            if len(content) > most:
                raise TooLarge(f"The body is over {most:,} bytes.")
    expected: Any = request.headers.get("content-length")
    if expected is None or not expected.isdigit() or int(expected) != len(content):
        raise InvalidInput("The body is not as long as was said.", code="cut_body")
    return bytes(content)


def _done() -> JSONResponse:
    return JSONResponse({"done": True})
