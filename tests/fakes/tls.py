"""A TLS endpoint in front of a server, as a proxy is in production; the network behind it can be cut."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path


def certificate(folder: Path) -> tuple[Path, Path]:
    """A key and a certificate of its own for 127.0.0.1."""
    key, made = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
            "-nodes", "-days", "30", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
            "-keyout", str(key), "-out", str(made),
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    return key, made


@dataclass
class Line:
    """The way from agents to the server."""

    port: int  # where the server is
    url: str = ""
    ca: Path = Path()
    break_within: bytes = (
        b""  # cut the next connection that carries this, in the middle of its body
    )
    lose_answer_to: bytes = b""  # cut the next one that carries this once the server has answered
    broken: int = 0  # connections that were cut so
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _up: bool = True

    def cut(self) -> None:
        """From now on nothing gets through, in neither direction."""
        self._up = False
        for writer in list(self._open):
            writer.transport.abort()

    def mend(self) -> None:
        self._up = True

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        with contextlib.suppress(OSError):
            if not self._up:
                writer.transport.abort()
                return
            ends = [writer]
            self._open.add(writer)  # also what is still on its way through is cut
            try:
                inner_reader, inner = await asyncio.open_connection("127.0.0.1", self.port)
                ends.append(inner)
                self._open.add(inner)
                if not writer.transport.is_closing():
                    await self._both_ways(reader, writer, inner_reader, inner)
            finally:
                self._open.difference_update(ends)
                for end in ends:
                    end.transport.abort()

    async def _both_ways(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        inner_reader: asyncio.StreamReader,
        inner: asyncio.StreamWriter,
    ) -> None:
        deaf = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._forth(reader, inner, deaf))
                both.create_task(self._back(inner_reader, writer, deaf))
        except* OSError:
            pass

    async def _forth(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, deaf: asyncio.Event
    ) -> None:
        while chunk := await reader.read(4096):
            head = chunk.partition(b"\r\n")[0]
            if self.break_within and self.break_within in head:
                self.break_within = b""
                self.broken += 1
                writer.write(chunk[:-1])
                await writer.drain()
                raise ConnectionResetError
            if self.lose_answer_to and self.lose_answer_to in head:
                self.lose_answer_to = b""
                deaf.set()
            writer.write(chunk)
            await writer.drain()
        raise ConnectionResetError

    async def _back(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, deaf: asyncio.Event
    ) -> None:
        while chunk := await reader.read(65536):
            if deaf.is_set():
                self.broken += 1
                raise ConnectionResetError
            writer.write(chunk)
            await writer.drain()
        raise ConnectionResetError


@contextlib.asynccontextmanager
async def line_to(port: int, folder: Path) -> AsyncIterator[Line]:
    """TLS on a port of its own, in front of a server on this machine."""
    key, made = certificate(folder)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made, key)
    line = Line(port=port, ca=made)
    server = await asyncio.start_server(line.carry, "127.0.0.1", 0, ssl=context)
    line.url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield line
    finally:
        line.cut()
        server.close()
