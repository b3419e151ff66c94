"""How fast runs are given to machines: 200 simulated agents, 10,000 queued runs of 500 people.

``python -m benchmarks.fleet [--agents 200] [--queued 10000] [--seconds 15]`` starts its own Postgres and API.

*Claim*: the function alone, on an idle machine, one after the other, with that many waiting. *Statements*: what one agent's
run asks of Postgres, step by step. *Leases*: agents that each lease a run over HTTP, say that they live, fetch it, tell a
step, hand in a verdict and ask again, all in this process, so that agents, API and Postgres share the machine's cores;
processor time of the API and of Postgres says what a run costs where they do not. *After a kill*: a process leases a run,
says that it lives and is killed; seconds until an agent that waits has the run, with the settings as they are delivered.
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
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import asyncpg

from benchmarks.api_load import serve
from kernelbot.app import App, build, prepare
from kernelbot.cli.up import free_port
from kernelbot.config import Settings
from kernelbot.judge.protocol import (
    CaseResult,
    Device,
    Harness,
    Measurement,
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
UNIT = {"id": "cpu", "kind": "cpu", "name": "a processor"}
STEP = {"kind": "stage", "stage": "check", "done": 0, "total": 0, "message": ""}
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
    SELECT s.id, s.leaderboard_id, s.user_id, s.code_digest, $2, s.mode, 10, p.id,
           (SELECT digest FROM problems WHERE id = s.problem_id)
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
    """One that passed, each with times of its own."""
    ns = 1e6 * (1 + run_id * 7919 % 1000 / 50)
    time_ns = Measurement(
        ns=ns, low_ns=ns * 0.99, high_ns=ns * 1.01, stderr_ns=ns * 0.002, best_ns=ns * 0.98,
        worst_ns=ns * 1.02, samples=20, clock="host",
    )  # fmt: skip
    case = CaseResult(stage=Stage.MEASURE, index=0, spec="size: 1", ok=True, measurement=time_ns)
    return Verdict(
        kind=VerdictKind.PASSED, run_id=str(run_id), stage=Stage.MEASURE, cases=(case,),
        device=Device(name=UNIT["name"], kind="cpu"),
        harness=Harness(judge_digest=judge_digest(), isolation="processes"),
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
        "units": [UNIT],
    }  # fmt: skip
    await gateway.announce(said)
    await gateway.heartbeat({GPU: 1}, [], "")
    return gateway


async def judged(gateway: Gateway, run: Lease) -> None:
    """What an agent says of a run that takes no time."""
    await alive(gateway, run)
    await gateway.package(run)
    await gateway.events(run, [STEP])
    await gateway.verdict(run, dump(verdict(run.run_id)).encode())


async def alive(gateway: Gateway, run: Lease) -> None:
    sign = {"run_id": run.run_id, "lease": run.lease, "devices": ["cpu"]}
    await gateway.heartbeat({GPU: 1}, [sign], "")


async def steps(app: App, url: str, database: str, runs: int) -> None:
    """The statements of one agent's run."""
    gateway = await joined(url, (await tokens(app, 1))[0])
    asked: dict[str, int] = {}
    connection = await asyncpg.connect(database)

    async def said(step: str, what: Awaitable[Any]) -> Any:
        before = await statements(connection)
        found = await what
        asked[step] = asked.get(step, 0) + await statements(connection) - before - 1
        return found

    for poll in range(1, runs + 1):
        found = await said("lease", gateway.lease(poll, [{GPU: 1}], ["cpu"], 20.0, []))
        if found.canary is not None:
            raise SystemExit("there are canaries: set KERNELBOT_CANARY_S=0")
        (run,) = found.runs
        await said("sign of life", alive(gateway, run))
        await said("package", gateway.package(run))
        await said("step", gateway.events(run, [STEP]))
        await said("verdict", gateway.verdict(run, dump(verdict(run.run_id)).encode()))
    await connection.close()
    await gateway.leave()
    await gateway.close()
    each = ", ".join(f"{step} {count / runs:.1f}" for step, count in asked.items())
    print(f"statements a run: {sum(asked.values()) / runs:.1f} ({each})", flush=True)


