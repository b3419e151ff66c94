"""Talking HTTP to the server: one client, its retries, its errors, its event stream."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx2

import kernelbot
from kernelbot.cli.failure import ServerBroke, ServerRefused, Unreachable
from kernelbot.cli.profile import Profile
from kernelbot.cli.screen import note

PAUSES_S = (0.3, 0.7, 1.5, 3.0)
"""Between attempts: a server that restarts is back within that."""

TRY_AGAIN = frozenset({502, 503, 504})
TIMEOUT = httpx2.Timeout(30.0, connect=5.0)
STREAM_TIMEOUT = httpx2.Timeout(60.0, connect=5.0)
"""The server sends a comment every 15 s; a minute of silence is a dead connection."""


@dataclass(frozen=True)
class ServerEvent:
    """One server-sent event; ``id`` is empty for those that are not kept."""

    kind: str
    id: str
    data: Mapping[str, Any]


class Server:
    """One server for the length of a command. ``with Server(profile) as server``."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        headers = {"user-agent": f"kernelbot-cli/{kernelbot.__version__}"}
        if profile.token:
            headers["authorization"] = f"Bearer {profile.token}"
        try:
            self._client = httpx2.Client(base_url=profile.url, headers=headers, timeout=TIMEOUT)
        except (UnicodeEncodeError, ValueError):
            raise ServerRefused("The token contains characters that no token has.") from None

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *failure: object) -> None:
        self._client.close()

    def get(self, path: str, **params: Any) -> Any:
        """The JSON at ``path``. Parameters that are None are left out."""
        return _json(self._request("GET", path, params=_given(params)))

    def get_bytes(self, path: str) -> bytes:
        return self._request("GET", path).content

    def get_licensed(self, path: str) -> tuple[bytes, str]:
        """Somebody's code, and the licence it may be read under."""
        response = self._request("GET", path)
        return response.content, unquote(response.headers.get("x-licence", ""))

    def save(self, path: str, target: Path, size: int) -> None:
        """Write the bytes at ``path`` to a file, whole or not at all."""
        partial = target.with_name(target.name + ".part")
        try:
            with self._client.stream("GET", path) as response:
                if not response.is_success:
                    response.read()
                    self._checked(response)
                with partial.open("wb") as file:
                    for chunk in response.iter_bytes():
                        file.write(chunk)
            if partial.stat().st_size != size:
                raise Unreachable(f"{self.profile.url} sent {target.name} in part. Try again.")
            partial.replace(target)
        except httpx2.TransportError as error:
            raise self._unreachable(error) from None
        finally:
            partial.unlink(missing_ok=True)

    def post(
        self, path: str, body: Mapping[str, Any] | None = None, *, repeat: bool = False
    ) -> Any:
        """``repeat`` says that doing it twice does no harm."""
        return _json(self._request("POST", path, repeat=repeat, json=body))

    def delete(self, path: str) -> Any:
        return _json(self._request("DELETE", path))

    def submit(self, file: Path, code: bytes, fields: Mapping[str, Any], key: str) -> Any:
        """Send a submission; under one ``key`` it is taken once, however often it is sent."""
        response = self._request(
            "POST",
            "/v1/submissions",
            files={"file": (file.name, code, "application/octet-stream")},
            data={name: value for name, value in fields.items() if value},
            headers={"idempotency-key": key},
        )
        return _json(response)

    def _request(
        self, method: str, path: str, *, repeat: bool = True, **options: Any
    ) -> httpx2.Response:
        for pause in (*PAUSES_S, None):
            try:
                response = self._client.request(method, path, **options)
            except httpx2.ConnectError as error:
                trouble: Exception = error
            except httpx2.TransportError as error:
                if not repeat:
                    raise self._unreachable(error) from None
                trouble = error
            else:
                if response.status_code not in TRY_AGAIN or not repeat or pause is None:
                    return self._checked(response)
                trouble = httpx2.TransportError(f"it answers {response.status_code}")
            if pause is None:
                raise self._unreachable(trouble)
            if pause == PAUSES_S[0]:
                note(f"{self.profile.url} does not answer, trying again ...")
            time.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    def _checked(self, response: httpx2.Response) -> httpx2.Response:
        try:
            return checked(response)
        except ServerRefused as error:
            if response.status_code == 401 and self.profile.token:
                error.message += f" It came from {self.profile.origin}."
            raise

    def _unreachable(self, error: Exception) -> Unreachable:
        advice = (
            " Is it running? Start one with `kernelbot up`, or name another with --url."
            if self.profile.local
            else " Check the address (--url, KERNELBOT_URL) and your network."
        )
        return Unreachable(f"Cannot reach {self.profile.url}: {str(error) or 'no answer'}.{advice}")

    def events(self, submission_id: int, after: str) -> Iterator[ServerEvent]:
        """Events after the one with id ``after`` until the connection or the submission ends.

        Raises Unreachable when the connection is lost; call again with the last id seen.
        """
        headers = {"accept": "text/event-stream"} | ({"last-event-id": after} if after else {})
        path = f"/v1/submissions/{submission_id}/events"
        try:
            with self._client.stream(
                "GET", path, headers=headers, timeout=STREAM_TIMEOUT
            ) as response:
                if response.status_code in TRY_AGAIN:
                    raise httpx2.TransportError(f"it answers {response.status_code}")
                if not response.is_success:
                    response.read()
                    self._checked(response)
                yield from parse_events(response.iter_lines())
        except httpx2.TransportError as error:
            raise self._unreachable(error) from None


def parse_events(lines: Iterator[str]) -> Iterator[ServerEvent]:
    """Server-sent events from their lines; what is not one of ours is passed over."""
    kind, event_id = "message", ""
    data: list[str] = []
    for line in lines:
        if not line:
            if data and (document := _object("\n".join(data))) is not None:
                yield ServerEvent(kind, event_id, document)
            kind, event_id, data = "message", "", []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            kind = value
        elif name == "id":
            event_id = value
        elif name == "data":
            data.append(value)


def _object(text: str) -> dict[str, Any] | None:
    try:
        document = json.loads(text)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _given(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}


def _json(response: httpx2.Response) -> Any:
    document = _object(response.text)
    if document is None:
        raise Unreachable(f"{response.url} answers, but not as KernelBot does. Check the address.")
    return document


def checked(response: httpx2.Response) -> httpx2.Response:
    """The response if it is a success, else its error."""
    if response.is_success:
        return response
    error = (_object(response.text) or {}).get("error")
    if not isinstance(error, dict):
        raise Unreachable(
            f"{response.url} answers {response.status_code}, but not as KernelBot does. "
            "Check the address."
        )
    kind = ServerBroke if response.status_code >= 500 else ServerRefused
    raise kind(
        str(error.get("message", "The server refused without a word.")),
        code=str(error.get("code", "")),
        detail=error["detail"] if isinstance(error.get("detail"), dict) else {},
        request_id=str(error.get("id", "")),
    )
