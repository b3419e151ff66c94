"""Files that a submission's runs left: profiler reports and traces."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from kernelbot.api import present, schemas
from kernelbot.api.access import SECURED, Ctx, Id, Member, Printable, attachment, json_response
from kernelbot.api.errors import documented
from kernelbot.services import artefacts

router = APIRouter(
    prefix="/v1/submissions/{submission_id}/artefacts", tags=["submissions"], dependencies=SECURED
)
FileName = Annotated[str, Path(min_length=1, max_length=200), Printable]


@router.get("", response_model=schemas.ArtefactsOut, responses=documented(401, 403, 404))
async def files_of_a_submission(ctx: Ctx, actor: Member, submission_id: Id) -> Response:
    """Files that its runs left, while they are kept: a profile's reports and traces."""
    found = await artefacts.listed(ctx, actor, submission_id)
    return json_response(present.artefacts(submission_id, found))


@router.get(
    "/{name}",
    response_class=Response,
    responses={
        200: {
            "content": {"application/octet-stream": {"schema": {"type": "string"}}},
        },
        **documented(401, 403, 404, of_json=False),
    },
)
async def file_of_a_submission(
    ctx: Ctx, actor: Member, submission_id: Id, name: FileName
) -> Response:
    """One of the files, to be saved."""
    found, content = await artefacts.opened(ctx, actor, submission_id, name)
    answer = attachment(content, found.name, found.media_type)
    answer.headers["content-length"] = str(found.bytes)
    return answer
