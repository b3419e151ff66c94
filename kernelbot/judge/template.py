"""The launcher's end of a template (``warm.py``): what is said to it, and what it answers.

A request is ``{"directory", "isolation", "cache"}`` with two descriptors, for events and for errors. It is
answered, in the order of the requests, by ``{"pid"}`` with a descriptor of the referee's process or by
``{"error"}``; when a referee has ended there is ``{"ended", "status"}``. ``start``, ``request`` and
``receive`` say that for an event loop; :class:`Template` waits by itself.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from kernelbot.judge import staging

ANSWER_S = 180.0
"""A template that still imports torch, on a cold, busy machine, answers when it has."""
END_S = 5.0
PROGRAM = ("kernelbot.judge", "serve")
MAX_MESSAGE = 64 << 10


class Refused(OSError):
    """The template could not fork a referee."""


@dataclass(frozen=True)
class Forked:
    """There is a referee."""

    pid: int
    handle: int  # a descriptor of its process, ours to close


@dataclass(frozen=True)
class Ended:
    """A referee has ended."""

    pid: int
    status: int


def start(
    device: str, environment: Mapping[str, str], program: Sequence[str] = PROGRAM
) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """A template for "cpu" or "cuda": our end of its socket, and its process. It ends when ours closes.

    ``program``: a module and its first arguments, where another one is to be the template.
    """
    end, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    line = [sys.executable, "-m", *program, str(theirs.fileno())]
    with theirs:
        process = subprocess.Popen(
            [*line, "--device", device],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            env=staging.environment(environment),
            cwd="/",
            start_new_session=True,
        )
    return end, process


def request(
    end: socket.socket, directory: Path, events: int, errors: int, isolation: str, cache: str
) -> None:
    """Ask for a referee for a staged directory; the descriptors stay ours too."""
    message = {"directory": str(directory), "isolation": isolation, "cache": cache}
    socket.send_fds(end, [json.dumps(message).encode()], [events, errors])


def receive(end: socket.socket) -> Forked | Ended:
    """What it says next. Raises Refused, and another OSError when it has ended or says nothing yet."""
    packet, descriptors, _, _ = socket.recv_fds(end, MAX_MESSAGE, 1)
    if not packet:
        raise ConnectionResetError("the judge's template has ended")
    message = json.loads(packet)
    if "error" in message:
        raise Refused(message["error"])
    if "pid" in message:
        return Forked(message["pid"], descriptors[0])
    return Ended(message["ended"], message["status"])


class Template:
    """A template for one job at a time. Every method raises OSError when it is gone or too slow."""

    def __init__(
        self,
        device: str,
        environment: Mapping[str, str] = os.environ,
        program: Sequence[str] = PROGRAM,
    ) -> None:
        self.end, self.process = start(device, environment, program)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def fork(
        self,
        directory: Path,
        events: int,
        errors: int,
        cache: str = "",
        timeout_s: float = ANSWER_S,
        isolation: str = "",
    ) -> int:
        """The number of a referee that judges a staged directory."""
        request(self.end, directory, events, errors, isolation, cache)
        self.end.settimeout(timeout_s)
        while isinstance(said := receive(self.end), Ended):
            pass  # one that nobody has waited for
        os.close(said.handle)
        return said.pid

    def ended(self, pid: int, timeout_s: float) -> int:
        """Wait for a referee's end; its exit code."""
        self.end.settimeout(timeout_s)
        while not (isinstance(said := receive(self.end), Ended) and said.pid == pid):
            pass
        return said.status

    def close(self) -> None:
        """It ends after what it judges, or soon."""
        self.end.close()
        try:
            self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.process.terminate()
            self.process.wait()
