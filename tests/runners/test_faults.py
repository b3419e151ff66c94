"""What goes wrong on other people's machines, with real processes over TLS: no verdict is lost or doubled.

``victim`` is an agent whose clock is an hour ahead in all that happens to it. ``steady`` is another machine, which
takes nothing until a test has it step in.
"""

from __future__ import annotations

import asyncio
import datetime
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text

from kernelbot.app import App
from kernelbot.judge import shipping
from kernelbot.services import artefacts, runners, submit
from runners.agent.agent import REVOKED
from tests.factories import CODE, lost_by_its_holder, make_actor, submitted
from tests.fakes.tls import Line, line_to
from tests.launchers.contract import CORRECT, ENDLESS
from tests.patience import until
from tests.processes import alive
from tests.runners.agents import ROOT, Process, agent, joined, runner_token, runner_view
from tests.runners.conftest import Site
from tests.services.machines import administrator

SLOW = b"import time\ntime.sleep(3)\n" + CORRECT


async def rows(app: App, query: str, **values: Any) -> list[Any]:
    async with app.database.transaction() as connection:
        return list((await connection.execute(text(query), values)).all())


async def run_of(app: App, submission_id: int) -> Any:
    """The one run of a submission: status, verdict, attempt, runner."""
    (found,) = await rows(
        app,
        "SELECT r.*, m.name AS runner FROM runs r LEFT JOIN runners m ON m.id = r.runner_id "
        "WHERE submission_id = :id",
        id=submission_id,
    )
    return found


async def runs_on(app: App, submission_id: int, runner: str) -> None:
    """Wait until the judge has begun with it there."""

    async def begun() -> bool:
        run = await run_of(app, submission_id)
        return run.status == "running" and run.runner == runner and bool(run.progress)

    await until(begun, 300)


async def ended(app: App, submission_id: int) -> Any:
    """The run once it has ended."""

    async def there() -> Any:
        run = await run_of(app, submission_id)
        return run if run.status in ("done", "cancelled") else None

    return await until(there, 300)


async def verdicts(app: App, submission_id: int) -> int:
    ((count,),) = await rows(
        app,
        "SELECT count(*) FROM verdicts v JOIN runs r ON r.id = v.run_id WHERE submission_id = :id",
        id=submission_id,
    )
    return int(count)


async def takes(app: App, name: str, *, work: bool) -> None:
    """Have a machine take work, or nothing."""
    await runners.drain(app, await administrator(app), name, drained=not work)


async def step_in(app: App, name: str) -> None:
    await takes(app, name, work=True)


def let_go(found: Process, run_id: int) -> bool:
    """Whether an agent has learnt that a run is not its own any more, by its heartbeat or by a refusal."""
    words = ("lost a lease", "a run is not ours any more")
    return any(said.get("run") == run_id and said["event"] in words for said in found.said())


@pytest_asyncio.fixture(autouse=True)
async def rest(site: Site) -> None:
    """Machines of earlier tests take nothing."""
    await rows(site.app, "UPDATE runners SET drained = true RETURNING id")


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that puts a process's wall clock an hour ahead."""
    made = tmp_path_factory.mktemp("clock") / "clock.so"
    source = Path(__file__).with_name("clock.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", made, source, "-ldl"], check=True)
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("agents")


@pytest_asyncio.fixture(scope="module")
async def line(site: Site, folder: Path) -> AsyncIterator[Line]:
    """The victim's own way to the server."""
    async with line_to(site.line.port, folder) as made:
        yield made


@pytest_asyncio.fixture(scope="module")
async def steady(site: Site, folder: Path) -> AsyncIterator[Process]:
    token = await runner_token(site.app, "steady")
    await takes(site.app, "steady", work=False)
    async with agent(site.line, token, folder / "steady") as found:
        yield found


@pytest_asyncio.fixture(scope="module")
async def both(
    site: Site, line: Line, folder: Path, clock: Path, steady: Process
) -> AsyncIterator[Process]:
    token = await runner_token(site.app, "victim")
    ahead = {"LD_PRELOAD": str(clock)}
    async with agent(line, token, folder / "victim", environment=ahead) as found:
        await joined(steady)
        await joined(found)
        yield found


