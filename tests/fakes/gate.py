"""A gate in front of a TCP server: shut, it cuts every connection and takes no new one."""

from __future__ import annotations

import asyncio
import contextlib
from urllib.parse import urlsplit, urlunsplit


class Gate:
    """``async with Gate(url) as gate``: ``gate.url`` reaches the same database through the gate."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._open = True
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Gate:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.shut()
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        credentials = self._parts.netloc.rpartition("@")[0]
        return urlunsplit(self._parts._replace(netloc=f"{credentials}@127.0.0.1:{port}"))

    def open(self) -> None:
        self._open = True

    def shut(self) -> None:
        self._open = False
        for writer in list(self._links):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._open:
            writer.transport.abort()
            return
        ends = [writer]
        self._links.add(writer)  # also what is still on its way through is cut
        try:
            there, back = await asyncio.open_connection(self._parts.hostname, self._parts.port)
            ends.append(back)
            self._links.add(back)
            if not writer.transport.is_closing():
                await asyncio.gather(_pipe(reader, back), _pipe(there, writer))
        finally:
            self._links.difference_update(ends)
            for end in ends:
                end.transport.abort()


async def _pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    sink.transport.abort()
