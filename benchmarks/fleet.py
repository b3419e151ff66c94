"""How fast runs are given to machines: 200 simulated agents, 10,000 queued runs of 500 people.

``python -m benchmarks.fleet [--agents 200] [--queued 10000] [--seconds 15]`` starts its own Postgres and API.

*Claim*: the function alone, on an idle machine, one after the other, with that many waiting. *Leases*: agents
that each lease a run over HTTP, hand in a verdict and ask again, the agents in this process, so that
agents, API and Postgres share the machine's cores. *After a kill*: a process leases a run, says that it lives and is
killed; seconds until an agent that waits has the run, with the settings as they are delivered.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import asyncpg

from benchmarks.api_load import serve
from kernelbot.app import App, build, prepare
from kernelbot.cli.up import free_port
from kernelbot.config import Settings
from kernelbot.judge.protocol import (
    Harness,
    Stage,
    Verdict,
    VerdictKind,
    dump,
    judge_digest,
)
from kernelbot.services import dispatch, identity, runners, turns
from kernelbot.storage.embedded import EmbeddedPostgres
from runners.agent.wire import Away, Gateway, Lease, Refused

REDELIVERED_S = 15.0
"""After a kill of its agent a run is to be with another within."""
GPU = "CPU"
PEOPLE = 500
SEED_PEOPLE = "INSERT INTO users (name) SELECT 'person ' || n FROM generate_series(1, $1) n"
SEED = """
    WITH board AS (
        SELECT id, problem_id FROM leaderboards WHERE name = 'vectoradd'
    ), person AS (
        SELECT array_agg(id) AS ids FROM users WHERE name LIKE 'person %'
    ), wanted AS (
        SELECT n, CASE n % 4 WHEN 0 THEN 'ranked' WHEN 1 THEN 'benchmark' ELSE 'test' END AS mode
        FROM generate_series(1, $1) n
    ), sent AS (
        INSERT INTO submissions (leaderboard_id, problem_id, user_id, mode, file_name, language,
                                 code_digest, channel)
        SELECT board.id, board.problem_id, ids[1 + n % array_length(ids, 1)], mode, 'kernel.py',
               'python', sha256('seed'::bytea), 'api'
        FROM board, person, wanted RETURNING *
    ), placed AS (
        INSERT INTO pgqueuer (priority, entrypoint, status)
        SELECT 10, 'gpu:' || $2, 'queued' FROM sent RETURNING id
    )
    INSERT INTO runs (submission_id, leaderboard_id, user_id, code_digest, gpu, mode, priority,
                      queue_id, problem_digest)
    SELECT s.id, s.leaderboard_id, s.user_id, s.code_digest, $2, s.mode, 10, p.id, repeat('0', 64)
    FROM (SELECT *, row_number() OVER (ORDER BY id) AS nth FROM sent) s
    JOIN (SELECT id, row_number() OVER (ORDER BY id) AS nth FROM placed) p USING (nth)
