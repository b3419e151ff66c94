"""A network that is cut lets nothing through, not even what was on its way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from tests.fakes.gate import Gate
from tests.fakes.tls import Line

Cut = Callable[[], None]


@asynccontextmanager
async def gate(port: int) -> AsyncIterator[tuple[int, Cut]]:
    async with Gate(f"postgresql://somebody@127.0.0.1:{port}/some") as made:
        yield int(made.url.rpartition(":")[2].partition("/")[0]), made.shut


@asynccontextmanager
async def line(port: int) -> AsyncIterator[tuple[int, Cut]]:
    made = Line(port=port)
    server = await asyncio.start_server(made.carry, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], made.cut


@pytest.mark.parametrize("network", [gate, line])
async def test_what_was_being_let_through_when_the_network_was_cut_is_cut_as_well(
    network: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            heard.set_result(await reader.read(1))
        except ConnectionError:
            heard.set_result(b"")
        writer.close()

    asked, go_on, real = asyncio.Event(), asyncio.Event(), asyncio.open_connection

    async def slow(*where: Any) -> Any:
        asked.set()
        await go_on.wait()
        return await real(*where)

    behind = await asyncio.start_server(server, "127.0.0.1", 0)
    async with behind, network(behind.sockets[0].getsockname()[1]) as (port, cut):
        monkeypatch.setattr(asyncio, "open_connection", slow)
        reader, writer = await real("127.0.0.1", port)
        writer.write(b"?")
        await asked.wait()
        cut()
        go_on.set()

        assert await asyncio.wait_for(heard, 60) == b""
        with suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 60) == b""
        writer.close()
