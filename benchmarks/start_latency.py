"""Milliseconds from sending a submission until a worker has it and until the judge begins, on an idle machine.

``python -m benchmarks.start_latency [--submissions 30]``: Postgres, one API process and one worker, all real, on this
machine's processor; one submission at a time, the next when the one before has ended. Needs torch for the worker.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import asyncpg

from benchmarks.api_load import serve
from kernelbot.app import prepare
from kernelbot.cli.up import free_port
from kernelbot.config import Settings
from kernelbot.storage.embedded import EmbeddedPostgres

TOKEN = "kb_start_latency"
AIM_MS = 100.0
STARTED = """
    SELECT extract(epoch FROM r.started_at) AS started,
           (SELECT extract(epoch FROM min(e.created_at)) FROM run_events e
            WHERE e.submission_id = r.submission_id AND e.kind = 'stage') AS judged
    FROM runs r WHERE r.submission_id = $1
"""


def call(url: str, body: bytes | None = None, kind: str = "") -> Any:
    headers = {"Authorization": f"Bearer {TOKEN}"} | ({"Content-Type": kind} if kind else {})
    request = urllib.request.Request(url, body, headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def send(url: str, number: int) -> int:
    code = f"# {number}\nraise ValueError('this is enough to see it begin')\n"
    fields = {"leaderboard": "vectoradd", "gpus": "CPU", "mode": "test"}
    parts = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    file = f'--b\r\nContent-Disposition: form-data; name="file"; filename="k.py"\r\n\r\n{code}\r\n'
    body = (parts + file + "--b--\r\n").encode()
    kind = "multipart/form-data; boundary=b"
    return int(call(f"{url}/v1/submissions", body, kind)["id"])


def ended(url: str, submission: int) -> None:
    for _ in range(1200):
        if call(f"{url}/v1/submissions/{submission}")["done"]:
            return
        time.sleep(0.05)
    raise SystemExit(f"submission {submission} does not end")


def show(label: str, seconds: list[float]) -> float:
    ms = sorted(1000 * item for item in seconds)
    p50 = statistics.median(ms)
    print(f"{label:44}{p50:8.0f}{ms[round(0.95 * (len(ms) - 1))]:8.0f} ms")
    return p50


def judging(log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as file:
        return subprocess.Popen([sys.executable, "-m", "kernelbot.worker"], stderr=file)


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--submissions", type=int, default=30)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kernelbot-start-") as folder:
        async with EmbeddedPostgres(Path(folder) / "postgres") as database:
            os.environ.update(
                DATABASE_URL=database, KERNELBOT_DATA_DIR=folder, KERNELBOT_ADMIN_TOKEN=TOKEN,
                KERNELBOT_LOG_LEVEL="warning", KERNELBOT_TARGETS="CPU", KERNELBOT_WORKER_SLOTS="1",
            )  # fmt: skip
            settings = Settings(port=free_port("127.0.0.1"))
            await prepare(settings)
            server = serve(settings, 1, Path(folder) / "api.log")
            worker = judging(Path(folder) / "worker.log")
            try:
                return await measure(f"http://127.0.0.1:{settings.port}", database, options)
            finally:
                for process in (worker, server):
                    process.terminate()
                    process.wait()


async def measure(url: str, database: str, options: argparse.Namespace) -> int:
    started, judged = [], []
    await asyncio.to_thread(ended, url, await asyncio.to_thread(send, url, 0))  # imports, caches
    connection = await asyncpg.connect(database)
    for number in range(1, options.submissions + 1):
        await asyncio.sleep(0.5)
        at = time.time()
        submission = await asyncio.to_thread(send, url, number)
        await asyncio.to_thread(ended, url, submission)
        row = await connection.fetchrow(STARTED, submission)
        started.append(float(row["started"]) - at)
        judged.append(float(row["judged"]) - at)
    await connection.close()
    print(f"{'from sending it until':44}{'p50':>8}{'p95':>8}")
    p50 = show("a worker has it", started)
    show("the judge begins, as is told", judged)
    print(f"to reach: p50 under {AIM_MS:.0f} ms: {'yes' if p50 < AIM_MS else 'NO'}")
    return 0 if p50 < AIM_MS else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