@pytest_asyncio.fixture
async def victim(site: Site, both: Process, rest: None) -> Process:
    """The agent that things happen to; the other takes nothing yet."""
    await takes(site.app, "victim", work=True)
    return both


# --- one agent -----------------------------------------------------------------------------------


async def test_a_clock_that_is_an_hour_off_changes_nothing(site: Site, victim: Process) -> None:
    ada = await make_actor(site.app)
    view = await submitted(site.app, ada, mode="test")

    run = await ended(site.app, view.id)

    assert (run.verdict, run.attempt, run.runner) == ("passed", 1, "victim")
    assert (run.finished_at - run.started_at).total_seconds() < 60
    told = datetime.datetime.fromisoformat(victim.said()[-1]["timestamp"])
    off = (told - datetime.datetime.now(datetime.UTC)).total_seconds()
    assert 3500 < off < 3700  # or nothing was tried here


async def test_what_is_cancelled_is_stopped_with_the_next_sign_of_life(
    site: Site, victim: Process
) -> None:
    app, ada = site.app, await make_actor(site.app)
    view = await submitted(app, ada, mode="test", code=ENDLESS)
    await runs_on(app, view.id, "victim")
    judging = victim.family()

    await submit.cancel(app, ada, view.id)

    run = await ended(app, view.id)
    assert (run.status, run.verdict) == ("cancelled", None)
    assert await until(lambda: not victim.remains())
    assert await until(lambda: len(alive(judging)) < len(judging))
    assert await verdicts(app, view.id) == 0


async def test_a_network_that_is_cut_in_the_middle_of_an_upload_loses_and_doubles_nothing(
    site: Site, victim: Process, line: Line
) -> None:
    app, ada = site.app, await make_actor(site.app)
    line.break_within = b"/files/"
    view = await submitted(app, ada, mode="profile")
    await until(lambda: line.broken == 1, 120)
    line.break_within = b"/verdict"

    run = await ended(app, view.id)

    assert (run.verdict, run.attempt) == ("passed", 1)
    (item,) = await artefacts.listed(app, ada, view.id)
    _, pieces = await artefacts.opened(app, ada, view.id, item.name)
    assert len(b"".join([piece async for piece in pieces])) == item.bytes > 0
    assert line.broken == 2
    assert await verdicts(app, view.id) == 1


async def test_a_verdict_whose_answer_was_lost_is_sent_twice_and_counts_once(
    site: Site, victim: Process, line: Line
) -> None:
    app, ada = site.app, await make_actor(site.app)
    cuts = line.broken
    line.lose_answer_to = b"/verdict"
    view = await submitted(app, ada)

    run = await ended(app, view.id)

    await until(lambda: line.broken > cuts)
    await until(lambda: let_go(victim, run.id))
    assert (run.verdict, run.attempt) == ("passed", 1)
    assert await verdicts(app, view.id) == 1
    assert await until(lambda: not victim.remains())


async def test_a_run_whose_lease_was_lost_on_the_way_is_taken_again_and_costs_no_attempt(
    site: Site, victim: Process, line: Line
) -> None:
    app, ada = site.app, await make_actor(site.app)
    cuts = line.broken
    first = await submitted(app, ada, mode="test", code=SLOW + b"# first\n")
    await runs_on(app, first.id, "victim")
    line.lose_answer_to = b"/v1/runner/lease"  # the next that it asks for
    view = await submitted(app, ada, mode="test", code=CODE + b"# once more")

    run = await ended(app, view.id)

    assert line.broken > cuts
    assert (run.verdict, run.attempt) == ("passed", 1)


async def test_a_run_goes_on_while_the_network_is_down_for_less_than_a_lease(
    site: Site, victim: Process, line: Line
) -> None:
    app, ada = site.app, await make_actor(site.app)
    view = await submitted(app, ada, mode="test", code=SLOW)
    await runs_on(app, view.id, "victim")

    line.cut()
    await asyncio.sleep(1.0)
    line.mend()

    run = await ended(app, view.id)
    assert (run.verdict, run.attempt, run.runner) == ("passed", 1, "victim")


