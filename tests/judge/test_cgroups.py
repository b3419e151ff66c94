"""Control groups: what is in one stands still, and ends, all at once.

What needs a group is collected only where the machine lets this user make one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kernelbot.judge import cgroups

AVAILABLE = (probe := cgroups.create(1 << 30, 100)) is not None
if probe is not None:
    probe.close()
SCATTERED = """
import os, sys, time
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            break
        os._exit(0)
    os.wait()
os.write(1, b".")
while True:
    sum(range(1000))
"""


@pytest.fixture
def group() -> cgroups.Group:
    found = cgroups.create(1 << 30, 100)
    assert found is not None
    return found


def scattered(group: cgroups.Group) -> subprocess.Popen[bytes]:
    """A process and three others in sessions of their own, all of them busy."""
    process = subprocess.Popen(
        [sys.executable, "-c", f"input()\n{SCATTERED}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    group.adopt(process.pid)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"\n")
    process.stdin.flush()
    assert len(process.stdout.read(4)) == 4
    return process


def ended(process: subprocess.Popen[bytes]) -> int:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    return process.wait(60)


if AVAILABLE:

    def test_processes_that_left_their_session_stand_still_and_end_with_their_group(
        group: cgroups.Group,
    ) -> None:
        process = scattered(group)
        members = group.members()

        assert len(members) == 4
        assert group.freeze(10)
        before = group.worked_us()
        assert group.freeze(10)
        assert group.worked_us() - before < 1000

        group.close()
        assert ended(process) < 0
        assert not group.path.exists()
        assert not any(os.path.exists(f"/proc/{pid}/exe") for pid in members)

    def test_a_system_call_under_way_when_a_group_is_frozen_is_counted(
        group: cgroups.Group,
    ) -> None:
        reads = "import os\nfd = os.memfd_create('x')\nos.ftruncate(fd, 1 << 30)\nroom = bytearray(1 << 30)\nos.write(1, b'.')\nwhile True: os.preadv(fd, [room], 0)"
        process = subprocess.Popen([sys.executable, "-c", reads], stdout=subprocess.PIPE)
        group.adopt(process.pid)
        assert process.stdout is not None
        assert process.stdout.read(1)

        # Where the process stands when it is halted is chance, so it is given time and several chances.
        worked = [0]
        deadline = time.monotonic() + 30
        while worked[-1] <= 1000 and time.monotonic() < deadline:
            time.sleep(0.02)
            group.halt()
            before = group.worked_us()
            assert group.freeze(10)
            worked.append(group.worked_us() - before)
            group.thaw()

        group.close()
        ended(process)
        assert worked[-1] > 1000, worked

    def test_what_a_killed_judge_left_behind_is_ended_by_the_next_one(group: cgroups.Group) -> None:
        process = scattered(group)
        gone = subprocess.Popen(["true"])
        gone.wait()
        # Where no other judge of this machine looks for what was left behind.
        place = group.path.with_name(f"kernelbot-test-{os.getpid()}")
        abandoned = place / f"{cgroups.PREFIX}{gone.pid}-0-0"
        abandoned.mkdir(parents=True)
        (abandoned / "cgroup.procs").write_text(str(process.pid))

        cgroups.remove_abandoned(place)

        assert not abandoned.exists()
        assert ended(process) < 0
        place.rmdir()
        group.close()


def test_no_group_is_made_where_nothing_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "_mount", lambda: None)
    assert cgroups.create(1 << 30, 100) is None


def test_limits_are_named_only_when_the_kernel_took_them(tmp_path: Path) -> None:
    for name in ("cgroup.freeze", "cgroup.events", "cpu.stat", "pids.max"):
        (tmp_path / name).touch()
    (tmp_path / "memory.max").mkdir()  # cannot be written
    found = cgroups.Group(tmp_path)
    found.limit(1 << 30, 7)

    assert found.fences == ("cgroup", "pids-limit")
    assert (tmp_path / "pids.max").read_text() == "7"
