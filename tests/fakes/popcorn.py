"""The field's own command line as far as it meets a server: what it sends, and what it takes for what."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any

import httpx2

BOUNDARY = "5c2f0e1d-popcorn"


class PopcornError(Exception):
    """``Application error: ...``, exit code 1."""


@dataclass
class Popcorn:
    """``client`` has its base address and whatever ``~/.popcorn.yaml`` says as ``cli_id``."""

    client: httpx2.AsyncClient
    shown: list[str] = field(default_factory=list)
    saved: list[bytes] = field(default_factory=list)

    async def leaderboards(self) -> list[tuple[str, str]]:
        found = await self._get("/leaderboards")
        for item in found:
            assert isinstance(item["task"], dict)
            assert isinstance(item["name"], str)
            assert isinstance(item["description"], str)
        return [(item["name"], item["description"]) for item in found]

    async def gpus(self, leaderboard: str) -> list[str]:
        found: list[str] = await self._get(f"/gpus/{leaderboard}")
        assert all(isinstance(name, str) for name in found)
        return found

    async def send(self, code: bytes, leaderboard: str, gpu: str, mode: str) -> int:
        """What ``popcorn submit`` begins with, but for profiles."""
        answer = await self._post_file(
            f"/submission/{leaderboard.lower()}/{gpu}/{mode.lower()}", code
        )
        document = self._document(answer)
        number = document["details"]["id"]
        assert isinstance(number, int)
        self._say(number, "accepted", document.get("runner_queue"))
        return number

    async def ask(self, number: int, gpu: str, mode: str) -> str | None:
        """One of its questions of every five seconds: None is to ask again, text what it ends with."""
        found = await self._get(f"/user/submissions/{number}")
        status = found["job"]["status"] or ("done" if found["done"] else "pending")
        self._say(number, f"status: {status}", found["runner_queue"])
        if status in ("failed", "timed_out", "hacked"):
            raise PopcornError(f"Submission {number} {status}: {found['job']['error']}")
        if not found["done"]:
            return None
        runs = [run for run in found["runs"] if run["runner"].lower() == gpu.lower()]
        if mode == "leaderboard":
            _refuse_what_would_not_rank(runs)
            return "\n".join(
                f"Geomean score ({'secret' if run['secret'] else 'public'}) on {run['runner']}: {run['score']} s"
                for run in runs
                if run["mode"] == "leaderboard" and run["score"] is not None
            )
        return "\n\n".join(
            row
            for run in runs
            if not run["secret"] and run["mode"] == mode
            for row in _rows(run["result"], mode)
        )

    async def stream(self, code: bytes, leaderboard: str, gpu: str, mode: str) -> str:
        """``popcorn submit --mode profile``, and every mode of older ones."""
        path = f"/{leaderboard.lower()}/{gpu}/{mode.lower()}"
        content, headers = form(code)
        async with self.client.stream("POST", path, content=content, headers=headers) as answer:
            if not answer.is_success:
                await answer.aread()
                self._document(answer)
            assert answer.headers["content-type"].startswith("text/event-stream")
            waiting = ""
            async for chunk in answer.aiter_bytes():
                waiting += chunk.decode("utf-8", "replace")
                while "\n\n" in waiting:
                    frame, waiting = waiting.split("\n\n", 1)
                    ended = self._frame(frame, mode)
                    if ended is not None:
                        return ended
        raise PopcornError("Stream ended unexpectedly without a final result or error event.")

    def _frame(self, frame: str, mode: str) -> str | None:
        lines = frame.splitlines()
        kinds = [line[len("event:") :].strip() for line in lines if line.startswith("event:")]
        data = [line[len("data:") :].strip() for line in lines if line.startswith("data:")]
        if not (kinds and data):
            return None
        document = json.loads(data[-1])
        if kinds[-1] == "status":
            self.shown.append(document.get("message", data[-1]))
        elif kinds[-1] == "error":
            raise PopcornError(f"Server processing error: {document['detail']}")
        elif kinds[-1] == "result":
            for result in document["results"]:
                for key, stage in result["runs"].items():
                    if key.startswith("profile" if mode == "profile" else mode):
                        self._stage(stage)
            return json.dumps(document["reports"], ensure_ascii=False)[1:-1].replace("\\n", "\n")
        return None

    def _stage(self, stage: dict[str, Any]) -> None:
        if stage["run"]["stdout"]:
            self.shown.append(f"STDOUT:\n{stage['run']['stdout']}")
        if stage["profile"] and stage["profile"]["trace"]:
            self.saved.append(base64.b64decode(stage["profile"]["trace"], validate=True))

    async def submissions(self, leaderboard: str, limit: int = 50) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self._get(
            f"/user/submissions?leaderboard={leaderboard}&limit={limit}"
        )
        return found

    async def show(self, number: int) -> dict[str, Any]:
        found: dict[str, Any] = await self._get(f"/user/submissions/{number}")
        return found

    async def delete(self, number: int) -> None:
        self._document(await self.client.delete(f"/user/submissions/{number}"))

    async def join(self, code: str) -> list[str]:
        answer = await self.client.post("/user/join", json={"code": code})
        names: list[str] = self._document(answer)["leaderboards"]
        return names

    async def register(self) -> None:
        await self._get("/auth/init?provider=discord")

    async def _get(self, path: str) -> Any:
        return self._document(await self.client.get(path))

    async def _post_file(self, path: str, code: bytes) -> httpx2.Response:
        content, headers = form(code)
        return await self.client.post(path, content=content, headers=headers)

    @staticmethod
    def _document(answer: httpx2.Response) -> Any:
        document = answer.json()
        if not answer.is_success:
            detail = document.get("detail")
            raise PopcornError(
                f"Server returned status {answer.status_code}: "
                f"{detail if isinstance(detail, str) else answer.text}"
            )
        return document

    def _say(self, number: int, words: str, queue: dict[str, Any] | None) -> None:
        if queue is not None:
            words += f", {queue['runner']} {queue['gpu']} queue: {queue['queued_jobs']} queued"
        self.shown.append(f"Submission {number} {words}")


def form(code: bytes) -> tuple[bytes, dict[str, str]]:
    """Its form: one part, whose kind it does not say."""
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="kernel.py"\r\n\r\n'
    )
    body = head.encode() + code + f"\r\n--{BOUNDARY}--\r\n".encode()
    return body, {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}


def _refuse_what_would_not_rank(runs: list[dict[str, Any]]) -> None:
    ranked = [run for run in runs if run["mode"] == "leaderboard" and run["passed"]]
    public = any(not run["secret"] and run["score"] is not None for run in ranked)
    secret = any(run["secret"] for run in ranked)
    failed = any(run["secret"] and not run["passed"] for run in runs)
    if not (public and secret) or failed:
        raise PopcornError("it will not appear on the leaderboard")


def _rows(result: dict[str, Any], mode: str) -> list[str]:
    rows = []
    for place in range(int(result.get(f"{mode}-count", 0))):
        values = {
            key.rpartition(".")[2]: value
            for key, value in result.items()
            if key.startswith(f"{mode}.{place}.")
        }
        if values["status"] == "fail":
            rows.append(f"FAIL {values['spec']}: {values['error']}")
        else:
            rows.append(f"PASS {values['spec']} {values.get('mean', '')}".strip())
    return rows
