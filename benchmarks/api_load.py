"""How much the API takes and gives with a full database.

``python -m benchmarks.api_load [--submissions 400000] [--seconds 10]``

Loads a tenth of the submissions, measures; loads the rest, measures again; prints both and the
growth. Each size: ranked submissions accepted as fast as answers come, reads of a page of 50
standings as fast as answers come and at an even 1,000 a second. The reads are split over leaderboards
and pages; every submission is different code by one of 2,000 people. As a measure of the machine the
same run also times an endpoint that touches nothing (``/v1/health``). Postgres is the embedded one, durable.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import asyncpg

from benchmarks.http_load import Load, closed_loop, request
from kernelbot.app import prepare
from kernelbot.cli.up import free_port
from kernelbot.config import Settings
from kernelbot.services.identity import digest
from kernelbot.storage.embedded import EmbeddedPostgres

NOTHING, STANDINGS = "health, closed loop", "standings, closed loop"
PACED, SUBMISSIONS = "standings, 1,000/s", "submissions, closed loop"

PEOPLE = 2000
BOARDS = (("vectoradd", "CPU"), ("vectoradd", "H100"), ("matmul", "H100"), ("histogram", "B200"))

SEED_PEOPLE = """
    INSERT INTO users (name) SELECT 'person ' || n FROM generate_series(1, $1) n
"""
SEED_SUBMISSIONS = """
    WITH board AS (SELECT array_agg(l.id ORDER BY l.id) AS ids, array_agg(l.problem_id ORDER BY l.id) AS problems
                   FROM leaderboards l)
    INSERT INTO submissions (leaderboard_id, problem_id, user_id, mode, file_name, language,
                             code_digest, channel, status, created_at, finished_at)
    SELECT ids[1 + n % 3], problems[1 + n % 3], $1 + (n * 7919) % $2,
           CASE WHEN n % 3 = 0 THEN 'test' ELSE 'ranked' END, 'kernel.py', 'python',
           sha256('seed'::bytea), 'api', 'done', now() - interval '90 days' + n * interval '10 s', now()
    FROM board, generate_series($3::bigint, $4::bigint) n
"""
SEED_RUNS = """
    INSERT INTO runs (submission_id, leaderboard_id, user_id, code_digest, gpu, mode, priority,
                      status, verdict, seconds, error, attempt, problem_digest, created_at,
                      started_at, finished_at)
    SELECT s.id, s.leaderboard_id, s.user_id, s.code_digest, g.gpu, s.mode, 10, 'done', 'passed',
           1e-4 * (1 + random()), 0.002, 1, repeat('0', 64), s.created_at, s.created_at, s.created_at
    FROM submissions s, (VALUES ('CPU', 0), ('H100', 1), ('B200', 2)) g(gpu, nth)
    WHERE s.id > $1 AND s.id <= $2 AND (g.nth < 2 OR s.id % 2 = 0)
"""
SEED_VERDICTS = """
    INSERT INTO verdicts (run_id, attempt, document)
    SELECT id, 1, jsonb_build_object('kind', 'passed', 'run_id', id::text) FROM runs WHERE id > $1
"""
SEED_STANDINGS = """
    INSERT INTO standings (leaderboard_id, gpu, user_id, code_digest, run_id, submission_id, seconds,
                           error, runs, submitted_at)
    SELECT DISTINCT ON (r.leaderboard_id, r.gpu, r.user_id) r.leaderboard_id, r.gpu, r.user_id,
           r.code_digest, r.id, r.submission_id, r.seconds, r.error, 1, r.created_at
    FROM runs r JOIN leaderboard_gpus g USING (leaderboard_id, gpu)
    WHERE r.mode = 'ranked' AND r.seconds IS NOT NULL ORDER BY r.leaderboard_id, r.gpu, r.user_id, r.seconds
    ON CONFLICT (leaderboard_id, gpu, user_id) DO UPDATE
    SET seconds = excluded.seconds, run_id = excluded.run_id, submission_id = excluded.submission_id
