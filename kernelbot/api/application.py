"""The application: routes, the door around them, one context for the life of the process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI

import kernelbot
from kernelbot.api import errors
from kernelbot.api.door import Door
from kernelbot.api.pages import Pages
from kernelbot.api.routes import (
    admin,
    admin_people,
    admin_runners,
    artefacts,
    competitions,
    fleet,
    leaderboards,
    logins,
    operations,
    people,
    popcorn,
    problems,
    runner,
    submissions,
)
from kernelbot.services.context import Context

ABOUT = """\
Submit GPU kernels, follow them while they are judged, read the standings.

Reading leaderboards and problems needs no token; everything else takes
`Authorization: Bearer TOKEN`. Every answer that is not a success has the same body:
`{"error": {"code", "message", "detail", "id"}}`. Times of kernels are seconds.
"""

TAGS = (
    ("submissions", "Send a file, follow it, cancel it, read it again."),
    ("leaderboards", "Who is where, and how it came about."),
    ("problems", "What to compute."),
    ("competitions", "Rules and windows, joining, standings across problems."),
    ("me", "Your tokens and what you may still send."),
    ("admin", "Moderation."),
    ("operations", "Health and metrics."),
)


def create(open_context: Callable[[], AbstractAsyncContextManager[Context]]) -> FastAPI:
    """The API over the context that ``open_context`` opens at start and closes at the end."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_context() as context:
            app.state.context = context
            yield

    app = FastAPI(
        title="KernelBot",
        version=kernelbot.__version__,
        description=ABOUT,
        openapi_tags=[{"name": name, "description": about} for name, about in TAGS],
        lifespan=lifespan,
        # A redirect would be an answer of its own for every address with a slash too many.
        redirect_slashes=False,
        redoc_url=None,
    )
    app.state.pages = Pages()
    app.add_middleware(Door)
    errors.install(app)
    # Matched in this order: what is read most comes first.
    for routes in (
        leaderboards,
        submissions,
        runner,
        artefacts,
        problems,
        competitions,
        logins,
        people,
        admin,
        admin_people,
        admin_runners,
        fleet,
        operations,
        popcorn,
    ):
        app.include_router(routes.router)
    return app
