"""The agent as a process of its own, over TLS, judging for real."""

from __future__ import annotations

from pathlib import Path

from kernelbot.domain.submission import Status
from kernelbot.judge.protocol import VerdictKind
from kernelbot.services import submissions
from tests.factories import make_actor, submitted
from tests.patience import until
from tests.runners.agents import agent, joined, runner_token, runner_view
from tests.runners.conftest import Site


async def test_a_submission_is_judged_on_a_machine_that_knows_nothing_but_a_token(
    site: Site, state: Path
) -> None:
    app = site.app
    token = await runner_token(app, "donor")
    async with agent(site.line, token, state) as found:
        await joined(found)
        ada = await make_actor(app)
        view = await submitted(app, ada, mode="test")

        async def judged() -> object:
            run = (await submissions.submission(app, ada, view.id)).runs[0]
            return run if run.status is Status.DONE else None

        run = await until(judged, 60)

        assert run.kind is VerdictKind.PASSED, run.verdict
        assert (await runner_view(app, "donor")).state == "ready"
        assert await found.stop() == 0