async def test_an_agent_whose_verdict_is_not_believed_steps_back_and_says_why(
    site: Site, victim: Process
) -> None:
    app, ada = site.app, await make_actor(site.app)
    rename = """
        UPDATE runners SET announcement = replace(announcement::text, :old, :new)::jsonb
        WHERE name = 'victim' RETURNING id
    """
    (processor,) = (await runner_view(app, "victim")).devices
    await rows(app, rename, old=processor["name"], new="another one")
    view = await submitted(app, ada, mode="test", code=CORRECT + b"# not believed\n")

    told = await until(lambda: _troubled(app, "victim"), 120)
    await rows(app, rename, old="another one", new=processor["name"])
    run = await ended(app, view.id)

    assert "does not believe its verdict" in told.trouble
    assert processor["name"] in told.trouble
    assert (run.verdict, run.runner) == ("passed", "victim")
    assert run.attempt > 1
    assert await verdicts(app, view.id) == 1


# --- two agents ----------------------------------------------------------------------------------


async def test_an_agent_that_is_frozen_past_its_lease_loses_the_run_and_its_say(
    site: Site, victim: Process, steady: Process
) -> None:
    app, ada = site.app, await make_actor(site.app)
    view = await submitted(app, ada, mode="test", code=SLOW)
    await runs_on(app, view.id, "victim")

    victim.freeze()
    await step_in(app, "steady")
    await lost_by_its_holder(app, view.runs[0].id)
    run = await ended(app, view.id)
    victim.thaw()

    assert (run.verdict, run.attempt, run.runner) == ("passed", 2, "steady")
    await until(lambda: let_go(victim, run.id))
    assert await until(lambda: not victim.remains())
    assert await verdicts(app, view.id) == 1
    # It is no worse for it.
    await takes(app, "steady", work=False)
    again = await submitted(app, ada, mode="test", code=CORRECT + b"# again\n")
    assert (await ended(app, again.id)).runner == "victim"


async def test_a_verdict_for_a_run_that_was_cancelled_meanwhile_changes_nothing(
    site: Site, victim: Process, steady: Process
) -> None:
    app, ada = site.app, await make_actor(site.app)
    view = await submitted(app, ada, mode="test", code=SLOW + b"# cancelled\n")
    await runs_on(app, view.id, "victim")

    victim.freeze()
    await submit.cancel(app, ada, view.id)
    await step_in(app, "steady")
    await lost_by_its_holder(app, view.runs[0].id)
    run = await ended(app, view.id)  # by whoever takes it up
    await asyncio.sleep(2.0)  # its judge goes on meanwhile, and has a verdict
    victim.thaw()

    assert (run.status, run.verdict) == ("cancelled", None)
    assert await until(lambda: not victim.remains())
    assert (await run_of(app, view.id)).status == "cancelled"
    assert await verdicts(app, view.id) == 0


async def test_an_agent_that_is_killed_costs_an_attempt_and_one_that_is_stopped_ends_its_run(
    site: Site, folder: Path
) -> None:
    app, ada = site.app, await make_actor(site.app)
    token = await runner_token(app, "mortal")
    async with agent(site.line, token, folder / "mortal") as found:
        await joined(found)
        view = await submitted(app, ada, mode="test", code=SLOW + b"# killed\n")
        await runs_on(app, view.id, "mortal")
        judging = found.family()
        assert await found.stop(9) == -9
    assert await until(lambda: not alive(judging))
    assert len(found.remains()) == 1

    async with agent(site.line, token, folder / "mortal") as found:
        await lost_by_its_holder(app, view.runs[0].id)
        run = await ended(app, view.id)

        assert (run.verdict, run.attempt, run.runner) == ("passed", 2, "mortal")
        assert await verdicts(app, view.id) == 1
        assert await until(lambda: not found.remains())
        view = await submitted(app, ada, mode="test", code=SLOW + b"# drained\n")
        await runs_on(app, view.id, "mortal")
        assert (await found.stop(), found.family()) == (0, [])
    run = await run_of(app, view.id)
    assert (run.verdict, run.attempt, run.runner) == ("passed", 1, "mortal")
    assert (await runner_view(app, "mortal")).state == "silent"


