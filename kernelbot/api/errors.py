"""The one place where an error becomes an HTTP answer, and its one body.

``{"error": {"code", "message", "detail", "id"}}`` for everything: our own refusals, malformed
requests, unknown addresses, crashes. ``id`` is the request's id; for what is our fault the log has
the rest under the same id.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from prometheus_client import Counter
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from kernelbot.errors import Fault, KernelbotError, RateLimited, Refused, Unavailable

log = structlog.get_logger()

UNAVAILABLE_RETRY_S = 1
REFUSALS = Counter(
    "kernelbot_http_refusals_total", "What was refused, by the error's code.", ("code",)
)
"""Codes are words of ours: no request makes a new one."""

CODES = {
    400: "malformed_request",
    404: "no_such_address",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
}


class ErrorOut(BaseModel):
    """What went wrong."""

    code: str = Field(description="For programs; stays the same when words change.")
    message: str = Field(description="For people: what is wrong, where, and how to fix it.")
    detail: dict[str, Any] = Field(description="Limits, choices, seconds to wait: by code.")
    id: str = Field(description="Id of this request; quote it when you report trouble.")


class ErrorBody(BaseModel):
    """The body of every answer that is not a success."""

    error: ErrorOut


def documented(*statuses: int, of_json: bool = True) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's ``responses`` for the given statuses and those that any route may answer.

    ``of_json`` is False for routes whose success is something else: there the framework would say
    that errors are of that kind too.
    """
    every = sorted({*statuses, 400, 422, 500, 503})
    reference = {"$ref": f"#/components/schemas/{ErrorBody.__name__}"}
    body: dict[str, Any] = (
        {"model": ErrorBody}
        if of_json
        else {"content": {"application/json": {"schema": reference}}}
    )
    return {status: {**body, "description": HTTPStatus(status).phrase} for status in every}


def answer(
    status: int,
    code: str,
    message: str,
    *,
    request_id: str,
    detail: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An error as a response."""
    body = ErrorBody(
        error=ErrorOut(code=code, message=message, detail=dict(detail or {}), id=request_id)
    )
    return Response(body.model_dump_json(), status, headers=headers, media_type="application/json")


def crash_answer(request_id: str) -> Response:
    """For what nobody foresaw: an id, and nothing of the exception."""
    return answer(
        500,
        "fault",
        f"Something broke on our side; it is not your request. Quote {request_id} if it stays.",
        request_id=request_id,
    )


def install(app: FastAPI) -> None:
    """Teach the application our body for every kind of error."""
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)


async def answered(request: Request, error: Exception) -> Response:
    """What is answered to an error of a kind that has a body of ours."""
    handler = next(handler for kind, handler in _HANDLERS.items() if isinstance(error, kind))
    return await handler(request, error)


async def refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, KernelbotError)
    REFUSALS.labels(error.code).inc()
    return answer(
        error.status,
        error.code,
        error.message,
        detail=error.detail,
        headers=_headers(error),
        request_id=request.state.id,
    )


async def fault(request: Request, error: Exception) -> Response:
    assert isinstance(error, Fault)
    # The message of a fault may name our insides; the person gets the id instead.
    if isinstance(error, Unavailable):
        # Without a traceback: while the database is away, every request comes here.
        log.warning("unavailable", id=request.state.id, cause=repr(error.__cause__)[:300])
        message = "We cannot reach our database just now. The same request may pass in a moment."
    else:
        log.error("fault", id=request.state.id, path=request.url.path, exc_info=error)
        message = f"Something broke on our side. Quote {request.state.id} if it stays."
    return answer(
        error.status, error.code, message, headers=_headers(error), request_id=request.state.id
    )


def _headers(error: KernelbotError) -> dict[str, str]:
    if isinstance(error, RateLimited):
        return {"Retry-After": str(error.retry_after_s)}
    if isinstance(error, Unavailable):
        return {"Retry-After": str(UNAVAILABLE_RETRY_S)}
    return {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}


async def malformed(request: Request, error: Exception) -> Response:
    """A parameter or JSON body that is not what the OpenAPI document says."""
    assert isinstance(error, RequestValidationError)
    problems = [_problem(item) for item in error.errors()]
    first = problems[0]
    return answer(
        422,
        "invalid_input",
        f"{first['where']}: {first['message']}.",
        detail={"problems": problems},
        request_id=request.state.id,
    )


def _problem(item: Mapping[str, Any]) -> dict[str, str]:
    # What was sent is left out: it may be a secret, or megabytes.
    place: Sequence[Any] = item["loc"]
    message = str(item["msg"]).removeprefix("Value error, ").rstrip(".")
    return {"where": ".".join(str(part) for part in place)[:200], "message": message[:500]}


async def http_error(request: Request, error: Exception) -> Response:
    """What the framework itself refuses: unknown address, wrong method, unreadable body."""
    assert isinstance(error, HTTPException)
    words = {
        404: f"There is nothing at {request.url.path[:200]}. /docs lists what there is.",
        405: f"{request.method} is not possible at {request.url.path[:200]}.",
        400: "The body cannot be read. Send JSON as UTF-8 with Content-Type: application/json.",
        413: "The body is too large for this address.",
    }
    return answer(
        error.status_code,
        CODES.get(error.status_code, "refused"),
        words.get(error.status_code, HTTPStatus(error.status_code).phrase),
        headers=error.headers,
        request_id=request.state.id,
    )


_HANDLERS: Mapping[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
    Refused: refused,
    Fault: fault,
    RequestValidationError: malformed,
    HTTPException: http_error,
}
