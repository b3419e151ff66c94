"""A program run once behind a contestant's fence, for its output: what reads files of a contestant's
making must not be able to do more than the contestant."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from kernelbot.judge import sandbox
from kernelbot.judge.build import Workshop
from kernelbot.judge.channel import Channel
from kernelbot.judge.guard import Tree, Watch, forget
from kernelbot.judge.output import Drain
from kernelbot.judge.process import adopted, fenced_plan
from kernelbot.judge.protocol import Job
from kernelbot.judge.warm import NotForked, Nursery, Order, reap


class Unfinished(Exception):
    """The program could not be started, did not end in time or did not end well."""


def output_of(
    nursery: Nursery,
    workshop: Workshop,
    job: Job,
    fence: sandbox.Fence,
    line: Sequence[str],
    *,
    timeout_s: float,
    limit: int,
) -> str:
    """What a command prints, up to ``limit`` characters of it. Raises Unfinished."""
    plan = fenced_plan(workshop, job, fence)
    behind = sandbox.bubblewrap(plan, workshop.runtime) if fence.kind == "bubblewrap" else []
    order = Order(plan, str(workshop.runtime), behind, list(line))
    trees: list[Tree] = []

    def adopt(pid: int) -> None:
        trees.append(adopted(pid, job, fence))

    channel = Channel()
    output, written = os.pipe()
    try:
        pid = nursery.start(order, channel.theirs.fileno(), written, adopt)
    except NotForked as error:
        os.close(output)
        raise Unfinished(str(error)) from error
    finally:
        os.close(written)
        channel.close()
    drain = Drain(output, limit)
    watch = Watch(trees[0], job.memory_bytes, workshop.work)
    try:
        ended = _ended_well(pid, timeout_s)
    finally:
        trees[0].kill()
        watch.close()
        if reap(pid, 10.0) is not None:
            forget(pid)
        text = drain.close()
    if not ended:
        raise Unfinished(text.strip()[-300:] or "it said nothing")
    return text


def _ended_well(pid: int, timeout_s: float) -> bool:
    """Wait for a child without reaping it: its number must stay its own until its tree is killed."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if found is not None:
            return found.si_code == os.CLD_EXITED and found.si_status == 0
        time.sleep(0.005)
    return False
