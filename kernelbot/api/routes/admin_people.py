"""What administrators know of people and let them do. Every route needs a token with the scope ``admin``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Response

from kernelbot.api import person_schemas, present, schemas
from kernelbot.api.access import (
    SECURED,
    Ctx,
    Id,
    Member,
    NameInPath,
    Printable,
    json_response,
)
from kernelbot.api.errors import documented
from kernelbot.services import grants, persons, rerun

router = APIRouter(prefix="/v1/admin", tags=["admin"], dependencies=SECURED)


@router.get(
    "/users/{name}",
    response_model=person_schemas.PersonOut,
    responses=documented(401, 403, 404, 409),
)
async def person(ctx: Ctx, actor: Member, name: NameInPath) -> Response:
    """Who somebody is and what they did: by name, `#id`, or `discord:` and the id of their account there."""
    found = await persons.profile(ctx, actor, name)
    return json_response(
        person_schemas.PersonOut.model_validate(
            {**vars(found), "latest": [vars(item) for item in found.latest]}
        )
    )


@router.post(
    "/users/{name}/role",
    response_model=person_schemas.RoleOut,
    responses=documented(401, 403, 404, 409, 413),
)
async def set_role(
    ctx: Ctx, actor: Member, name: NameInPath, body: person_schemas.RoleIn
) -> Response:
    """Make somebody an administrator (`admin`), or a member again. The last administrator stays one."""
    change = await persons.set_role(ctx, actor, name, body.role.value, sure=body.sure)
    return json_response(person_schemas.RoleOut.model_validate(vars(change)))


@router.get(
    "/users/{name}/allowance",
    response_model=person_schemas.PersonUseOut,
    responses=documented(401, 403, 404, 409),
)
async def allowance(
    ctx: Ctx,
    actor: Member,
    name: NameInPath,
    competition: Annotated[str | None, Query(min_length=1, max_length=100), Printable] = None,
) -> Response:
    """What somebody has used and may use, in one competition or in all that limit anything."""
    use = await grants.of_person(ctx, actor, name, competition)
    competitions = [
        person_schemas.CompetitionUseOut(
            competition=item.competition,
            gpu_seconds=[present.balance(one) for one in item.gpu_seconds],
            hourly=[person_schemas.HourlyOut(**vars(one)) for one in item.hourly],
        )
        for item in use.competitions
    ]
    return json_response(
        person_schemas.PersonUseOut(
            user_id=use.user_id,
            name=use.name,
            competitions=competitions,
            grants=[person_schemas.GrantOut(**vars(item)) for item in use.grants],
        )
    )


@router.post(
    "/users/{name}/grants",
    status_code=201,
    response_model=person_schemas.GrantOut,
    responses=documented(401, 403, 404, 409, 413),
)
async def grant(
    ctx: Ctx, actor: Member, name: NameInPath, body: person_schemas.GrantIn
) -> Response:
    """Let somebody use more GPU-seconds within 24 hours than their competition allows, for some days."""
    made = await grants.grant(
        ctx,
        actor,
        name,
        body.competition,
        body.gpu,
        body.gpu_seconds,
        body.reason,
        datetime.now(UTC) + timedelta(days=body.days),
    )
    return json_response(person_schemas.GrantOut(**vars(made)), 201)


@router.delete(
    "/grants/{grant_id}",
    response_model=schemas.DoneOut,
    responses=documented(401, 403, 404, 409),
)
async def end_grant(ctx: Ctx, actor: Member, grant_id: Id) -> Response:
    """End it before its time; what was used of it was used."""
    await grants.take_back(ctx, actor, grant_id)
    return json_response(schemas.DoneOut())


@router.post(
    "/submissions/{submission_id}/rerun",
    response_model=schemas.SubmissionOut,
    responses=documented(401, 403, 404, 409, 413),
)
async def run_again(ctx: Ctx, actor: Member, submission_id: Id, body: schemas.ReasonIn) -> Response:
    """Run a submission once more for its owner, at no cost to them. What is under way is not queued twice."""
    view = await rerun.rerun(ctx, actor, submission_id, body.reason)
    return json_response(present.submission(view))
