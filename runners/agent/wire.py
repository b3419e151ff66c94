"""The agent's side of the gateway: one call a method, over HTTPS, by no clock but this machine's own."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx2

from kernelbot.judge.artefacts import PIECE_BYTES

ANSWER_S = 30.0
CONNECT_S = 10.0
COURTESY_S = 5.0
"""For a step of a run: its verdict waits behind it."""
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Away(Exception):
    """The server does not answer, or says that it cannot just now: the same call may pass in a moment."""


class Refused(Exception):
    """The server answers that this will not do."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    @property
    def lost(self) -> bool:
        """Whether the lease or the process has been superseded, rather than anything being wrong."""
        return self.status == 409


@dataclass(frozen=True)
class Lease:
    """A run that the server gave us."""

    run_id: int
    lease: str
    gpu: str
    attempt: int


@dataclass(frozen=True)
class Canary:
    """A small kernel of the server's for one of our devices, before anything else on it."""

    id: int
    lease: str
    device: str


@dataclass(frozen=True)
class Work:
    """What the server says when it is asked for work."""

    runs: Sequence[Lease]
    waiting: Mapping[str, int]
    drained: bool
    canary: Canary | None = None


@dataclass(frozen=True)
class Orders:
    """What the server says to a sign of life."""

    alive: Mapping[int, bool]  # the runs that are still ours, with whether to stop them
    drained: bool
    stale: bool
    shut: Mapping[str, str]  # devices that take no run, and why


