"""Canaries on an agent: a process of its own, over TLS, with the real judge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kernelbot.domain.submission import Status
from kernelbot.judge.protocol import VerdictKind
from kernelbot.services import identity, machines, submissions
from tests.conftest import ADMIN_TOKEN
from tests.factories import make_actor, submitted
from tests.patience import until
from tests.runners.agents import agent, runner_token
from tests.runners.conftest import Site

CANARY_S = 3600.0


async def test_an_agent_judges_canaries_and_takes_no_run_on_a_device_that_is_out(
    site: Site, state: Path
) -> None:
    app = site.app
    admin = await identity.authenticate(app, ADMIN_TOKEN, "api")
    token = await runner_token(app, "donor")

    async def sung() -> Any:
        found = await machines.listed(app, admin)
        return found[0] if found and found[0].canary_good is not None else None

    async with agent(site.line, token, state) as found:
        device = await until(sung, 300)
        assert (device.runner, device.device) == ("donor", "cpu")
        assert device.canary_good, device.canary_reason
        assert sorted(device.seconds) == ["product", "stream"]

        await machines.quarantine(app, admin, device.id, "It smells.")
        await until(lambda: found.heard("takes nothing more"), 60)
        ada = await make_actor(app)
        view = await submitted(app, ada, mode="test")
        await machines.release(app, admin, device.id, "It was lunch.")

        async def judged() -> Any:
            run = (await submissions.submission(app, ada, view.id)).runs[0]
            return run if run.status is Status.DONE else None

        assert (await until(judged, 300)).kind is VerdictKind.PASSED
        assert await found.stop() == 0
