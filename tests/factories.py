"""Values for tests: valid by default, one argument changes one thing."""

from __future__ import annotations

import itertools
import uuid

from sqlalchemy import text

from kernelbot.app import App
from kernelbot.domain.people import Actor
from kernelbot.domain.submission import Draft
from kernelbot.judge.protocol import (
    CaseResult,
    Device,
    Harness,
    Measurement,
    Stage,
    Verdict,
    VerdictKind,
)
from kernelbot.services import dispatch, identity, submit
from kernelbot.services.dispatch import Assignment
from kernelbot.services.views import SubmissionView
from tests.patience import until

CODE = b"import torch\n\n\ndef custom_kernel(data):\n    a, b, out = data\n    return torch.add(a, b, out=out)\n"
SUBJECTS = itertools.count(1)


async def make_actor(app: App, name: str = "ada", channel: str = "api") -> Actor:
    return await identity.person(app, "test", f"{name}-{next(SUBJECTS)}", name, channel)


def make_draft(**changes: object) -> Draft:
    values: dict[str, object] = {
        "code": CODE,
        "file_name": "kernel.py",
        "leaderboard": "vectoradd",
        "gpus": ("CPU",),
        "mode": "ranked",
    }
    return Draft(**{**values, **changes})  # type: ignore[arg-type]


def make_measurement(ns: float = 1e6, error: float = 0.001) -> Measurement:
    return Measurement(
        ns=ns,
        low_ns=ns * (1 - 2 * error),
        high_ns=ns * (1 + 2 * error),
        stderr_ns=ns * error,
        best_ns=ns * 0.99,
        worst_ns=ns * 1.01,
        samples=20,
        clock="host",
    )


def make_verdict(
    kind: VerdictKind = VerdictKind.PASSED, *, run_id: int = 0, ns: float = 1e6, message: str = ""
) -> Verdict:
    passed = kind in (VerdictKind.PASSED, VerdictKind.QUARANTINED)
    checked = CaseResult(stage=Stage.CHECK, index=0, spec="size: 127", ok=True)
    timed = CaseResult(
        stage=Stage.MEASURE,
        index=0,
        spec="size: 512",
        ok=True,
        measurement=make_measurement(ns) if passed else None,
    )
    return Verdict(
        kind=kind,
        run_id=str(run_id),
        stage=Stage.MEASURE if passed else Stage.CHECK,
        message=message,
        cases=(checked, timed) if passed else (checked,),
        device=Device(name="a processor"),
        harness=Harness(judge_digest="0" * 64),
    )


async def claim_one(app: App, gpu: str = "CPU") -> Assignment:
    """Play a worker that takes the next run, and asks again for one whose row somebody else holds this moment."""
    (assignment,) = await until(lambda: dispatch.claim(app, uuid.uuid4(), {gpu: 1}))
    return assignment


async def lost_by_its_holder(app: App, run_id: int) -> None:
    """Nothing more is heard of whoever has this run, until somebody has taken it up."""
    lease = await _lease(app, run_id)

    async def taken_up() -> bool:
        async with app.database.transaction() as connection:
            # Behind the lock of the claim, so that the next one's lease is not over as well.
            await connection.execute(LOCK_JOB, {"run": run_id})
            held = (await connection.execute(LEASE, {"run": run_id})).scalar_one() == lease
            if held:
                await connection.execute(SILENCE, {"run": run_id})
        return not held

    await until(taken_up, 120)


JOB = "(SELECT queue_id FROM runs WHERE id = :run)"
LOCK_JOB = text(f"SELECT id FROM pgqueuer WHERE id = {JOB} FOR UPDATE")
SILENCE = text(f"UPDATE pgqueuer SET heartbeat = now() - interval '1 hour' WHERE id = {JOB}")
LEASE = text("SELECT lease FROM runs WHERE id = :run")


async def _lease(app: App, run_id: int) -> uuid.UUID:
    async with app.database.read() as connection:
        found: uuid.UUID | None = (await connection.execute(LEASE, {"run": run_id})).scalar_one()
    assert found is not None, "nobody has it"
    return found


async def judge_one(app: App, verdict: Verdict | None = None, *, gpu: str = "CPU") -> Assignment:
    """Play a worker that takes the next run and records this verdict."""
    assignment = await claim_one(app, gpu)
    assert await dispatch.finish(app, assignment, verdict or make_verdict())
    return assignment


async def submitted(app: App, actor: Actor, **changes: object) -> SubmissionView:
    return await submit.accept(app, actor, make_draft(**changes))


async def ranked(app: App, actor: Actor, ns: float, code: bytes = CODE) -> SubmissionView:
    """A submission that was judged and counts."""
    view = await submitted(app, actor, code=code)
    await judge_one(app, make_verdict(ns=ns))
    return view
