"""The gateway of the loopback Discord: HELLO, IDENTIFY, RESUME with replay, heartbeats, zlib-stream."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import zlib
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from tests.fakes.discord_world import World

GUILDS, GUILD_MEMBERS, GUILD_PRESENCES, MESSAGE_CONTENT = 1 << 0, 1 << 1, 1 << 8, 1 << 15
PRIVILEGED = GUILD_MEMBERS | GUILD_PRESENCES | MESSAGE_CONTENT


@dataclass(eq=False)
class Line:
    """One websocket: each has a compression stream of its own."""

    socket: web.WebSocketResponse
    compressor: Any

    async def send(self, payload: dict[str, Any]) -> None:
        text = json.dumps(payload)
        if self.compressor is None:
            await self.socket.send_str(text)
        else:
            packed = self.compressor.compress(text.encode())
            await self.socket.send_bytes(packed + self.compressor.flush(zlib.Z_SYNC_FLUSH))


@dataclass(eq=False)
class Session:
    """What survives a dropped connection: the sequence and what was sent in it."""

    id: str
    intents: int
    line: Line | None
    sequence: int = 0
    sent: list[dict[str, Any]] = field(default_factory=list)

    async def dispatch(self, name: str, data: dict[str, Any]) -> None:
        self.sequence += 1
        payload = {"op": 0, "t": name, "s": self.sequence, "d": data}
        self.sent.append(payload)
        if self.line is not None:
            with contextlib.suppress(ConnectionError, RuntimeError):
                await self.line.send(payload)


class Gateway:
    """All sessions of the bot. ``refusing`` turns new connections away, as in an outage."""

    def __init__(self, world: World, token: str) -> None:
        self.world = world
        self.token = token
        self.url = ""
        self.refusing = False
        self.sessions: dict[str, Session] = {}
        self.identified = 0
        self.resumed = 0
        self.approved_intents = GUILDS

    @property
    def connected(self) -> bool:
        return any(session.line is not None for session in self.sessions.values())

    async def dispatch(self, name: str, data: dict[str, Any]) -> None:
        for session in list(self.sessions.values()):  # others come while this is sent
            if session.intents & GUILDS or name == "INTERACTION_CREATE":
                await session.dispatch(name, data)

    async def drop(self, *, resumable: bool = True) -> None:
        """Close all connections without a word; without ``resumable`` RESUME is refused later."""
        for session in list(self.sessions.values()):
            line, session.line = session.line, None
            if not resumable:
                del self.sessions[session.id]
            if line is not None:
                await line.socket.close(code=4000 if resumable else 4009)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        if self.refusing:
            return web.Response(status=503)
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        compressed = request.query.get("compress") == "zlib-stream"
        line = Line(socket, zlib.compressobj() if compressed else None)
        await line.send({"op": 10, "d": {"heartbeat_interval": 41250}, "s": None, "t": None})
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self._receive(line, json.loads(message.data))
        finally:
            for session in self.sessions.values():
                if session.line is line:
                    session.line = None
            await self._tell()
        return socket

    async def _receive(self, line: Line, payload: dict[str, Any]) -> None:
        match payload["op"]:
            case 1:
                await line.send({"op": 11, "d": None, "s": None, "t": None})
            case 2:
                await self._identify(line, payload["d"])
            case 6:
                await self._resume(line, payload["d"])
            case 3 | 4:
                pass
            case other:
                await line.socket.close(code=4001, message=f"opcode {other}".encode())
        await self._tell()

    async def _identify(self, line: Line, data: dict[str, Any]) -> None:
        if data["token"] != self.token:
            await line.socket.close(code=4004)
            return
        if data["intents"] & PRIVILEGED & ~self.approved_intents:
            await line.socket.close(code=4014)
            return
        self.identified += 1
        session = Session(secrets.token_hex(8), data["intents"], line)
        self.sessions[session.id] = session
        bot = self.world.bot
        guilds = list(self.world.guilds.values())
        ready = {
            "v": 10,
            "user": bot.payload(),
            "guilds": [{"id": str(guild.id), "unavailable": True} for guild in guilds],
            "session_id": session.id,
            "resume_gateway_url": self.url,
            "session_type": "normal",
            "application": {"id": str(bot.id), "flags": 0},
            "private_channels": [],
            "shard": [0, 1],
        }
        await session.dispatch("READY", ready)
        for guild in guilds:
            await session.dispatch("GUILD_CREATE", self.world.guild_payload(guild))

    async def _resume(self, line: Line, data: dict[str, Any]) -> None:
        session = self.sessions.get(data["session_id"])
        if session is None:
            await line.send({"op": 9, "d": False, "s": None, "t": None})
            return
        self.resumed += 1
        session.line = line
        for payload in [item for item in session.sent if item["s"] > data["seq"]]:
            await line.send(payload)
        await session.dispatch("RESUMED", {})

    async def _tell(self) -> None:
        async with self.world.changed:
            self.world.changed.notify_all()


async def until(world: World, met: Any, within_s: float, what: str) -> Any:
    """The first true value of ``met()``; AssertionError with the transcript after ``within_s``."""
    try:
        async with asyncio.timeout(within_s):
            while not (value := met()):
                async with world.changed:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(0.05):
                            await world.changed.wait()
            return value
    except TimeoutError:
        raise AssertionError(f"not within {within_s} s: {what}\n{world.transcript()}") from None
