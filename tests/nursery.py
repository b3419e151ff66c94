"""A process that has imported our programs and forks one whenever it is asked: ``tests.programs`` asks.

It has no thread and no loop, so that what it forks begins as clean as what an interpreter begins.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import socket
import sys
import threading
import time
import warnings
from typing import Any

PACKAGES = ("kernelbot.api", "kernelbot.bot", "kernelbot.cli", "runners.agent")
AND_WHAT_THESE_IMPORT_WHEN_THEY_NEED_IT = (
    "encodings.idna",
    "httpcore2",
    "kernelbot.worker",
    "rich._emoji_codes",
    "rich.console",
    "rich.live",
    "rich.progress",
    "rich.table",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "truststore",
    "typer._adapters",
    "typer._click.decorators",
    "typer.rich_utils",
    "uvicorn.lifespan.on",
    "uvicorn.loops.uvloop",
    "uvicorn.protocols.http.httptools_impl",
)
LONGEST = 1 << 20


def prepare() -> None:
    for package in PACKAGES:
        for found in pkgutil.walk_packages(
            importlib.import_module(package).__path__, f"{package}."
        ):
            if not found.name.endswith(".__main__"):
                importlib.import_module(found.name)
    for name in AND_WHAT_THESE_IMPORT_WHEN_THEY_NEED_IT:
        importlib.import_module(name)
    # Else the first collection in each child would copy all pages that objects lie in.
    gc.collect()
    gc.freeze()


def next_program(asked: socket.socket) -> dict[str, Any] | None:
    """What this process, a child by then, is to run; None in the nursery itself, at its end."""
    poll = select.poll()
    poll.register(asked, select.POLLIN)
    living: dict[int, tuple[int, socket.socket]] = {}
    while True:
        for ready, _ in poll.poll():
            if ready != asked.fileno():
                pid, line = living.pop(ready)
                poll.unregister(ready)
                os.close(ready)
                _, status = os.waitpid(pid, 0)
                with line, contextlib.suppress(OSError):
                    line.send(str(os.waitstatus_to_exitcode(status)).encode())
                continue
            message, given, _, _ = socket.recv_fds(asked, LONGEST, 4)
            if not message:
                return None
            pid = os.fork()
            if not pid:
                asked.close()
                for watched, (_, other) in living.items():
                    os.close(watched)
                    other.close()
                for number, descriptor in enumerate(given[:3]):
                    os.dup2(descriptor, number)
                for descriptor in given:
                    os.close(descriptor)
                wanted: dict[str, Any] = json.loads(message)
                return wanted
            for descriptor in given[:3]:
                os.close(descriptor)
            line = socket.socket(fileno=given[3])
            line.send(str(pid).encode())
            watched = os.pidfd_open(pid)
            poll.register(watched, select.POLLIN)
            living[watched] = (pid, line)


def become(wanted: dict[str, Any]) -> None:
    """All that an interpreter takes from its environment and its command line, before the program runs."""
    os.environ.clear()
    os.environ.update(wanted["environment"])
    time.tzset()
    os.chdir(wanted["folder"])
    if wanted["leads"]:
        os.setsid()
    unbuffered = bool(os.environ.get("PYTHONUNBUFFERED"))
    for stream in (sys.stdout, sys.stderr):
        by_line = not unbuffered and (stream is sys.stderr or stream.isatty())
        stream.reconfigure(line_buffering=by_line, write_through=unbuffered)  # type: ignore[union-attr]
    sys.path[0] = wanted["folder"]
    sys.argv = ["", *wanted["arguments"]]
    # It runs as __main__, a second time in this process.
    sys.modules.pop(wanted["program"], None)


def run(wanted: dict[str, Any]) -> None:
    """Run the program, and leave as an interpreter does, but that nothing is taken apart: in a fork that means to copy
    whatever has been imported, which takes longer than what most commands do."""
    code: object = None
    try:
        runpy.run_module(wanted["program"], run_name="__main__", alter_sys=True)
    except SystemExit as left:
        code = left.code
    if not isinstance(code, int | None):
        print(code, file=sys.stderr)
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit((code or 0) & 0xFF if isinstance(code, int | None) else 1)


if __name__ == "__main__":
    with (
        warnings.catch_warnings(),
        socket.socket(fileno=int(sys.argv[1])) as line_to_us,
        contextlib.suppress(KeyboardInterrupt),
    ):
        warnings.simplefilter("ignore")  # discord.py's
        prepare()
        program = next_program(line_to_us)
    if program is not None:
        become(program)
        run(program)
