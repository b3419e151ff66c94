"""Our programs as processes of their own, without the seconds of processor time in which each imports the same.

``start`` is ``asyncio.create_subprocess_exec(sys.executable, "-m", PROGRAM, ...)``, but that the process is forked from
one that has imported everything (``tests.nursery``). Some tests start each of them from nothing all the same: those of
``kernelbot up``, of the way from ``/submit`` to the podium, of the bot's invitation and of an agent without the server's
packages.
"""

from __future__ import annotations

import array
import asyncio
import atexit
import functools
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[1]
HARMLESS = {"PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONUNBUFFERED"}
READ_BY_THE_INTERPRETER = ("PYTHON", "LD_", "LC_", "LANG", "PROMETHEUS_")


class Program:
    """As much of ``asyncio.subprocess.Process`` as tests use."""

    def __init__(self, pid: int, line: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.stdout: asyncio.StreamReader | None = None
        self.stderr: asyncio.StreamReader | None = None
        self._line = line
        self._ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(line, self._hear)

    def _hear(self) -> None:
        asyncio.get_running_loop().remove_reader(self._line)
        with self._line:
            self.returncode = int(self._line.recv(64))
        self._ended.set()

    async def wait(self) -> int:
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    async def communicate(self) -> tuple[bytes, bytes]:
        out, err, _ = await asyncio.gather(_all(self.stdout), _all(self.stderr), self.wait())
        return out, err

    def send_signal(self, number: int) -> None:
        if self.returncode is not None:
            raise ProcessLookupError
        os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


Process = Program | asyncio.subprocess.Process


async def start(
    program: str,
    *arguments: str,
    env: Mapping[str, str],
    cwd: Path | str | None = None,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = None,
    start_new_session: bool = False,
) -> Process:
    """Run a module of ours as ``python -m`` does."""
    if not _forkable(env):
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", program, *arguments, env=dict(env), cwd=cwd,
            stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=start_new_session,
        )  # fmt: skip
    asked = {
        "program": program,
        "arguments": arguments,
        "environment": dict(env),
        "folder": os.path.join(os.getcwd(), cwd or ""),
        "leads": start_new_session,
    }
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    loop = asyncio.get_running_loop()
    readers: dict[int, asyncio.StreamReader] = {}
    opened: list[int] = []
    given = []
    try:
        for number, wanted in enumerate((stdin, stdout, stderr)):
            if wanted is None:
                given.append(number)
            elif wanted == subprocess.PIPE:
                read, write = os.pipe()
                opened.append(write)
                given.append(write)
                reader = readers[number] = asyncio.StreamReader()
                await loop.connect_read_pipe(
                    functools.partial(asyncio.StreamReaderProtocol, reader), os.fdopen(read, "rb")
                )
            elif wanted == subprocess.DEVNULL:
                opened.append(os.open(os.devnull, os.O_RDWR))
                given.append(opened[-1])
            elif wanted == subprocess.STDOUT:
                given.append(given[1])
            else:
                given.append(wanted if isinstance(wanted, int) else wanted.fileno())
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [*given, theirs.fileno()]))
        _nursery().sendmsg([json.dumps(asked).encode()], [rights])
    finally:
        theirs.close()
        for descriptor in opened:
            os.close(descriptor)
    made = Program(int(await loop.sock_recv(ours, 64)), ours)
    made.stdout, made.stderr = readers.get(1), readers.get(2)
    return made


def _forkable(env: Mapping[str, str]) -> bool:
    """Whether the environment says nothing to the interpreter that it did not say to the nursery's."""
    if env.get("PYTHONPATH", str(ROOT)) != str(ROOT):
        return False
    names = {name for name in {*env, *os.environ} if name.startswith(READ_BY_THE_INTERPRETER)}
    return all(env.get(name) == os.environ.get(name) for name in names - HARMLESS)


@functools.cache
def _nursery() -> socket.socket:
    """The way to ask it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.nursery", str(theirs.fileno())],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


async def _all(stream: asyncio.StreamReader | None) -> bytes:
    return b"" if stream is None else await stream.read()
