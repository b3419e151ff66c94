"""The judge's template process: a referee from it is there in milliseconds, with torch imported.

Runs and dies with the worker. Started when it is needed or, better, before; started anew when it has
ended or when the judge's files have changed since. A referee that it has forked is its child and in
its own session; we hold it by a descriptor of the process, which names no other when it is gone.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from kernelbot.judge import template
from kernelbot.judge.protocol import MAX_EVENT_BYTES, judge_digest

GRACE_S = 5.0


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


@dataclass(frozen=True)
class _Fork:
    """What the template says of a referee."""

    pid: int
    handle: int
    status: asyncio.Future[int]  # may come before or after we notice its end by ourselves


class Referee:
    """A referee that the template has forked."""

    def __init__(
        self, fork: _Fork, events: asyncio.StreamReader, errors: asyncio.StreamReader
    ) -> None:
        self.pid = fork.pid
        self.stdout = events
        self.stderr = errors
        self.returncode: int | None = None
        self._handle = fork.handle
        self._status = fork.status
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._loop.add_reader(self._handle, self._gone)

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

    async def judge(self, directory: Path, isolation: str, cache: str) -> Referee:
        """A referee for a staged directory. Raises OSError when there is no template to fork it."""
        self.open()
        assert self._current is not None
        return await self._current.fork(directory, isolation, cache)

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
        self._end, self._process = template.start(device, environment)
        self._end.setblocking(False)
        self._answers: collections.deque[asyncio.Future[_Fork]] = collections.deque()
        self._statuses: dict[int, asyncio.Future[int]] = {}
        self._open = True
        self._loop.add_reader(self._end, self._readable)

    def serves(self, digest: str) -> bool:
        return self._open and digest == self._digest

    def reaped(self) -> bool:
        return self._process.poll() is not None

    def retire(self) -> None:
        """No more jobs: it ends after its referees."""
        with contextlib.suppress(OSError):
            self._end.shutdown(socket.SHUT_WR)

    async def fork(self, directory: Path, isolation: str, cache: str) -> Referee:
        events, errors = os.pipe(), os.pipe()
        answer: asyncio.Future[_Fork] = self._loop.create_future()
        try:
            template.request(self._end, directory, events[1], errors[1], isolation, cache)
            self._answers.append(answer)
            async with asyncio.timeout(template.ANSWER_S):
                fork = await asyncio.shield(answer)
        except BaseException:
            os.close(events[0])
            os.close(errors[0])
            answer.add_done_callback(_abandon)
            raise
        finally:
            os.close(events[1])
            os.close(errors[1])
        return Referee(fork, await _reader(events[0]), await _reader(errors[0]))

    async def close(self) -> None:
        self.retire()
        try:
            await asyncio.to_thread(self._process.wait, GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)
        self._lost(ConnectionResetError("the judge's template has been closed"))

    def _readable(self) -> None:
        try:
            said = template.receive(self._end)
        except BlockingIOError:
            return
        except template.Refused as refusal:
            self._answers.popleft().set_exception(refusal)
        except OSError as error:
            self._lost(error)
        else:
            if isinstance(said, template.Forked):
                status = self._statuses[said.pid] = self._loop.create_future()
                self._answers.popleft().set_result(_Fork(said.pid, said.handle, status))
            else:
                self._statuses.pop(said.pid).set_result(said.status)

    def _lost(self, error: OSError) -> None:
        """It is gone; its referees get a signal from the kernel and end by themselves."""
        if not self._open:
            return
        self._open = False
        self._loop.remove_reader(self._end)
        self._end.close()
        self._process.poll()
        for answer in self._answers:
            answer.set_exception(error)
        self._answers.clear()


def _abandon(answer: asyncio.Future[_Fork]) -> None:
    """A referee came that nobody waits for any more."""
    if not answer.cancelled() and answer.exception() is None:
        handle = answer.result().handle
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGTERM)
        os.close(handle)


async def _reader(descriptor: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=MAX_EVENT_BYTES)
    pipe = os.fdopen(descriptor, "rb", buffering=0)
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, pipe)
    return reader
