"""A small load generator: keep-alive connections that each send their next request when answered.

Runs in a process of its own, so that what it costs is not in the server's event loop, and parses no
more of an answer than its status and length: on two cores every microsecond here is the server's.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Load:
    """What came of a load: seconds per answer, and the answers that were not the expected status."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    unexpected: dict[int, int] = field(default_factory=dict)

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """In milliseconds."""
        return statistics.quantiles(self.latencies, n=1000)[round(share * 1000) - 1] * 1000


def request(method: str, path: str, *, headers: dict[str, str], body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: benchmark"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class _Connection(asyncio.Protocol):
    """Answers come one at a time; ``send`` resolves with the status."""

    def __init__(self) -> None:
        self._data = b""
        self._need = 0
        self._answer: asyncio.Future[int] | None = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def send(self, data: bytes) -> asyncio.Future[int]:
        assert self.transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._data, self._need = b"", 0
        self.transport.write(data)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self._need:
            end = self._data.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._data[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            self._need = end + 4 + length
        if len(self._data) >= self._need and self._answer is not None:
            answer, self._answer = self._answer, None
            if not answer.done():
                answer.set_result(int(self._data[9:12]))

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionResetError())


async def closed_loop(
    host: str,
    port: int,
    make: Callable[[int], bytes],
    *,
    connections: int,
    seconds: float,
    expect: int,
    pace: float | None = None,
) -> Load:
    """Send ``make(n)`` for n = 0, 1, ... over that many connections for that long.

    ``pace``: requests per second in all, evenly spread; None is as fast as answers come. With a
    pace, latency counts from when a request was due, so a stall is paid for by everyone behind it.
    """
    load, started = Load(), time.perf_counter()
    counter = iter(range(1 << 60))
    loop = asyncio.get_running_loop()

    async def worker(index: int) -> None:
        _, connection = await loop.create_connection(_Connection, host, port)
        due = started + (index / pace if pace else 0)
        while True:
            now = time.perf_counter()
            if now - started > seconds:
                break
            if pace:
                if due > now:
                    await asyncio.sleep(due - now)
                begun, due = due, due + connections / pace
            else:
                begun = now
            status = await connection.send(make(next(counter)))
            load.latencies.append(time.perf_counter() - begun)
            if status != expect:
                load.unexpected[status] = load.unexpected.get(status, 0) + 1
        assert connection.transport is not None
        connection.transport.close()

    await asyncio.gather(*(worker(index) for index in range(connections)))
    load.seconds = time.perf_counter() - started
    return load
