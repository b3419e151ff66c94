"""What routes ask for: the installation's context, who is asking, and well-formed parameters."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Depends, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.security import HTTPBearer
from pydantic import AfterValidator, BaseModel, StringConstraints, WithJsonSchema

from kernelbot.api.schemas import LARGEST_ID
from kernelbot.domain.people import Actor
from kernelbot.errors import NotSignedIn
from kernelbot.services import identity
from kernelbot.services.context import Context

CLI_AGENT = "kernelbot-cli/"
"""How our own command line introduces itself; only statistics depend on it."""


async def context(request: Request) -> Context:
    found: Context = request.app.state.context
    return found


# Only for the OpenAPI document: the header is read by hand, so that a malformed one is refused.
_bearer = HTTPBearer(auto_error=False, description="An API token.")


async def visitor(request: Request) -> Actor | None:
    """Who is asking, or None for somebody anonymous. A token that is not valid is refused."""
    header = request.headers.get("authorization")
    if header is None:
        return None
    scheme, _, secret = header.partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise NotSignedIn(
            f"The Authorization header is not of the form 'Bearer TOKEN'. {identity.HOW_TO_SIGN_IN}"
        )
    agent = request.headers.get("user-agent", "")
    channel = "cli" if agent.startswith(CLI_AGENT) else "api"
    return await identity.authenticate(await context(request), secret.strip(), channel)


async def signed_in(actor: Annotated[Actor | None, Depends(visitor)]) -> Actor:
    if actor is None:
        raise NotSignedIn(f"This needs a token. {identity.HOW_TO_SIGN_IN}")
    return actor


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("contains a character that is not printable")
    return text


Printable = AfterValidator(_printable)

Ctx = Annotated[Context, Depends(context)]
Visitor = Annotated[Actor | None, Depends(visitor)]
Member = Annotated[Actor, Depends(signed_in)]
SECURED = [Depends(_bearer)]
READABLE: dict[str, Any] = {"security": [{"HTTPBearer": []}, {}]}
"""OpenAPI of what anybody may read, and the signed-in see a little more of."""

Id = Annotated[int, Path(ge=1, le=LARGEST_ID)]
NameInPath = Annotated[str, Path(min_length=1, max_length=100), Printable]
Gpu = Annotated[
    str | None,
    Query(max_length=40, description="GPU kind; may be left out where there is only one."),
    AfterValidator(lambda text: text if text is None else _printable(text)),
]
CURSOR = "[0-9]{1,20}"


def _cursor(text: str) -> str:
    if not re.fullmatch(CURSOR, text):
        raise ValueError(
            "is not one of ours; pass the 'cursor' of the part before, or none to begin anew"
        )
    return text


Cursor = Annotated[
    Annotated[
        str, AfterValidator(_cursor), WithJsonSchema({"type": "string", "pattern": f"^{CURSOR}$"})
    ]
    | None,
    Query(description="From the part before."),
]
Limit = Annotated[int, Query(ge=1, le=100)]
LastEventId = Annotated[
    int, Header(ge=0, le=LARGEST_ID, description="The last event you have: the rest follows.")
]
IdempotencyKey = Annotated[
    str | None,
    Header(description="The same key again returns the same submission; use a UUID."),
    StringConstraints(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$"),
]


def json_response(
    model: BaseModel, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """A model as the answer, serialised once and not validated again on the way out."""
    return Response(model.model_dump_json(), status, headers=headers, media_type="application/json")


def attachment(content: bytes | AsyncIterator[bytes], name: str, media_type: str) -> Response:
    """A file to save, never to display: what people sent must not run as a page of this origin."""
    headers = {"content-disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}
    if isinstance(content, bytes):
        return Response(content, media_type=media_type, headers=headers)
    return StreamingResponse(content, media_type=media_type, headers=headers)