"""


async def fill(url: str, queued: int) -> None:
    connection = await asyncpg.connect(url, command_timeout=600)
    try:
        blob = (
            "INSERT INTO code_blobs VALUES (sha256('seed'::bytea), 'seed') ON CONFLICT DO NOTHING"
        )
        if not await connection.fetchval("SELECT count(*) FROM users WHERE name LIKE 'person %'"):
            await connection.execute(SEED_PEOPLE, PEOPLE)
        await connection.execute(blob)
        await connection.execute(SEED, queued, GPU)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


def show(label: str, seconds: list[float], wall_s: float) -> None:
    ordered = sorted(seconds)
    p50, p99 = ordered[len(ordered) // 2], ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
    rate = len(seconds) / wall_s
    print(
        f"{label:52}{len(seconds):7}{rate:10.0f}/s{1000 * p50:10.1f}{1000 * p99:10.1f} ms",
        flush=True,
    )


def verdict(run_id: int) -> Verdict:
    """One that no device is needed for."""
    return Verdict(
        kind=VerdictKind.BUILD_FAILED, run_id=str(run_id), stage=Stage.BUILD, message="simulated",
        harness=Harness(judge_digest=judge_digest()),
    )  # fmt: skip


async def claims(app: App, count: int) -> None:
    worker, taken, decided = uuid.uuid4(), [], []
    for _ in range(count):
        at = time.perf_counter()
        (held,) = await dispatch.claim(app, worker, {GPU: 1})
        taken.append(time.perf_counter() - at)
        await dispatch.finish(app, held, verdict(held.run_id))
        async with app.database.transaction() as connection:
            at = time.perf_counter()
            await turns.take(app, connection, GPU, 1, worker)
            decided.append(time.perf_counter() - at)
            await connection.rollback()
    show("claim: decide, take, lease, assemble", taken, sum(taken))
    show("  of which reading, deciding and taking", decided, sum(decided))


async def tokens(app: App, count: int) -> list[str]:
    assert app.settings.admin_token is not None
    admin = await identity.authenticate(app, app.settings.admin_token.get_secret_value(), "api")
    made = [
        await runners.create(app, admin, f"box-{n}-{uuid.uuid4().hex[:6]}", [GPU], trusted=False)
        for n in range(count)
    ]
    return [view.secret for view in made]


async def joined(url: str, token: str) -> Gateway:
    gateway = Gateway(url, token)
    terms = await gateway.terms()
    said = {
        "host": "simulated", "tree": terms["tree"], "judge_digest": terms["judge_digest"],
        "isolation": "processes", "slots": {GPU: 1},
        "units": [{"id": "cpu", "kind": "cpu", "name": "a processor"}],
    }  # fmt: skip
    await gateway.announce(said)
    await gateway.heartbeat({GPU: 1}, [], "")
    return gateway


async def work(
    gateway: Gateway, until: Callable[[], bool], leased: list[float], lost: list[float]
) -> None:
    """An agent that judges in no time."""
    beat = time.monotonic()
    for poll in range(1, 1 << 30):
        if until():
            return
        at = time.perf_counter()
        try:
            found = await gateway.lease(poll, [{GPU: 1}], [], 20.0)
            for run in found.runs:
                await gateway.verdict(run, dump(verdict(run.run_id)).encode())
                leased.append(time.perf_counter() - at)
            if time.monotonic() - beat > 5:
                beat = time.monotonic()
                await gateway.heartbeat({GPU: 1}, [], "")
        except (Away, Refused):
            lost.append(time.perf_counter() - at)


async def leases(app: App, url: str, agents: int, seconds: float) -> None:
    gateways = [await joined(url, token) for token in await tokens(app, agents)]
    leased: list[float] = []
    lost: list[float] = []
    end = time.monotonic() + seconds
    begun = time.perf_counter()
    workers = [
        asyncio.create_task(work(item, lambda: time.monotonic() > end, leased, lost))
        for item in gateways
    ]
    await asyncio.gather(*workers)
    show(f"leases and verdicts over HTTP, {agents} agents", leased, time.perf_counter() - begun)
    print(f"  calls that were refused or not answered: {len(lost)}")
    for item in gateways:
        with contextlib.suppress(Away):
            await item.leave()
        await item.close()


async def doomed(url: str, token: str) -> None:
    """Lease a run, say so, and live until killed."""
    gateway = await joined(url, token)
    found = await gateway.lease(1, [{GPU: 1}], [], 20.0)
    (run,) = found.runs
    while True:
        sign = {"run_id": run.run_id, "lease": run.lease, "devices": []}
        await gateway.heartbeat({GPU: 1}, [sign], "")
        print(run.run_id, flush=True)
        await asyncio.sleep(2.0)


async def after_a_kill(app: App, settings: Settings, url: str, times: int) -> bool:
    """Whether the run of a killed agent was with another in time."""
    assert settings.database_url is not None
    found = []
    for _ in range(times):
        await _empty(settings.database_url.get_secret_value())
        await fill(settings.database_url.get_secret_value(), 1)
        first, second = await tokens(app, 2)
        line = [sys.executable, "-m", "benchmarks.fleet", "--doomed", url, first]
        child = await asyncio.create_subprocess_exec(*line, stdout=asyncio.subprocess.PIPE)
        assert child.stdout is not None
        run_id = int(await child.stdout.readline())
        await child.stdout.readline()
        gateway = await joined(url, second)
        waiting = asyncio.create_task(_next(gateway))
        child.send_signal(signal.SIGKILL)
        at = time.perf_counter()
        run = await waiting
        assert run.run_id == run_id
        found.append(time.perf_counter() - at)
        await gateway.verdict(run, dump(verdict(run.run_id)).encode())
        await gateway.close()
        await child.wait()
    took = ", ".join(f"{item:.1f}" for item in found)
    print(
        f"{'the run of a killed agent is with another after':52}{took} s (to reach: {REDELIVERED_S:g})"
    )
    return max(found, default=0.0) <= REDELIVERED_S


async def _next(gateway: Gateway) -> Lease:
    for poll in range(1, 100):
        if (found := await gateway.lease(poll, [{GPU: 1}], [], 20.0)).runs:
            return found.runs[0]
    raise SystemExit("nothing comes")


async def _empty(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("DELETE FROM pgqueuer")
    await connection.execute(
        "UPDATE runs SET status = 'cancelled', lease = NULL WHERE status IN ('queued', 'running')"
    )
    await connection.close()


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", type=int, default=200)
    parser.add_argument("--queued", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--doomed", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.doomed:
        await doomed(*options.doomed)
    with tempfile.TemporaryDirectory(prefix="kernelbot-fleet-") as folder:
        async with EmbeddedPostgres(Path(folder) / "postgres") as url:
            settings = Settings(
                database_url=url, data_dir=Path(folder), port=free_port("127.0.0.1"),
                admin_token="kb_fleet", isolation="processes",
            )  # fmt: skip
            os.environ["KERNELBOT_ISOLATION"] = "processes"  # these agents fence nothing
            await prepare(settings)
            server = serve(settings, 1, Path(folder) / "api.log")
            try:
                async with build(settings) as app:
                    at = f"http://127.0.0.1:{settings.port}"
                    print(f"{'':52}{'':7}{'':12}{'p50':>10}{'p99':>10}")
                    for waiting in (options.queued // 100, options.queued):
                        await _empty(url)
                        await fill(url, waiting)
                        print(f"{waiting:,} runs wait")
                        await claims(app, min(50, waiting))
                    await leases(app, at, options.agents, options.seconds)
                    good = await after_a_kill(app, settings, at, options.kills)
            finally:
                server.terminate()
                server.wait()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
