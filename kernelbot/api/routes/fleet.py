"""The machines that judge: what everybody should know of them, their devices, what they cost."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response

from kernelbot.api import fleet_schemas as out
from kernelbot.api import present, schemas
from kernelbot.api.access import SECURED, Ctx, Limit, Member, NameInPath, json_response
from kernelbot.api.errors import documented
from kernelbot.api.routes import admin
from kernelbot.services import banners, machines, usage
from kernelbot.services.machines import DeviceView, FleetView

router = APIRouter(prefix="/v1", tags=["admin"])

DeviceId = Annotated[int, Path(ge=1, le=schemas.LARGEST_ID)]
DECISION = {
    **admin.DECISION,
    "responses": documented(401, 403, 404, 409, 413),
    "dependencies": SECURED,
}


@router.get("/notices", response_model=out.NoticesOut, responses=documented(), tags=["operations"])
async def notices(ctx: Ctx) -> Response:
    """What everybody should know now: GPU kinds that nobody serves, queues that stand still, devices out of service."""
    items = [out.NoticeOut.model_validate(vars(item)) for item in await banners.notices(ctx)]
    return json_response(out.NoticesOut(items=items))


@router.get(
    "/admin/fleet",
    response_model=out.FleetOut,
    responses=documented(401, 403),
    dependencies=SECURED,
)
async def fleet(ctx: Ctx, actor: Member) -> Response:
    """Agents, workers, what they reach elsewhere, and every device with its canaries."""
    return json_response(out.FleetOut(**_fleet(await machines.fleet(ctx, actor))))


@router.get(
    "/admin/fleet/{name}",
    response_model=out.StoryOut,
    responses=documented(401, 403, 404),
    dependencies=SECURED,
)
async def one(ctx: Ctx, actor: Member, name: NameInPath) -> Response:
    """All about one agent or one host with workers: what it is, its devices, the runs that it has, what waits for its kinds."""
    found = await machines.story(ctx, actor, name)
    held = [out.HeldOut.model_validate(vars(item)) for item in found.held]
    queues = [present.queue(item) for item in found.queues]
    return json_response(out.StoryOut(**_fleet(found.fleet), held=held, queues=queues))


def _fleet(found: FleetView) -> dict[str, Any]:
    devices = []
    for item in found.devices:
        made, drift = _device(item), found.drift[item.id]
        made.drift, made.goods = [share for share, _ in drift], [good for _, good in drift]
        devices.append(made)
    shown = [out.MachineOut.model_validate(vars(item)) for item in found.machines]
    return {"machines": shown, "devices": devices}


@router.get(
    "/admin/devices/{device_id}/canaries",
    response_model=out.DriftOut,
    responses=documented(401, 403, 404),
    dependencies=SECURED,
)
async def drift(ctx: Ctx, actor: Member, device_id: DeviceId, limit: Limit = 50) -> Response:
    """How a device's canaries went, the newest first."""
    device, found = await machines.series(ctx, actor, device_id, limit)
    items = [out.CanaryOut.model_validate(vars(item)) for item in found]
    return json_response(out.DriftOut(device=_device(device), items=items))


def _device(item: DeviceView) -> out.DeviceStateOut:
    bands = {part: out.BandOut(**vars(band)) for part, band in item.bands.items()}
    return out.DeviceStateOut.model_validate({**vars(item), "bands": bands})


@router.post("/admin/devices/{device_id}/quarantine", **DECISION)
async def quarantine(
    ctx: Ctx, actor: Member, device_id: DeviceId, body: schemas.ReasonIn
) -> Response:
    """Take a device out; what it gave since its last good canary is judged again."""
    await machines.quarantine(ctx, actor, device_id, body.reason)
    return json_response(schemas.DoneOut())


@router.post("/admin/devices/{device_id}/release", **DECISION)
async def release(ctx: Ctx, actor: Member, device_id: DeviceId, body: schemas.ReasonIn) -> Response:
    """Let a device take runs again, with a band that begins now."""
    await machines.release(ctx, actor, device_id, body.reason)
    return json_response(schemas.DoneOut())


@router.get(
    "/admin/usage",
    response_model=out.UsageOut,
    responses=documented(401, 403),
    dependencies=SECURED,
)
async def spent(
    ctx: Ctx,
    actor: Member,
    by: Annotated[Literal["competition", "person", "target"], Query()] = "competition",
    days: Annotated[float, Query(gt=0, le=usage.LONGEST_DAYS)] = 30.0,
) -> Response:
    """GPU-hours and cost of the runs that ended, by competition, person or target."""
    found = await usage.usage(ctx, actor, by=by, days=days)
    items = [out.SpentOut.model_validate(vars(item)) for item in found.items]
    return json_response(out.UsageOut(**{**vars(found), "items": items}))
