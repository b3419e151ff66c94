"""The judge's template process: a referee from it is there in milliseconds, with torch imported.

Runs and dies with the worker. Started when it is needed or, better, before; started anew when it has
ended or when the judge's files have changed since. A referee that it has forked is its child and in
its own session; we hold it by a descriptor of the process, which names no other when it is gone.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import functools
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import structlog

from kernelbot.judge.protocol import MAX_EVENT_BYTES, judge_digest

PR_SET_PDEATHSIG = 1
ANSWER_S = 180.0
"""A template that still imports torch answers when it has."""
GRACE_S = 5.0
MAX_MESSAGE = 64 << 10

log = structlog.get_logger()


class Process(Protocol):
    """A referee, as asyncio knows a process of its own."""

    pid: int

    @property
    def stdout(self) -> asyncio.StreamReader | None: ...
    @property
    def stderr(self) -> asyncio.StreamReader | None: ...
    @property
    def returncode(self) -> int | None: ...
    async def wait(self) -> int: ...
    def terminate(self) -> None: ...


class Forked:
    """A referee that the template has forked."""

    def __init__(
        self, pid: int, handle: int, events: asyncio.StreamReader, errors: asyncio.StreamReader
    ) -> None:
        self.pid = pid
        self.stdout = events
        self.stderr = errors
        self.returncode: int | None = None
        self._handle = handle
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._status: asyncio.Future[int] = self._loop.create_future()
        self._loop.add_reader(handle, self._gone)

    def ended(self, status: int) -> None:
        """What the template says of it; may come before or after we notice by ourselves."""
        if not self._status.done():
            self._status.set_result(status)

    async def wait(self) -> int:
        await self._ended.wait()
        if self.returncode is None:
            try:
                async with asyncio.timeout(GRACE_S):
                    self.returncode = await asyncio.shield(self._status)
            except TimeoutError:
                self.returncode = -signal.SIGKILL  # the template has gone too
        return self.returncode

    def terminate(self) -> None:
        if not self._ended.is_set():
            signal.pidfd_send_signal(self._handle, signal.SIGTERM)

    def _gone(self) -> None:
        self._loop.remove_reader(self._handle)
        os.close(self._handle)
        self._ended.set()


class Template:
    """Keeps one template process; see the module."""

    def __init__(self, environment: Mapping[str, str], device: str) -> None:
        self._environment = dict(environment)
        self._device = device
        self._current: _Connection | None = None
        self._older: list[_Connection] = []

    def open(self) -> None:
        """Start it, unless one of the judge's present files runs. Returns at once."""
        digest = judge_digest()
        if self._current is not None and self._current.serves(digest):
            return
        if self._current is not None:
            self._current.retire()
            self._older.append(self._current)
        self._older = [old for old in self._older if not old.reaped()]
        self._current = _Connection(self._environment, self._device, digest)

    async def judge(self, directory: Path, isolation: str, cache: str) -> Forked:
        """A referee for a staged directory. Raises OSError when there is no template to fork it."""
        self.open()
        assert self._current is not None
        message = {"directory": str(directory), "isolation": isolation, "cache": cache}
        return await self._current.fork(message)

    async def close(self) -> None:
        """End it; the referees have ended already."""
        connections = [*self._older, self._current] if self._current else self._older
        self._current, self._older = None, []
        await asyncio.gather(*(connection.close() for connection in connections))


class _Connection:
    """One template process."""

    def __init__(self, environment: Mapping[str, str], device: str, digest: str) -> None:
        self._digest = digest
        self._loop = asyncio.get_running_loop()
        self._end, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._end.setblocking(False)
        self._answers: collections.deque[asyncio.Future[tuple[int, int]]] = collections.deque()
        self._forked: dict[int, Forked] = {}
        self._early: dict[int, int] = {}  # ended before we had it in our hands
        self._open = True
        with theirs:
            line = [sys.executable, "-m", "kernelbot.judge", "serve", str(theirs.fileno())]
            self._process = subprocess.Popen(
                [*line, "--device", device],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=dict(environment),
                cwd="/",
                start_new_session=True,
                preexec_fn=functools.partial(die_with_parent, os.getpid()),
            )
        self._loop.add_reader(self._end, self._readable)

    def serves(self, digest: str) -> bool:
        return self._open and digest == self._digest

    def reaped(self) -> bool:
        return self._process.poll() is not None

    def retire(self) -> None:
        """No more jobs: it ends after its referees."""
        with contextlib.suppress(OSError):
            self._end.shutdown(socket.SHUT_WR)

    async def fork(self, message: dict[str, Any]) -> Forked:
        events, errors = os.pipe(), os.pipe()
        answer: asyncio.Future[tuple[int, int]] = self._loop.create_future()
        try:
            socket.send_fds(self._end, [json.dumps(message).encode()], [events[1], errors[1]])
            self._answers.append(answer)
            async with asyncio.timeout(ANSWER_S):
                pid, handle = await asyncio.shield(answer)
        except BaseException:
            os.close(events[0])
            os.close(errors[0])
            answer.add_done_callback(_abandon)
            raise
        finally:
            os.close(events[1])
            os.close(errors[1])
        forked = Forked(pid, handle, await _reader(events[0]), await _reader(errors[0]))
        self._forked[pid] = forked
        if pid in self._early:
            self._forked.pop(pid).ended(self._early.pop(pid))
        return forked

    async def close(self) -> None:
        self.retire()
        try:
            await asyncio.to_thread(self._process.wait, GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)
        self._lost()

    def _readable(self) -> None:
        try:
            packet, descriptors, _, _ = socket.recv_fds(self._end, MAX_MESSAGE, 1)
        except BlockingIOError:
            return
        except OSError:
            packet, descriptors = b"", []
        if not packet:
            self._lost()
            return
        message = json.loads(packet)
        if "pid" in message:
            self._answers.popleft().set_result((message["pid"], descriptors[0]))
        elif "error" in message:
            self._answers.popleft().set_exception(OSError(message["error"]))
        elif (forked := self._forked.pop(message["ended"], None)) is not None:
            forked.ended(message["status"])
        else:
            self._early[message["ended"]] = message["status"]

    def _lost(self) -> None:
        """It is gone; its referees get a signal from the kernel and end by themselves."""
        if not self._open:
            return
        self._open = False
        self._loop.remove_reader(self._end)
        self._end.close()
        self._process.poll()
        for answer in self._answers:
            answer.set_exception(ConnectionResetError("the judge's template has ended"))
        self._answers.clear()


def _abandon(answer: asyncio.Future[tuple[int, int]]) -> None:
    """A referee came that nobody waits for any more."""
    if not answer.cancelled() and answer.exception() is None:
        _, handle = answer.result()
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGTERM)
        os.close(handle)


async def _reader(descriptor: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=MAX_EVENT_BYTES)
    pipe = os.fdopen(descriptor, "rb", buffering=0)
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, pipe)
    return reader


def die_with_parent(parent: int) -> None:
    """In the child: without the worker there is nobody to report to."""
    import ctypes

    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
