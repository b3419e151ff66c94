"""``python -m kernelbot.api``: serve the API as the settings say, until SIGTERM."""

from __future__ import annotations

import os
import signal
import sys
import tempfile

import uvicorn
from fastapi import FastAPI

from kernelbot import logs
from kernelbot.config import Settings
from kernelbot.errors import Refused

STOP_S = 3
"""Event streams end only with their submissions: at a stop they are cut, and clients come back."""
START_S = 60
"""Of several processes one that says nothing for so long is killed, also while it starts: a busy machine takes a while."""


def factory() -> FastAPI:
    """What each serving process builds for itself."""
    from kernelbot.api.application import create
    from kernelbot.app import build, database_url

    settings = Settings()
    logs.configure(settings, "api")
    try:
        database_url(settings)
    except Refused as error:
        raise SystemExit(f"The API cannot start: {error.message}") from None
    return create(lambda: build(settings))


def main() -> None:
    settings = Settings()
    logs.configure(settings, "api")
    processes = settings.api_processes
    # uvicorn raises the signal again once it has shut down; its default would end us before the
    # folder is removed.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit())
    with tempfile.TemporaryDirectory(prefix="kernelbot-metrics-") as shared:
        if processes > 1:
            # Prometheus may reach any of the processes; the counts of all are in these files.
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = shared
        uvicorn.run(
            "kernelbot.api.__main__:factory",
            factory=True,
            host=settings.host,
            port=settings.port,
            workers=processes,
            loop="auto" if sys.platform == "win32" else "uvloop",
            http="auto" if sys.platform == "win32" else "httptools",
            ws="none",
            access_log=False,
            log_config=None,
            server_header=False,
            date_header=True,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=STOP_S,
            timeout_worker_healthcheck=START_S,
        )


if __name__ == "__main__":
    main()
