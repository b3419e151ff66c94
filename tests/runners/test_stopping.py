"""SIGTERM ends an agent in whatever it does, and a token that opens nothing any more does too."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from runners.agent import __main__ as program
from runners.agent import agent as agents
from runners.agent import selftest
from runners.agent.agent import Agent, Held, Options
from runners.agent.places import Place
from runners.agent.update import own_tree
from runners.agent.wire import Away, Lease, Orders, Refused
from tests.patience import until

PATIENCE_S = 60.0


class Server:
    """A server that has another version, or none, or nobody's token."""

    def __init__(self, tree: str, *failing: Exception) -> None:
        self.tree_now, self.failing = tree, list(failing)
        self.asked = 0

    async def terms(self) -> Mapping[str, Any]:
        self.asked += 1
        if len(self.failing) and self.asked > 1:
            raise self.failing[0]
        target = {"name": "CPU", "device": "cpu", "match": "", "gpus": 1}
        return {
            "tree": self.tree_now, "name": "box", "heartbeat_s": 0.05, "lease_s": 2.0, "isolation": "",
            "targets": [target],
        }  # fmt: skip

    async def tree(self, digest: str) -> bytes:
        raise Away("not now")

    async def announce(self, said: Mapping[str, Any]) -> None:
        self.asked += 1
        raise Away("not now")

    async def heartbeat(self, *_: Any) -> Orders:
        return Orders({}, False, True, {})

    async def leave(self) -> None:
        pass

    async def close(self) -> None:
        pass


def options(state: Path) -> Namespace:
    return Namespace(state=state, cpu_slots=1, drain_s=5.0)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Agent]:
    """The agents that the program makes."""
    found: list[Agent] = []

    class Known(Agent):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            found.append(self)

    monkeypatch.setattr(program, "Agent", Known)
    monkeypatch.setattr(program, "AGAIN_S", 0.05)
    return found


def proven(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine has a processor, and no test of it takes long."""
    unit = selftest.Unit("cpu", "cpu", "a processor")
    monkeypatch.setattr(selftest, "prove", lambda: selftest.Proof("", "", "", "", (unit,)))
    monkeypatch.setattr(selftest, "fence", lambda demanded: "processes")


async def test_a_stop_ends_the_wait_for_the_servers_version(
    tmp_path: Path, made: list[Agent]
) -> None:
    server = Server("another")
    running = asyncio.create_task(program._run(server, options(tmp_path)))  # type: ignore[arg-type]
    await until(lambda: server.asked > 3)
    made[0].stop()
    assert await asyncio.wait_for(running, PATIENCE_S) == (0, None, "")


async def test_a_process_of_the_server_that_does_not_understand_an_agent_ends_no_agent_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proven(monkeypatch)
    server = Server("tree")

    async def announce(said: Mapping[str, Any]) -> None:
        raise Refused(422, "invalid_input", "body.new: Extra inputs are not permitted.")

    monkeypatch.setattr(server, "announce", announce)
    agent = Agent(server, Options(tmp_path, 1, 5.0), "tree")  # type: ignore[arg-type]
    with pytest.raises(agents.Outdated, match="not permitted"):
        await asyncio.wait_for(agent.run(), PATIENCE_S)


@pytest.mark.parametrize("code", ["revoked_token", "unknown_token"])
async def test_a_token_that_ends_while_the_servers_version_is_fetched_ends_the_agent(
    tmp_path: Path, made: list[Agent], code: str
) -> None:
    server = Server("another", Refused(401, code, "no more"))
    found = await asyncio.wait_for(program._run(server, options(tmp_path)), PATIENCE_S)  # type: ignore[arg-type]
    assert found == (agents.REVOKED, None, "")


async def test_an_agent_that_was_stopped_does_not_go_on_as_another_version(
    tmp_path: Path, made: list[Agent], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(own_tree())

    async def joined(agent: Agent) -> bool:
        place = Place("CPU", None)  # type: ignore[arg-type]  # which nothing is judged on here
        agent._held[1] = Held(Lease(1, "lease", "CPU", 1), place)  # that has not ended yet
        asyncio.get_running_loop().call_later(0.3, agent._held.clear)
        return True

    async def beat(agent: Agent) -> None:
        if (await server.heartbeat()).stale:
            agent._end(agents.Outdated())

    monkeypatch.setattr(Agent, "_join", joined)
    monkeypatch.setattr(Agent, "_beat", beat)
    running = asyncio.create_task(program._run(server, options(tmp_path)))  # type: ignore[arg-type]
    await until(lambda: made)
    made[0].stop()
    assert await asyncio.wait_for(running, PATIENCE_S) == (0, None, "")


async def test_a_stop_ends_an_agent_that_cannot_announce_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proven(monkeypatch)
    server = Server("tree")
    agent = Agent(server, Options(tmp_path, 1, 5.0), "tree")  # type: ignore[arg-type]
    running = asyncio.create_task(agent.run())
    await until(lambda: server.asked > 1)
    agent.stop()
    await asyncio.wait_for(running, PATIENCE_S)
    assert not running.cancelled()
