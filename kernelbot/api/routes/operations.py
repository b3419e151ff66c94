"""For those who run it: is it alive, is it ready, how is it doing."""

from __future__ import annotations

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

import kernelbot
from kernelbot.api import door, schemas
from kernelbot.api.access import Ctx, json_response
from kernelbot.api.errors import documented
from kernelbot.services import health

router = APIRouter(tags=["operations"])


@router.get("/v1/health", response_model=schemas.HealthOut, responses=documented())
async def alive() -> Response:
    """This process answers. Says nothing about the database."""
    return json_response(schemas.HealthOut(status="ok", version=kernelbot.__version__))


@router.get("/v1/ready", response_model=schemas.ReadyOut, responses=documented())
async def ready(ctx: Ctx) -> Response:
    """The database answers too; 503 when it does not."""
    found = await health.ready(ctx)
    return json_response(schemas.ReadyOut(**{"status": "ok", **found}))


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
        **documented(of_json=False),
    },
)
async def metrics(ctx: Ctx) -> Response:
    """For Prometheus."""
    content = door.metrics() + await health.metrics(ctx)
    return Response(content, media_type=CONTENT_TYPE_LATEST)