"""


async def fill(url: str, first: int, last: int) -> tuple[int, int]:
    """Submissions ``first`` to ``last`` with their runs and standings; totals in the database."""
    connection = await asyncpg.connect(url, command_timeout=1800)
    if first == 1:
        await connection.execute(SEED_PEOPLE, PEOPLE)
        await connection.execute(
            "INSERT INTO code_blobs (digest, content) VALUES (sha256('seed'::bytea), 'seed')"
        )
    base = await connection.fetchval("SELECT min(id) FROM users WHERE name LIKE 'person %'")
    if first == 1:
        await connection.executemany(
            "INSERT INTO tokens (user_id, name, digest, hint, scopes, last_used_at) "
            "VALUES ($1, 'load', $2, 'kb_load', '{read,submit}', now())",
            [(base + n, digest(token(n))) for n in range(PEOPLE)],
        )
    before_submission = await connection.fetchval("SELECT coalesce(max(id), 0) FROM submissions")
    before_run = await connection.fetchval("SELECT coalesce(max(id), 0) FROM runs")
    await connection.execute(SEED_SUBMISSIONS, base, PEOPLE, first, last)
    top = await connection.fetchval("SELECT max(id) FROM submissions")
    await connection.execute(SEED_RUNS, before_submission, top)
    await connection.execute(SEED_VERDICTS, before_run)
    await connection.execute(SEED_STANDINGS)
    await connection.execute("UPDATE leaderboard_gpus SET revision = revision + 1")
    await connection.execute("VACUUM ANALYZE")
    totals = await connection.fetchrow(
        "SELECT (SELECT count(*) FROM submissions) AS s, (SELECT count(*) FROM runs) AS r"
    )
    await connection.execute("CHECKPOINT")
    await connection.close()
    return totals["s"], totals["r"]


def token(number: int) -> str:
    return f"kb_load_{number}"


def submission(number: int) -> bytes:
    code = (
        f"# {number} {time.time_ns()}\ndef custom_kernel(data):\n    return data\n"
        + "# pad\n" * 300
    )
    boundary = "boundary"
    parts = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n\r\n{value}\r\n'
        for name, extra, value in (
            ("file", '; filename="kernel.py"', code),
            ("leaderboard", "", "vectoradd"),
            ("gpus", "", "H100"),
            ("mode", "", "ranked"),
        )
    )
    body = (parts + f"--{boundary}--\r\n").encode()
    headers = {
        "Authorization": f"Bearer {token(number % PEOPLE)}",
        "Content-Type": f"multipart/form-data; boundary={boundary}",
        "Idempotency-Key": f"load-{time.time_ns()}-{number}",
    }
    return request("POST", "/v1/submissions", headers=headers, body=body)


def reading(number: int) -> bytes:
    name, gpu = BOARDS[number % len(BOARDS)]
    cursor = f"&cursor={50 * random.randrange(1, 20)}" if number % 2 else ""
    return request("GET", f"/v1/leaderboards/{name}/standings?gpu={gpu}{cursor}", headers={})


def nothing(number: int) -> bytes:
    return request("GET", "/v1/health", headers={})


async def measure(port: int, seconds: float) -> dict[str, Load]:
    async def run(
        make: Callable[[int], bytes], expect: int, connections: int, pace: float | None = None
    ) -> Load:
        return await closed_loop(
            "127.0.0.1",
            port,
            make,
            connections=connections,
            seconds=seconds,
            expect=expect,
            pace=pace,
        )

    await closed_loop("127.0.0.1", port, reading, connections=8, seconds=2, expect=200)
    return {
        NOTHING: await run(nothing, 200, 16),
        STANDINGS: await run(reading, 200, 16),
        PACED: await run(reading, 200, 32, 1000.0),
        SUBMISSIONS: await run(submission, 202, 16),
    }


def serve(settings: Settings, processes: int, log: Path) -> subprocess.Popen[bytes]:
    assert settings.database_url is not None
    environment = {
        **os.environ,
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "KERNELBOT_DATA_DIR": str(settings.data_dir),
        "KERNELBOT_PORT": str(settings.port),
        "KERNELBOT_API_PROCESSES": str(processes),
        "KERNELBOT_LOG_LEVEL": "warning",
    }
    server = subprocess.Popen(
        [sys.executable, "-m", "kernelbot.api"], env=environment, stderr=log.open("wb")
    )
    for _ in range(300):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", settings.port)) == 0:
                return server
        time.sleep(0.1)
    raise SystemExit("the API did not start: " + log.read_text()[-2000:])


def show(title: str, loads: dict[str, Load]) -> None:
    print(f"\n{title}")
    print(f"{'':28}{'per second':>12}{'p50 ms':>10}{'p99 ms':>10}  unexpected")
    for name, load in loads.items():
        row = f"{name:28}{load.per_second:12,.0f}{load.percentile(0.5):10.2f}{load.percentile(0.99):10.2f}"
        print(f"{row}  {load.unexpected or 'none'}")


def judge(small: dict[str, Load], full: dict[str, Load]) -> bool:
    """Hold the full database's figures against what they are to reach; whether all do.

    Growth compares each with the endpoint that touches nothing, measured in the same minute: on a
    machine that others use too, the bare figures of two minutes differ without any growth.
    """

    def growth(name: str) -> float:
        before = small[name].per_second / small[NOTHING].per_second
        return before / (full[name].per_second / full[NOTHING].per_second)

    accepted, read, paced = full[SUBMISSIONS], full[STANDINGS], full[PACED]
    rows = [
        ("submissions accepted per second", accepted.per_second, ">=", 200.0),
        ("standings read per second", read.per_second, ">=", 1000.0),
        ("p99 of a page at 1,000/s, ms", paced.percentile(0.99), "<=", 10.0),
        ("growth of a read, 10 x the data", growth(STANDINGS), "<=", 1.2),
        ("growth of a submission", growth(SUBMISSIONS), "<=", 1.2),
    ]
    print(f"\n{'':34}{'measured':>10}{'to reach':>12}")
    reached = [
        found >= wanted if sign == ">=" else found <= wanted for _, found, sign, wanted in rows
    ]
    for (name, found, sign, wanted), good in zip(rows, reached, strict=True):
        print(f"{name:34}{found:10,.2f}{sign + f' {wanted:,.1f}':>12}  {'yes' if good else 'NO'}")
    unexpected = sum(sum(load.unexpected.values()) for load in (*small.values(), *full.values()))
    print(f"{'answers of another status':34}{unexpected:10}{'0':>12}")
    return all(reached) and not unexpected


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--submissions", type=int, default=400_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kernelbot-load-") as folder:
        async with EmbeddedPostgres(Path(folder) / "postgres") as url:
            settings = Settings(
                database_url=url, data_dir=Path(folder), port=free_port("127.0.0.1")
            )
            await prepare(settings)
            small, results = options.submissions // 10, {}
            for first, last in ((1, small), (small + 1, options.submissions)):
                begun = time.perf_counter()
                submissions, runs = await fill(url, first, last)
                title = f"{submissions:,} submissions, {runs:,} runs"
                print(f"loaded {title} ({time.perf_counter() - begun:.0f} s)", flush=True)
                server = serve(settings, options.processes, Path(folder) / "api.log")
                try:
                    results[last] = await measure(settings.port, options.seconds)
                finally:
                    server.terminate()
                    server.wait()
                show(title, results[last])
    return 0 if judge(results[small], results[options.submissions]) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
