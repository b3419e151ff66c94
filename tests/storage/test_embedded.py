"""The embedded Postgres under everything that happens to it: kills, reboots, rivals, odd places."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from kernelbot.errors import Conflict, Fault, Refused
from kernelbot.storage import embedded
from kernelbot.storage.embedded import EmbeddedPostgres, find_binaries, postgres_on, running_url

ROOT = Path(__file__).resolve().parents[2]

OWNER = """
import asyncio, sys
from kernelbot.storage.embedded import EmbeddedPostgres

async def main():
    async with EmbeddedPostgres(sys.argv[1], durable=False) as url:
        print(url, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def until(true: Callable[[], bool], what: str, within_s: float = 30.0) -> None:
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        await asyncio.sleep(0.02)


async def ask(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def small(home: Path, **more: object) -> EmbeddedPostgres:
    return EmbeddedPostgres(home, durable=False, **more)  # type: ignore[arg-type]


def owner_process(home: Path) -> subprocess.Popen[str]:
    """Another process in charge of a cluster; returned once that is up."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(home)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("postgresql://")
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


async def test_it_starts_answers_and_leaves_no_process_behind(tmp_path: Path) -> None:
    postgres = small(tmp_path / "pg")
    async with postgres as url:
        assert await ask(url, "SELECT current_user || ' ' || current_database()") == (
            "kernelbot kernelbot"
        )
        assert await ask(url, "SHOW server_encoding") == "UTF8"
        assert await ask(url, "SELECT lower('Ä')") == "ä"
        assert postgres.pid in set(postgres_on(postgres.cluster))

    assert postgres.pid is None
    assert not list(postgres_on(postgres.cluster))


async def test_data_written_before_a_stop_is_there_after_the_next_start(tmp_path: Path) -> None:
    async with small(tmp_path / "pg") as url:
        await ask(url, "CREATE TABLE kept AS SELECT 42 AS number")

    async with small(tmp_path / "pg") as again:
        assert await ask(again, "SELECT number FROM kept") == 42
        assert again == url, "clients that knew the address find it again"


async def test_committed_rows_survive_kill_9_of_the_postmaster_at_once(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path / "pg", durable=True)
    try:
        url = await postgres.start()
        await ask(url, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS number")
        assert postgres.pid is not None
        os.kill(postgres.pid, signal.SIGKILL)
        assert await postgres.wait() == -signal.SIGKILL

        assert await postgres.start() == url
        assert await ask(url, "SELECT count(*) FROM kept") == 1000
    finally:
        await postgres.stop()


async def test_a_postmaster_told_to_end_ends_whoever_is_connected(tmp_path: Path) -> None:
    postgres = small(tmp_path / "pg")
    async with postgres as url:
        pooled = await asyncpg.connect(url, timeout=10)
        assert postgres.pid is not None
        os.kill(postgres.pid, signal.SIGTERM)

        assert await asyncio.wait_for(postgres.wait(), 20) == 0
        pooled.terminate()
        assert await postgres.start() == url


async def test_a_backend_that_is_stuck_after_its_postmaster_was_killed_is_ended(
    tmp_path: Path,
) -> None:
    postgres = small(tmp_path / "pg")
    try:
        url = await postgres.start()
        connection = await asyncpg.connect(url)
        backend = connection.get_server_pid()
        os.kill(backend, signal.SIGSTOP)  # it cannot notice that its postmaster is gone
        assert postgres.pid is not None
        os.kill(postgres.pid, signal.SIGKILL)
        await postgres.wait()
        assert backend in set(postgres_on(postgres.cluster))
        asyncio.get_running_loop().call_later(1.0, os.kill, backend, signal.SIGCONT)

        assert await ask(await postgres.start(), "SELECT 1") == 1
        assert backend not in set(postgres_on(postgres.cluster))
        connection.terminate()
    finally:
        await postgres.stop()


async def test_kill_9_of_the_process_in_charge_takes_postgres_along_and_frees_the_folder(
    tmp_path: Path,
) -> None:
    owner = owner_process(tmp_path / "pg")
    cluster = tmp_path / "pg" / "cluster"
    assert list(postgres_on(cluster))
    end(owner)
    await until(lambda: not list(postgres_on(cluster)), "Postgres ends with its owner")

    async with small(tmp_path / "pg") as url:
        assert await ask(url, "SELECT 1") == 1


async def test_a_start_right_after_such_a_kill_waits_for_the_old_postgres(tmp_path: Path) -> None:
    owner = owner_process(tmp_path / "pg")
    before = set(postgres_on(tmp_path / "pg" / "cluster"))
    end(owner)

    postgres = small(tmp_path / "pg")
    async with postgres as url:
        assert await ask(url, "SELECT 1") == 1
        assert not before & set(postgres_on(postgres.cluster))


async def test_a_pid_file_naming_a_living_stranger_is_not_believed(tmp_path: Path) -> None:
    postgres = small(tmp_path / "pg")
    async with postgres:
        words = (postgres.cluster / "postmaster.pid").read_text().splitlines()
    # As after a reboot: the number belongs to somebody else of the same user now.
    (postgres.cluster / "postmaster.pid").write_text("\n".join([str(os.getpid()), *words[1:]]))

    async with small(tmp_path / "pg") as url:
        assert await ask(url, "SELECT 1") == 1


async def test_a_second_process_is_told_who_is_in_charge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "LOCK_PATIENCE_S", 0.3)
    owner = owner_process(tmp_path / "pg")
    try:
        with pytest.raises(Conflict, match=f"in use by process {owner.pid}.*--data-dir"):
            await small(tmp_path / "pg").start()
    finally:
        end(owner)


async def test_other_processes_learn_the_url_only_while_it_runs(tmp_path: Path) -> None:
    assert running_url(tmp_path / "pg") is None
    async with small(tmp_path / "pg") as url:
        assert running_url(tmp_path / "pg") == url
    assert running_url(tmp_path / "pg") is None


async def test_two_clusters_run_side_by_side(tmp_path: Path) -> None:
    async with small(tmp_path / "one") as one, small(tmp_path / "two") as two:
        assert one != two
        assert await ask(one, "SELECT 1") == await ask(two, "SELECT 1") == 1


async def test_a_port_that_somebody_has_taken_meanwhile_is_left_to_them(tmp_path: Path) -> None:
    async with small(tmp_path / "pg"):
        port = int((tmp_path / "pg" / "port").read_text())
    stranger = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", port)
    async with stranger, small(tmp_path / "pg") as url:
        assert f":{port}/" not in url
        assert await ask(url, "SELECT 1") == 1


async def test_a_wrong_password_and_no_password_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "none"))
    async with small(tmp_path / "pg") as url:
        password = (tmp_path / "pg" / "password").read_text().strip()
        for wrong in ("", "guess"):
            with pytest.raises((asyncpg.InvalidPasswordError, asyncpg.InterfaceError)):
                await asyncpg.connect(url.replace(password, wrong), timeout=10)
    mode = (tmp_path / "pg" / "password").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


async def test_a_lost_password_is_told_as_such(tmp_path: Path) -> None:
    async with small(tmp_path / "pg"):
        pass
    (tmp_path / "pg" / "password").write_text("another\n")

    with pytest.raises(Fault, match=r"password in .* is not the one"):
        await small(tmp_path / "pg").start()
    assert not list(postgres_on(tmp_path / "pg" / "cluster"))


async def test_a_half_made_cluster_of_a_killed_first_start_is_made_anew(tmp_path: Path) -> None:
    half = tmp_path / "pg" / "cluster.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")

    async with small(tmp_path / "pg") as url:
        assert await ask(url, "SELECT 1") == 1
    assert not half.exists()


async def test_a_folder_too_deep_for_a_unix_socket_works_over_tcp(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120) / "with a space and ü"
    async with small(deep) as url:
        assert await ask(url, "SELECT 1") == 1
        assert not list((deep / "socket").iterdir())


async def test_a_damaged_cluster_is_reported_in_postgres_own_words(tmp_path: Path) -> None:
    async with small(tmp_path / "pg"):
        pass
    (tmp_path / "pg" / "cluster" / "global" / "pg_control").write_bytes(b"")

    with pytest.raises(Fault, match=r"(?s)did not start .*pg_control"):
        await small(tmp_path / "pg").start()
    assert running_url(tmp_path / "pg") is None, "a failed start lets go of the folder"


async def test_a_long_start_is_told_while_it_lasts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "QUIET_START_S", 0.0)
    told: list[str] = []
    async with small(tmp_path / "pg", report=told.append) as url:
        assert await ask(url, "SELECT 1") == 1
    assert any("still starting" in line for line in told)


def test_binaries_that_are_not_there_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"no initdb and postgres in .*KERNELBOT_PG_BIN"):
        find_binaries(tmp_path)


async def test_the_system_s_postgres_serves_where_named(tmp_path: Path) -> None:
    system = embedded._system_folders()
    folder = system[0] if system else find_binaries()
    async with small(tmp_path / "pg", binaries=folder) as url:
        version = await ask(url, "SELECT current_setting('server_version_num')::int / 10000")
    assert version == await embedded._version(folder)


async def test_a_start_that_is_cancelled_leaves_nothing_behind(tmp_path: Path) -> None:
    postgres = small(tmp_path / "pg")
    start = asyncio.create_task(postgres.start())
    await until(lambda: postgres.pid is not None or start.done(), "Postgres is being started")
    start.cancel()
    await asyncio.gather(start, return_exceptions=True)
    await postgres.stop()

    assert not list(postgres_on(postgres.cluster))
    async with small(tmp_path / "pg") as url:
        assert await ask(url, "SELECT 1") == 1


async def test_postgres_never_runs_as_root_also_where_namespaces_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As in a container with the usual restrictions; an ordinary user just runs it as itself."""
    can_run = embedded._can_run
    monkeypatch.setattr(
        embedded, "_can_run", lambda words: words[0] != "unshare" and can_run(words)
    )
    with tempfile.TemporaryDirectory() as folder:  # not tmp_path: that is below a 0700 of root
        postgres = small(Path(folder))
        for _ in range(2):  # made, and found again
            async with postgres as url:
                assert await ask(url, "SELECT 1") == 1
                assert os.stat(f"/proc/{postgres.pid}").st_uid == (os.geteuid() or 65534)
