"""From queue to launcher and back: claim, stage, keep alive, give back, give up.

The worker process calls these for its own GPUs; a gateway for agents calls the same functions.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from kernelbot.domain.target import Target
from kernelbot.judge.protocol import Event, Job, Mode, Stage, Verdict, VerdictKind
from kernelbot.services import canaries, competitions, figures, light, record, turns, unposed
from kernelbot.services.context import Context
from kernelbot.storage import artefacts, devices, fleet, queue
from kernelbot.storage import submissions as store

LONGEST_PAUSE_S = 300.0
MORE_ATTEMPTS = 8
"""Of what is measured again, which nobody but us can send once more: over a day and a half in all."""
MORE_PAUSE_S = 600.0
LONGEST_MORE_PAUSE_S = 12 * 3600.0
EVENT_DAYS = 7
MOST_RECOVERED = 100
RESTART = "a restart of ours"
"""Why a run goes back into the queue, in words for its owner."""


May = Callable[[AsyncConnection, Mapping[str, int]], Awaitable[Mapping[str, int]]]
"""Of free slots those that may be filled, as decided in the transaction that fills them."""


@dataclass(frozen=True, kw_only=True)
class Hold:
    """A run in somebody's hands, and the lease to speak for it."""

    run_id: int
    submission_id: int
    queue_id: int
    lease: uuid.UUID
    gpu: str
    attempt: int
    mode: Mode


@dataclass(frozen=True, kw_only=True)
class Assignment(Hold):
    """A run that is held, with everything needed to judge it."""

    job: Job
    problem_files: Mapping[str, bytes]
    code: bytes
    handle: str = ""
    """Where an earlier holder had it started, for the launcher to attach to; empty: nowhere."""


async def claim(ctx: Context, worker_id: uuid.UUID, free: Mapping[str, int]) -> list[Assignment]:
    """Take the next runs for the GPUs with free slots, and what silent workers left behind.

    A run that has used up its attempts is recorded as our failure here, because whatever it does to
    workers it has now done often enough.
    """
    found = []
    for held in await lease(ctx, worker_id, free):
        # A problem that this version cannot read must not take the worker's other runs along.
        made = await assignment(ctx, worker_id, held.run_id, held.lease)
        if made is not None:
            found.append(made)
    return found


async def lease(
    ctx: Context,
    worker_id: uuid.UUID,
    free: Mapping[str, int],
    *,
    first_lease_s: float | None = None,
    may: May | None = None,
) -> list[Hold]:
    """The same, for a holder that fetches what it needs later (:func:`assignment`).

    ``first_lease_s``: silence after which they are given to another as long as no heartbeat has come for them;
    for a worker that may not have heard the answer. ``may``: what bounds ``free``, for a worker whose word does not.
    """
    # Everybody who waits for work asks whenever the queue changes: mostly in vain, so that has to be cheap.
    lease_s = ctx.settings.lease_s
    async with ctx.database.read() as connection:
        waits, left = await queue.due(connection, free, lease_s)
    if not waits and not left:
        return []
    aged_s = 0.0 if first_lease_s is None else max(0.0, lease_s - first_lease_s)
    async with ctx.database.transaction() as connection:
        # One statement first, so that the queue's own statements are inside this transaction.
        if may is None:
            await fleet.touch(connection, worker_id)
        else:
            free = await may(connection, free)
        places: list[int] = []
        for gpu, slots in free.items():
            lost = (
                await queue.reclaim(connection, gpu, slots, worker_id, lease_s, aged_s)
                if left
                else []
            )
            places += lost
            if waits and len(lost) < slots:
                places += await turns.take(
                    ctx, connection, gpu, slots - len(lost), worker_id, aged_s
                )
        if not places:
            return []
        await store.lock_waiting(connection, places)
        runs = await store.lease(connection, places, worker_id)
        for place in set(places) - {run.queue_id for run in runs}:
            await queue.finish(connection, place, "canceled")
    held = []
    for run in runs:
        # Its last worker died before it could obey; what goes on elsewhere is ended by the one that has it now.
        if run.cancel_requested and not run.handle:
            await record.cancelled(ctx, run.id, run.submission_id, run.lease)
        elif run.was == "running" and run.attempt > ctx.settings.attempts:
            await _fail(ctx, run)
        else:
            held.append(hold(run))
    return held