async def test_a_full_disk_and_a_hasty_stop_cost_nobody_an_attempt_and_others_take_over(
    site: Site, folder: Path, steady: Process
) -> None:
    app, ada = site.app, await make_actor(site.app)
    place = folder / "full"
    (place / "runs").mkdir(parents=True)
    small = (
        f"mount -t tmpfs -o size=2m none {place}/runs && head -c 9m /dev/zero > {place}/runs/filler"
    )
    command = [
        "unshare", *([] if os.getuid() == 0 else ["--user", "--map-root-user"]), "--mount",
        "sh", "-c", f'{small}; exec "$0" -m runners.agent "$@"', sys.executable,
    ]  # fmt: skip
    token = await runner_token(app, "full")
    async with agent(site.line, token, place, command=command) as found:
        await joined(found)
        view = await submitted(app, ada, mode="test")
        await until(lambda: found.heard("takes nothing for a while"))
        told = await until(lambda: _troubled(app, "full"))
        assert (await run_of(app, view.id)).attempt <= 1

        await step_in(app, "steady")
        run = await ended(app, view.id)

        assert "No space left on device" in told.trouble
        assert (run.verdict, run.attempt, run.runner) == ("passed", 1, "steady")
        # With room again it judges again.
        await takes(app, "steady", work=False)
        os.unlink(f"/proc/{found.pid}/root{place}/runs/filler")
        again = await submitted(app, ada, mode="test", code=CORRECT + b"# room\n")
        assert (await ended(app, again.id)).runner == "full"

        # Told twice to stop it gives back what it has, which costs no attempt either.
        view = await submitted(app, ada, mode="test", code=SLOW + b"# given back\n")
        await runs_on(app, view.id, "full")
        found.process.terminate()
        await until(lambda: found.heard("takes nothing more"))
        assert await found.stop() == 0
    await step_in(app, "steady")
    run = await ended(app, view.id)
    assert (run.verdict, run.attempt, run.runner) == ("passed", 1, "steady")


async def _troubled(app: App, name: str) -> Any:
    view = await runner_view(app, name)
    return view if view.state == "troubled" else None


# --- versions, devices, ends ---------------------------------------------------------------------


async def test_an_agent_of_another_version_becomes_the_servers_own_until_it_is_shut_out(
    site: Site, folder: Path, steady: Process
) -> None:
    app, ada = site.app, await make_actor(site.app)
    older = folder / "older"
    for name, content in shipping.files_of(ROOT).items():
        target = older / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    (older / "kernelbot" / "judge" / "referee.py").write_text("raise SystemExit('an old judge')\n")
    token = await runner_token(app, "old")
    path = {"PYTHONPATH": str(older)}
    async with agent(site.line, token, folder / "old", environment=path) as found:
        await joined(found)
        view = await submitted(app, ada, mode="test")
        run = await ended(app, view.id)

        assert (run.verdict, run.runner) == ("passed", "old")
        digest = runners.tree(app)[0]
        assert os.listdir(folder / "old" / "trees") == [digest]
        assert (await runner_view(app, "old")).judge_digest == runners.own_judge(app)
        assert found.heard("goes on as the server's version")

        # Shut out in the middle of a run it ends, and another machine judges that.
        view = await submitted(app, ada, mode="test", code=SLOW + b"# outcast\n")
        await runs_on(app, view.id, "old")
        await runners.revoke(app, await administrator(app), "old")
        await step_in(app, "steady")
        assert await asyncio.wait_for(found.process.wait(), 300) == REVOKED
        assert await until(lambda: not found.family())
    await lost_by_its_holder(app, view.runs[0].id)
    run = await ended(app, view.id)
    assert (run.verdict, run.attempt, run.runner) == ("passed", 2, "steady")


async def test_a_machine_without_the_device_of_its_targets_says_so_and_ends(
    site: Site, folder: Path
) -> None:
    token = await runner_token(site.app, "boastful", targets=("H200", "H200x4"))
    async with agent(site.line, token, folder / "boastful") as found:
        code = await asyncio.wait_for(found.process.wait(), 300)

    assert code == 6
    assert "its token is for H200, H200x4" in found.log.read_text()
    assert (await runner_view(site.app, "boastful")).state == "new"