class Gateway:
    """A server, spoken to with a runner's token. Every method raises Away or Refused."""

    def __init__(self, url: str, token: str, ca: str = "") -> None:
        """Raises ValueError for an address over which a token must not be sent."""
        parts = urlsplit(url)
        plain = parts.scheme == "http" and parts.hostname in LOOPBACK
        if parts.scheme != "https" and not plain:
            raise ValueError(f"{url!r} is no https:// address: the token would be read on the way")
        context = ssl.create_default_context(cafile=ca or None)
        self._session = ""

        def client() -> httpx2.AsyncClient:
            return httpx2.AsyncClient(
                base_url=url.rstrip("/"),
                headers={"authorization": f"Bearer {token}", "user-agent": "kernelbot-agent"},
                timeout=httpx2.Timeout(ANSWER_S, connect=CONNECT_S),
                verify=context,
                trust_env=True,
            )

        self._client = client()
        # Where a network drops connections without a word, the next sign of life is to find a new one: not another of
        # those that other calls have left behind.
        self._signs = client()

    async def close(self) -> None:
        await self._client.aclose()
        await self._signs.aclose()

    async def terms(self) -> dict[str, Any]:
        return await self._json("GET", "/v1/runner")

    async def tree(self, digest: str) -> bytes:
        return (await self._call("GET", f"/v1/runner/tree/{digest}")).content

    async def announce(self, said: Mapping[str, Any]) -> None:
        """From now on this process is the machine's."""
        self._session = ""
        self._session = (await self._json("POST", "/v1/runner/announce", json=said))["session"]

    async def lease(
        self,
        poll: int,
        offers: Sequence[Mapping[str, int]],
        free: Sequence[str],
        wait_s: float,
        holds: Sequence[str],
    ) -> Work:
        """``free``: devices with nothing to do. ``holds``: the leases that have reached us and are not over."""
        body = {"poll": poll, "offers": list(offers), "free": list(free), "wait_s": wait_s}
        body["holds"] = list(holds)
        timeout = httpx2.Timeout(wait_s + ANSWER_S, connect=CONNECT_S)
        said = await self._json("POST", "/v1/runner/lease", json=body, timeout=timeout)
        runs = [
            Lease(run["run_id"], run["lease"], run["gpu"], run["attempt"]) for run in said["runs"]
        ]
        canary = None if said["canary"] is None else Canary(**said["canary"])
        return Work(runs, said["waiting"], said["drained"], canary)

    async def heartbeat(
        self, slots: Mapping[str, int], runs: Sequence[Mapping[str, Any]], trouble: str
    ) -> Orders:
        body = {"slots": slots, "runs": runs, "trouble": trouble[:500]}
        said = await self._json("POST", "/v1/runner/heartbeat", client=self._signs, json=body)
        alive = {int(run_id): bool(stop) for run_id, stop in said["runs"].items()}
        return Orders(alive, said["drained"], said["stale"], said["shut"])

    async def leave(self) -> None:
        await self._json("POST", "/v1/runner/leave")

    async def package(self, run: Lease) -> bytes:
        return (await self._call("GET", self._path(run, "package"), run=run)).content

    async def events(self, run: Lease, events: Sequence[Mapping[str, Any]]) -> None:
        body, path = {"events": events}, self._path(run, "events")
        await self._json("POST", path, run=run, json=body, timeout=COURTESY_S)

    async def file(self, run: Lease, name: str, piece: int, content: bytes) -> None:
        path = self._path(run, f"files/{name}/{piece}")
        await self._json("PUT", path, run=run, content=content)

    async def verdict(self, run: Lease, content: bytes) -> dict[str, Any]:
        return await self._json("PUT", self._path(run, "verdict"), run=run, content=content)

    async def cancelled(self, run: Lease) -> None:
        await self._json("POST", self._path(run, "cancelled"), run=run)

    async def give_back(self, run: Lease) -> None:
        await self._json("POST", self._path(run, "give-back"), run=run)

    async def canary_package(self, canary: Canary) -> bytes:
        path = f"/v1/runner/canaries/{canary.id}/package"
        return (await self._call("GET", path, run=canary)).content

    async def canary_verdict(self, canary: Canary, content: bytes) -> dict[str, Any]:
        path = f"/v1/runner/canaries/{canary.id}/verdict"
        return await self._json("PUT", path, run=canary, content=content)

    async def drop_canary(self, canary: Canary) -> None:
        await self._json("DELETE", f"/v1/runner/canaries/{canary.id}", run=canary)

    @staticmethod
    def _path(run: Lease, what: str) -> str:
        return f"/v1/runner/runs/{run.run_id}/{what}"

    async def _json(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        response = await self._call(method, path, **options)
        try:
            document = response.json()
        except ValueError as error:
            raise Away(f"{path} answers, but not as KernelBot does") from error
        if not isinstance(document, dict):
            raise Away(f"{path} answers, but not as KernelBot does")
        return document

    async def _call(
        self,
        method: str,
        path: str,
        *,
        run: Lease | Canary | None = None,
        client: httpx2.AsyncClient | None = None,
        **options: Any,
    ) -> httpx2.Response:
        headers = {"kernelbot-session": self._session} if self._session else {}
        if run is not None:
            headers["kernelbot-lease"] = run.lease
        try:
            response = await (client or self._client).request(
                method, path, headers=headers, **options
            )
        except httpx2.TransportError as error:
            raise Away(f"{path}: {error!r}") from error
        if response.is_success:
            return response
        if response.status_code >= 500 or response.status_code in (408, 429):
            raise Away(f"{path} answers {response.status_code}")
        code, message = _error(response)
        if not code:  # a proxy's word, not the server's
            raise Away(f"{path} answers {response.status_code}, but not as KernelBot does")
        raise Refused(response.status_code, code, message)


def _error(response: httpx2.Response) -> tuple[str, str]:
    try:
        error = response.json()["error"]
        return str(error["code"]), str(error["message"])
    except (ValueError, KeyError, TypeError):
        return "", ""


async def in_pieces(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in pieces of ``PIECE_BYTES``; the last may be shorter. Nothing at all is one empty piece."""
    waiting, told = bytearray(), False
    async for chunk in chunks:
        waiting += chunk
        while len(waiting) >= PIECE_BYTES:
            yield bytes(waiting[:PIECE_BYTES])
            told = True
            del waiting[:PIECE_BYTES]
    if waiting or not told:
        yield bytes(waiting)