async def assignment(
    ctx: Context, worker_id: uuid.UUID, run_id: int, lease: uuid.UUID
) -> Assignment | None:
    """Everything needed to judge a run that this worker holds under this lease; None when it is somebody else's or
    nobody's, or was a fault of ours, because this version cannot read its problem."""
    async with ctx.database.read() as connection:
        run = await store.to_judge(connection, worker_id, run_id, lease)
    if run is None:
        return None
    try:
        return await _assembled(ctx, run)
    except (KeyError, TypeError, ValueError) as error:
        await _finish(ctx, run.id, run, _our_fault(run.id, f"cannot be assembled: {error!r}"))
        return None


async def _assembled(ctx: Context, run: Row[Any]) -> Assignment:
    async with ctx.database.read() as connection:
        problem = await competitions.stored(ctx, connection, run.problem_id)
    target = ctx.targets.get(run.gpu) or Target(name=run.gpu, device="cuda", match="$^")
    job = problem.on_gpus(target.gpus).job(
        run_id=str(run.id),
        mode=Mode(run.mode),
        device=target.device,
        expect_device=target.match,
        submission_name=run.file_name,
        attempt=run.attempt,
        peaks=light.peaks(ctx, run.gpu),
    )
    job = replace(job, cache_key=_cache_key(run.user_id, run.problem_id))
    if run.profile_case is not None:
        job = replace(job, profile_case=run.profile_case)
    return Assignment(
        run_id=run.id,
        submission_id=run.submission_id,
        queue_id=run.queue_id,
        lease=run.lease,
        gpu=run.gpu,
        attempt=run.attempt,
        mode=job.mode,
        job=job,
        problem_files=problem.judge_files,
        code=bytes(run.content),
        handle=run.handle or "",
    )


def _cache_key(user_id: int, problem_id: int) -> str:
    """Whose compile cache a run uses: nobody else's, and no other problem's."""
    return hashlib.sha256(f"{user_id} {problem_id}".encode()).hexdigest()


def hold(run: Row[Any]) -> Hold:
    """What a run's row lets its holder do."""
    return Hold(
        run_id=run.id,
        submission_id=run.submission_id,
        queue_id=run.queue_id,
        lease=run.lease,
        gpu=run.gpu,
        attempt=run.attempt,
        mode=Mode(run.mode),
    )


async def goes_on(ctx: Context, held: Hold, handle: str) -> bool:
    """Write down where a run goes on though its worker ends; False when the lease is lost."""
    async with ctx.database.transaction() as connection:
        return await store.set_handle(connection, held.run_id, held.lease, handle)


async def progress(ctx: Context, held: Hold, event: Event) -> bool:
    """Write down a step of a run; False when the lease is lost."""
    return await tell(ctx, held.run_id, held.lease, event)


async def tell(
    ctx: Context, run_id: int, lease: uuid.UUID, event: Event, worker_id: uuid.UUID | None = None
) -> bool:
    """The same; False too when the lease is another worker's, where one is named."""
    counted = f" {event.done} of {event.total}" if event.total else ""
    data = {"stage": event.stage.value, "done": event.done, "total": event.total}
    if event.message:
        data["message"] = event.message[:300]
    async with ctx.database.read() as connection:
        return await store.progress(
            connection, run_id, lease, worker_id,
            words=f"{event.stage.value}{counted}", kind=event.kind, data=data,
        )  # fmt: skip


async def heartbeat(
    ctx: Context,
    worker_id: uuid.UUID,
    host: str,
    slots: Mapping[str, int],
    device: Mapping[str, Any],
    judge_digest: str,
    held: Mapping[int, Hold],
) -> dict[int, bool]:
    """A worker's sign of life. Of the runs it holds, those still its own, with whether to stop them."""
    async with ctx.database.transaction() as connection:
        await fleet.register(connection, worker_id, host, slots, device, judge_digest)
        return await queue.heartbeat(
            connection, {run_id: item.lease for run_id, item in held.items()}
        )


async def finish(ctx: Context, held: Hold, verdict: Verdict, *, keep: bool = False) -> bool:
    """What came of a run: recorded, or, when the failure is ours, tried again after a pause. ``keep``: by
    attaching to what goes on all the same.

    False when the lease was lost meanwhile: whoever holds it now decides.
    """
    return await _finish(ctx, held.run_id, held, verdict, keep)


async def _finish(
    ctx: Context, run_id: int, held: Hold | Row[Any], verdict: Verdict, keep: bool = False
) -> bool:
    # Figures that cannot be scored too: a machine that is too busy to measure may do better the next time.
    ours = verdict.kind is VerdictKind.JUDGE_FAILED or not figures.sound(verdict)
    delay = await _pause_s(ctx, held.attempt, held.submission_id) if ours else None
    if delay is None:
        return await record.verdict(ctx, run_id, held.submission_id, held.lease, verdict)
    why = "a fault of ours"
    return await _put_back(
        ctx, run_id, held, delay, refund=False, keep=keep, why=why, found=verdict
    )


