"""Control groups (version 2): everything that came from a contestant, stopped and killed at once.

No process leaves its group by changing its session, its parent or its process group, so freezing
the group is the one way to stop a tree of processes that leaves no gap. Where the controllers can
be had as well, memory and the number of processes are limited by it. All of it is best effort:
without a writable hierarchy there is no group, and signals and watchdogs do what they can.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import secrets
import time
from pathlib import Path

PREFIX = "kernelbot-judge-"
CONTROLLERS = ("memory", "pids")
SLACK = 64 << 20
"""On top of the memory limit: page tables and other kernel memory count in a group."""
INIT = "kernelbot-init"
_numbers = itertools.count()


class Group:
    """One contestant's group. Ends with :meth:`close`, which leaves nothing of it alive."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fences: tuple[str, ...] = ("cgroup",)
        self._freeze = os.open(path / "cgroup.freeze", os.O_WRONLY | os.O_CLOEXEC)
        self._events = os.open(path / "cgroup.events", os.O_RDONLY | os.O_CLOEXEC)
        self._usage = os.open(path / "cpu.stat", os.O_RDONLY | os.O_CLOEXEC)

    def limit(self, memory_bytes: int, processes: int) -> None:
        """Limit what can be limited here, and say so in ``fences``."""
        wanted = {
            "memory": {
                "memory.max": memory_bytes + SLACK,
                "memory.swap.max": 0,
                "memory.oom.group": 1,
            },
            "pids": {"pids.max": processes},
        }
        for controller, values in wanted.items():
            with contextlib.suppress(OSError):
                for name, value in values.items():
                    if (self.path / name).exists() or name.endswith(".max"):
                        (self.path / name).write_text(str(value))
                self.fences = (*self.fences, f"{controller}-limit")

    def adopt(self, pid: int) -> None:
        """Take a process in; what it starts from now on is in it too. Raises OSError."""
        (self.path / "cgroup.procs").write_text(str(pid))

    def members(self) -> list[int]:
        try:
            return [int(line) for line in (self.path / "cgroup.procs").read_text().split()]
        except OSError:
            return []

    def halt(self) -> None:
        """Begin to freeze: everything that is not inside a system call stops at once."""
        with contextlib.suppress(OSError):
            os.pwrite(self._freeze, b"1", 0)

    def worked_us(self) -> int:
        """Processor time of all of it so far."""
        try:
            return int(os.pread(self._usage, 256, 0).split()[1])
        except (OSError, ValueError, IndexError):
            return 0

    def freeze(self, timeout_s: float) -> bool:
        """Whether all of it stands still, system calls that were under way included."""
        self.halt()
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                events = os.pread(self._events, 256, 0)
            except OSError:
                return False
            if b"frozen 1" in events or b"populated 0" in events:
                return True
            if time.monotonic() > deadline:
                return False
            os.sched_yield()

    def thaw(self) -> None:
        with contextlib.suppress(OSError):
            os.pwrite(self._freeze, b"0", 0)

    def kill(self) -> None:
        _kill(self.path)

    def out_of_memory(self) -> bool:
        """Whether the kernel has killed something of it for want of memory."""
        try:
            lines = (self.path / "memory.events").read_text().splitlines()
        except OSError:
            return False
        return any(line.startswith("oom_kill ") and line != "oom_kill 0" for line in lines)

    def close(self) -> None:
        """Remove the group; what is still in it is killed."""
        for descriptor in (self._freeze, self._events, self._usage):
            os.close(descriptor)
        _remove(self.path)


def create(memory_bytes: int, processes: int) -> Group | None:
    """A new, empty group with the limits that can be had; None where groups cannot be used."""
    places = _places()
    for place in places:
        remove_abandoned(place)
    # One that has limits if there is any, else the first that freezes at least.
    for place in sorted(places, key=lambda place: not _enable(place)):
        path = place / f"{PREFIX}{os.getpid()}-{secrets.token_hex(4)}-{next(_numbers)}"
        try:
            path.mkdir()
        except OSError:
            continue
        try:
            group = Group(path)
        except OSError:  # a kernel that cannot freeze groups
            _remove(path)
            continue
        group.limit(memory_bytes, processes)
        return group
    return None


def remove_abandoned(place: Path) -> None:
    """Groups of judges that were killed before they could clean up, and whatever runs in them."""
    for path in place.glob(f"{PREFIX}*"):
        owner = path.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdigit() and not os.path.exists(f"/proc/{owner}"):
            _remove(path)


def _places() -> list[Path]:
    """Where groups may be made: beside our own group if that is ours to fill, else inside it."""
    mount = _mount()
    if mount is None:
        return []
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    own = next((line[3:] for line in lines if line.startswith("0::")), "/")
    here = Path(os.path.normpath(f"{mount}/{own.lstrip('/')}"))
    if here != mount and here.name == INIT:
        return [here.parent]
    beside = [here.parent] if here != mount and _delegated(here.parent) else []
    return [place for place in (*beside, here) if os.access(place, os.W_OK)]


def _mount() -> Path | None:
    try:
        mounts = Path("/proc/self/mounts").read_text().splitlines()
    except OSError:
        return None
    found = (line.split() for line in mounts)
    return next((Path(words[1]) for words in found if words[2] == "cgroup2"), None)


def _delegated(place: Path) -> bool:
    """Whether the service manager left the group to us (Delegate=yes)."""
    if os.getuid() != 0:
        return place.stat().st_uid == os.getuid()
    with contextlib.suppress(OSError):
        names = os.listxattr(place)
        return "trusted.delegate" in names or "user.delegate" in names
    return False


def _enable(place: Path) -> bool:
    """Whether groups made here have the controllers. A group with processes of its own cannot hand
    them on: in a container of our own they are moved into a group beside ours first."""
    try:
        wanted = set(CONTROLLERS) & set((place / "cgroup.controllers").read_text().split())
        missing = wanted - set((place / "cgroup.subtree_control").read_text().split())
    except OSError:
        return False
    if not missing:
        return bool(wanted)
    line = " ".join(f"+{name}" for name in sorted(missing))
    try:
        (place / "cgroup.subtree_control").write_text(line)
    except OSError as error:
        top_of_container = place == _mount() and (place / "cgroup.type").exists()
        if error.errno != errno.EBUSY or not top_of_container:
            return False
        try:
            _clear(place)
            (place / "cgroup.subtree_control").write_text(line)
        except OSError:
            return False
    return True


def _clear(place: Path) -> None:
    aside = place / INIT
    aside.mkdir(exist_ok=True)
    for pid in (place / "cgroup.procs").read_text().split():
        with contextlib.suppress(OSError):  # a thread of the kernel, or gone
            (aside / "cgroup.procs").write_text(pid)


def _kill(path: Path) -> None:
    try:
        (path / "cgroup.kill").write_text("1")
    except OSError:  # a kernel before 5.14
        with contextlib.suppress(OSError):
            for pid in (path / "cgroup.procs").read_text().split():
                with contextlib.suppress(OSError):
                    os.kill(int(pid), 9)


def _remove(path: Path, timeout_s: float = 5.0) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        _kill(path)
        with contextlib.suppress(OSError):
            (path / "cgroup.freeze").write_text("0")
        try:
            path.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.002)
        else:
            return
