"""Whether a fence stands on this machine, found out by starting a process behind it.

That bubblewrap is installed says nothing: containers and kernels often forbid what it needs, and
then every run would be a fault of ours.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from kernelbot.judge import aside, guard, sandbox, staging
from kernelbot.judge.aside import Unfinished
from kernelbot.judge.build import Workshop
from kernelbot.judge.protocol import Job, Mode
from kernelbot.judge.uids import Uids
from kernelbot.judge.warm import Nursery

PROBE_S = 20.0
"""For each fence; whoever asks waits for all of them (``staging.FENCE_S``)."""
SAID = 2000
REMEDIES = (
    ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1",
     "AppArmor keeps user namespaces from bubblewrap. Give /usr/bin/bwrap a profile that has `userns,`, "
     "or: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"),
    ("/proc/sys/kernel/unprivileged_userns_clone", "0",
     "User namespaces are switched off: sysctl -w kernel.unprivileged_userns_clone=1"),
    ("/proc/sys/user/max_user_namespaces", "0",
     "No user namespace may be made: sysctl -w user.max_user_namespaces=15000"),
)  # fmt: skip
FORBIDDEN = re.compile("not permitted|permission", re.IGNORECASE)
IN_A_CONTAINER = (
    "Inside a container its runtime must allow namespaces and mounts: for Docker, "
    "--security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined"
)


def standing(isolation: str, ranks: int = 1) -> tuple[str, str]:
    """The kind of the strongest accepted fence that stands here for so many ranks, which need a network
    to talk; "" when none does; and what was in the way of the others. To be asked in a process of its
    own, which becomes a referee's like."""
    guard.harden_referee()
    job = Job(
        run_id="probe", mode=Mode.TEST, problem="probe", problem_digest="", tests=(), benchmarks=(),
        world_size=ranks,
    )  # fmt: skip
    nursery, uids = Nursery.started(), Uids()
    faults: list[str] = []
    try:
        with tempfile.TemporaryDirectory(prefix="kernelbot-probe-") as place:
            staging.stage(Path(place), job, {}, b"")
            workshop = Workshop(Path(place), job)
            try:
                for fence in candidates(isolation, uids.another()):
                    workshop.belongs_to(fence.uid)
                    if fault := _fault(nursery, workshop, job, fence):
                        faults.append(f"{fence.kind}: {fault}")
                    else:
                        return fence.kind, "\n".join(faults)
            finally:
                workshop.remove()
    finally:
        uids.leave()
        nursery.close()
    return "", "\n".join([*dict.fromkeys(faults), *remedies(faults)])


def candidates(isolation: str, uid: int = -1) -> list[sandbox.Fence]:
    """The fences to try. What is asked for here is a program, and a program never moves in."""
    return [fence for fence in sandbox.fences(isolation, uid) if not fence.join]


def _fault(nursery: Nursery, workshop: Workshop, job: Job, fence: sandbox.Fence) -> str:
    """Why an interpreter that does nothing does not run behind the fence; "" when it does."""
    line = [sys.executable, "-I", "-c", ""]
    try:
        aside.output_of(nursery, workshop, job, fence, line, timeout_s=PROBE_S, limit=SAID)
    except Unfinished as error:
        return str(error)
    return ""


def remedies(faults: Sequence[str]) -> list[str]:
    """What can be done on a machine that forbids what fences need, as far as it can be told."""
    found = []
    for path, closed, words in REMEDIES:
        try:
            found += [words] if Path(path).read_text().strip() == closed else []
        except OSError:
            continue  # a kernel without this switch
    forbidden = any(FORBIDDEN.search(fault) for fault in faults)
    return found or ([IN_A_CONTAINER] if forbidden else [])