async def _fail(ctx: Context, run: Row[Any]) -> None:
    """A run has ended its workers often enough."""
    fault = f"attempt {run.attempt} of {ctx.settings.attempts}: earlier ones ended their worker"
    await _finish(ctx, run.id, run, _our_fault(run.id, fault))


async def _pause_s(ctx: Context, attempt: int, submission_id: int) -> float | None:
    """Until the next attempt of a run whose last one failed by our fault; None where there is none."""
    more = attempt - ctx.settings.attempts
    if more < 0:
        return min(LONGEST_PAUSE_S, ctx.settings.retry_s * 2.0 ** (attempt - 1))
    if more >= MORE_ATTEMPTS:
        return None
    async with ctx.database.read() as connection:
        wanted = await store.is_measured_again(connection, submission_id)
    return min(LONGEST_MORE_PAUSE_S, MORE_PAUSE_S * 2.0**more) if wanted else None


async def cancelled(ctx: Context, held: Hold) -> bool:
    return await record.cancelled(ctx, held.run_id, held.submission_id, held.lease)


async def give_back(
    ctx: Context, held: Hold, *, keep: bool = False, before: int = 0, why: str = RESTART
) -> bool:
    """An orderly shutdown: somebody else takes the run at once, and the attempt does not count. ``keep``: it
    goes on meanwhile, and they attach to it. ``before``: how often it was given back already, which makes a pause.
    ``why``: what else than a shutdown it is for."""
    pause_s = min(LONGEST_PAUSE_S, ctx.settings.retry_s * 2.0 ** (before - 1)) if before else 0.0
    return await _put_back(ctx, held.run_id, held, pause_s, refund=True, keep=keep, why=why)


async def _put_back(
    ctx: Context,
    run_id: int,
    held: Hold | Row[Any],
    delay_s: float,
    *,
    refund: bool,
    keep: bool = False,
    why: str,
    found: Verdict | None = None,
) -> bool:
    async with ctx.database.transaction() as connection:
        await store.lock_run(connection, run_id, held.submission_id)
        if not await store.release(connection, run_id, held.lease, refund=refund, keep=keep):
            return False
        await artefacts.forget_unkept(connection, run_id)
        await queue.retry(connection, held.queue_id, delay_s)
        data = {"why": why, "again_in_s": delay_s, "attempt": held.attempt}
        await store.add_event(connection, held.submission_id, run_id, "retry", data)
        if found is not None:
            await canaries.run_ended(connection, run_id, held.submission_id, found)
    return True


def _our_fault(run_id: int, fault: str) -> Verdict:
    return Verdict(
        kind=VerdictKind.JUDGE_FAILED,
        run_id=str(run_id),
        stage=Stage.BUILD,
        message=f"Our machine failed several times on this run (id run-{run_id}). "
        "It does not count against you.",
        fault=fault,
    )


async def recover(ctx: Context) -> int:
    """Put back what workers had that said nothing for a lease, whether or not anybody serves its GPU, and end
    what nobody offers that GPU for any more; how many runs were put back. For any worker, now and then."""
    async with ctx.database.transaction() as connection:
        queue_ids = await queue.silent(connection, ctx.settings.lease_s, MOST_RECOVERED)
        await store.lock_waiting(connection, queue_ids)
        taken = [await store.take(connection, queue_id) for queue_id in queue_ids]
    runs = [run for run in taken if run is not None]
    for run in runs:
        if run.cancel_requested and not run.handle:
            await record.cancelled(ctx, run.id, run.submission_id, run.lease)
        elif run.attempt >= ctx.settings.attempts:
            await _fail(ctx, run)
        else:
            why = "a worker that is gone"
            await _put_back(ctx, run.id, run, 0.0, refund=False, keep=True, why=why)
    await unposed.put_back(ctx)
    return len(runs)


async def leave(ctx: Context, worker_id: uuid.UUID) -> None:
    async with ctx.database.transaction() as connection:
        await fleet.leave(connection, worker_id)


async def housekeeping(ctx: Context) -> None:
    """Once in a while, by any worker."""
    async with ctx.database.transaction() as connection:
        await store.forget_events(connection, EVENT_DAYS)
        await artefacts.forget(connection, ctx.settings.artefact_days)
        await fleet.forget_dead(connection)
        await devices.forget(connection, canaries.KEPT_DAYS, canaries.GONE_DAYS)
        await queue.fold_log(connection)
