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
    cut_after: int | None = None  # bytes of the next bodies until the connection breaks
    broken: int = 0  # connections that were cut so
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _up: bool = True

    def cut(self) -> None:
        """From now on nothing gets through, in neither direction."""
        self._up = False
        for writer in self._open:
            writer.transport.abort()

    def mend(self) -> None:
        self._up = True

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        with contextlib.suppress(OSError, asyncio.CancelledError):
            if not self._up:
                writer.transport.abort()
                return
            inner_reader, inner = await asyncio.open_connection("127.0.0.1", self.port)
            self._open |= {writer, inner}
            try:
                await asyncio.gather(
                    self._copy(reader, inner, counted=True), self._copy(inner_reader, writer)
                )
            finally:
                self._open -= {writer, inner}
                writer.transport.abort()
                inner.transport.abort()

    async def _copy(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        counted: bool = False,
    ) -> None:
        passed = 0
        try:
            while chunk := await reader.read(65536):
                if counted and self.cut_after is not None and b"PUT " in chunk[:4] + b"":
                    passed = 0
                passed += len(chunk)
                if counted and self.cut_after is not None and passed > self.cut_after:
                    writer.write(chunk[: max(0, len(chunk) - (passed - self.cut_after))])
                    await writer.drain()
                    self.cut_after = None
                    self.broken += 1
                    raise ConnectionResetError
                writer.write(chunk)
                await writer.drain()
        finally:
            writer.transport.abort()


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
