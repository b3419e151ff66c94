"""What every request passes on its way in and out: an id, safe headers, a count, a net for crashes."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterable

import structlog
from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.values import MutexValue, ValueClass
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kernelbot.api.errors import crash_answer

log = structlog.get_logger()

# They are a second series for every route: the moment when it was first asked for.
disable_created_metrics()  # type: ignore[no-untyped-call]

REQUESTS = Counter(
    "kernelbot_http_requests_total", "Answers by route and status.", ("method", "route", "status")
)
SECONDS = Histogram(
    "kernelbot_http_request_seconds",
    "Seconds from request to the first byte of the answer.",
    ("method", "route"),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)

MAX_JSON_BYTES = 64 << 10
"""A name, a reason, a list of scopes. The framework reads a body before it knows who sends it."""
UPLOADS = re.compile(r"/v1/submissions|/submission/[^/]+/[^/]+/[^/]+|/(?!v1/)[^/]+/[^/]+/[^/]+")
"""Forms, which their routes read and bound: ours, and the two of popcorn-cli."""
RUNNERS = "/v1/runner/"
"""What runners send by PUT, verdicts and pieces of files, is read and bounded by its routes."""

METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})

SAFE_HEADERS = (
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cache-control", "no-store"),
)
NO_CONTENT_POLICY = "default-src 'none'; frame-ancestors 'none'"
DOCS_POLICY = "default-src 'self' https: 'unsafe-inline'; img-src 'self' https: data:"
"""The page at /docs runs scripts; nothing else here is ever a page."""


class Door:
    """Pure ASGI, because a middleware of the framework's own kind costs more than a cached answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = secrets.token_hex(8)
        scope.setdefault("state", {})["id"] = request_id
        structlog.contextvars.bind_contextvars(request_id=request_id)
        began, status = time.perf_counter(), 0

        async def outward(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._count(scope, status, time.perf_counter() - began)
                _complete(MutableHeaders(scope=message), request_id, scope["path"])
            await send(message)

        try:
            await self.app(scope, _bounded(scope, receive), outward)
        except Exception as error:
            log.error("crash", id=request_id, path=scope["path"][:200], exc_info=error)
            if status:
                raise  # half an answer is out: only closing the connection says so
            await crash_answer(request_id)(scope, receive, outward)

    @staticmethod
    def _count(scope: Scope, status: int, seconds: float) -> None:
        # Labels come from fixed sets: an attacker's paths must not become time series.
        route = getattr(scope.get("route"), "path", "unknown")
        method = scope["method"] if scope["method"] in METHODS else "other"
        REQUESTS.labels(method, route, str(status)).inc()
        SECONDS.labels(method, route).observe(seconds)


def _bounded(scope: Scope, receive: Receive) -> Receive:
    """``receive`` for a body of at most MAX_JSON_BYTES, unless its route reads it itself, whatever it calls itself."""
    if scope["method"] in ("GET", "HEAD"):
        return receive
    if scope["method"] == "PUT" and scope["path"].startswith(RUNNERS):
        return receive
    if scope["method"] == "POST" and UPLOADS.fullmatch(scope["path"]):
        return receive
    total = 0

    async def inward() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > MAX_JSON_BYTES:
            raise HTTPException(413)
        return message

    return inward


def _complete(headers: MutableHeaders, request_id: str, path: str) -> None:
    headers["x-request-id"] = request_id
    policy = DOCS_POLICY if path == "/docs" else NO_CONTENT_POLICY
    for name, value in _with_policy(policy):
        headers.setdefault(name, value)


def _with_policy(policy: str) -> Iterable[tuple[str, str]]:
    return (*SAFE_HEADERS, ("content-security-policy", policy))


def metrics() -> bytes:
    """What was counted here as Prometheus text: over all serving processes when there are several."""
    if ValueClass is MutexValue:
        return generate_latest(REGISTRY)
    everywhere = CollectorRegistry()
    MultiProcessCollector(everywhere)  # type: ignore[no-untyped-call]
    return generate_latest(everywhere)