async def statements(connection: asyncpg.Connection) -> int:
    """How many Postgres has had, this one too; BEGIN and COMMIT among them."""
    return int(await connection.fetchval("SELECT coalesce(sum(calls), 0) FROM pg_stat_statements"))


def processor_s(pid: int) -> float:
    """Seconds of processor time of a process and of everything that it has started."""
    ticks, parents = {}, {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            words = (entry / "stat").read_text().rpartition(")")[2].split()
            ticks[int(entry.name)] = sum(
                map(int, words[11:15])
            )  # its own, and of children that ended
            parents[int(entry.name)] = int(words[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return sum(ticks.get(item, 0) for item in found) / os.sysconf("SC_CLK_TCK")


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
            found = await gateway.lease(poll, [{GPU: 1}], [], 20.0, [])
            for run in found.runs:
                await judged(gateway, run)
                leased.append(time.perf_counter() - at)
            if time.monotonic() - beat > 5:
                beat = time.monotonic()
                await gateway.heartbeat({GPU: 1}, [], "")
        except (Away, Refused):
            lost.append(time.perf_counter() - at)


async def leases(
    app: App, url: str, agents: int, seconds: float, processes: Mapping[str, int]
) -> None:
    """``processes``: whose processor time is told."""
    gateways = [await joined(url, token) for token in await tokens(app, agents)]
    leased: list[float] = []
    lost: list[float] = []
    end = time.monotonic() + seconds
    begun = time.perf_counter()
    before = {name: processor_s(pid) for name, pid in processes.items()}
    workers = [
        asyncio.create_task(work(item, lambda: time.monotonic() > end, leased, lost))
        for item in gateways
    ]
    await asyncio.gather(*workers)
    show(f"leases and verdicts over HTTP, {agents} agents", leased, time.perf_counter() - begun)
    print(f"  calls that were refused or not answered: {len(lost)}")
    for name, pid in processes.items():
        used = processor_s(pid) - before[name]
        print(f"  processor time of {name}: {1000 * used / max(1, len(leased)):.1f} ms a run")
    for item in gateways:
        with contextlib.suppress(Away):
            await item.leave()
        await item.close()


async def doomed(url: str, token: str) -> None:
    """Lease a run, say so, and live until killed."""
    gateway = await joined(url, token)
    found = await gateway.lease(1, [{GPU: 1}], [], 20.0, [])
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
        if (found := await gateway.lease(poll, [{GPU: 1}], [], 20.0, [])).runs:
            return found.runs[0]
    raise SystemExit("nothing comes")


async def _empty(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("DELETE FROM pgqueuer")
    await connection.execute(
        "UPDATE runs SET status = 'cancelled', lease = NULL WHERE status IN ('queued', 'running')"
    )
    await connection.close()


async def _have_it_count(postgres: EmbeddedPostgres) -> None:
    """Have it load what counts statements, with its next start."""
    async with postgres as url:
        connection = await asyncpg.connect(url)
        await connection.execute("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
        await connection.execute("ALTER SYSTEM SET pg_stat_statements.max = 5000")
        await connection.execute("CREATE EXTENSION pg_stat_statements")
        await connection.close()


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", type=int, nargs="+", default=[50, 200])
    parser.add_argument("--queued", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--doomed", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.doomed:
        await doomed(*options.doomed)
    with tempfile.TemporaryDirectory(prefix="kernelbot-fleet-") as folder:
        postgres = EmbeddedPostgres(Path(folder) / "postgres")
        await _have_it_count(postgres)
        async with postgres as url:
            settings = Settings(
                database_url=url, data_dir=Path(folder), port=free_port("127.0.0.1"),
                admin_token="kb_fleet", isolation="processes", canary_s=0.0,
            )  # fmt: skip
            # These agents fence nothing, and have no device to look after.
            os.environ |= {"KERNELBOT_ISOLATION": "processes", "KERNELBOT_CANARY_S": "0"}
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
                    await steps(app, at, url, 30)
                    assert postgres.pid is not None
                    watched = {"the API": server.pid, "Postgres": postgres.pid}
                    for agents in options.agents:
                        await fill(url, options.queued // 5)  # what the last ones have taken
                        await leases(app, at, agents, options.seconds, watched)
                    good = await after_a_kill(app, settings, at, options.kills)
            finally:
                server.terminate()
                server.wait()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
