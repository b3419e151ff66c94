"""Everything that came from one contestant's process: found, stopped, continued, killed.

Between calls the whole tree is stopped, so nothing can be computed before the clock starts or
after it stops: not by threads, not by forked children that left the process group. The referee is
a subreaper, so that no descendant can get away by being orphaned.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import threading
import time
from pathlib import Path

from kernelbot.judge import folders

STOPPED = "TtZX"
FILES_BYTES = 8 << 30
"""What a contestant may keep on disk; compiled extensions take some hundred MB."""
FILES = 200_000
"""How many files and folders; removing more would keep the machine from the next run."""
RESIDENT = ("RssAnon:", "RssShmem:", "VmSwap:")
PROPORTIONAL = ("Pss_Anon:", "Pss_Shmem:", "SwapPss:")


class Unstoppable(Exception):
    """A process of the contestant could not be stopped in time."""


def harden_referee() -> None:
    """Hide this process from others of its uid, and adopt what its children leave behind."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE: no /proc/<pid>/mem, environ, fd; no ptrace
    libc.prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


def status(pid: int) -> tuple[str, int, int] | None:
    """State, parent and session of a process; None when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    fields = text[text.rindex(")") + 2 :].split()
    return fields[0], int(fields[1]), int(fields[3])


def children(pid: int) -> list[int]:
    """Direct children, zombies included."""
    found: list[int] = []
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for task in tasks:
        try:
            text = Path(f"/proc/{pid}/task/{task}/children").read_text()
        except FileNotFoundError:
            if os.path.exists(f"/proc/{pid}/task/{task}"):
                return _children_by_scan(pid)  # a kernel without this file
            continue
        except OSError:
            continue
        found += map(int, text.split())
    return found


def _children_by_scan(pid: int) -> list[int]:
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return [other for other in pids if (found := status(other)) and found[1] == pid]


class Tree:
    """A contestant's process and all its descendants, the orphaned ones included."""

    def __init__(self, root: int) -> None:
        self.root = root
        self._stopped: list[int] = []

    def members(self) -> list[int]:
        """Live processes of the tree, the root first."""
        found = list(dict.fromkeys((self.root, *self._orphans())))
        known = set(found)
        for pid in found:  # grows while it is walked: a chain of forks may be thousands deep
            new = [child for child in children(pid) if child not in known]
            known.update(new)
            found += new
        return [pid for pid in found if (seen := status(pid)) and seen[0] not in "ZX"]

    def halt(self) -> None:
        """Stop the process group now; :meth:`stop` makes sure of it and finds the rest."""
        self.signal_group(signal.SIGSTOP)

    def stop(self, timeout_s: float = 5.0) -> None:
        """Return when every process of the tree stands still. Raises Unstoppable."""
        self.halt()
        deadline = time.monotonic() + timeout_s
        known: list[int] = []
        while True:
            members = self.members()
            for pid in members:
                if pid not in known:
                    _signal(pid, signal.SIGSTOP)
            settled = all(_stands_still(pid) for pid in members)
            if settled and set(members) <= set(known):
                self._stopped = members
                return
            known = sorted({*known, *members})
            if time.monotonic() > deadline:
                raise Unstoppable

    def go(self) -> None:
        """Let the tree run again."""
        self.signal_group(signal.SIGCONT)
        for pid in self._stopped:
            if pid != self.root:
                _signal(pid, signal.SIGCONT)

    def kill(self, timeout_s: float = 10.0) -> None:
        """Kill all of it; stopping first is what makes a fork bomb hold still."""
        with contextlib.suppress(Unstoppable):
            self.stop(timeout_s=2.0)
        deadline = time.monotonic() + timeout_s
        while True:
            self.signal_group(signal.SIGKILL)
            members = self.members()
            for pid in members:
                _signal(pid, signal.SIGKILL)
            self._reap()
            if not members or time.monotonic() > deadline:
                return
            time.sleep(0.002)

    def signal_group(self, number: int) -> None:
        """To all that have not left the root's process group, at one moment."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.root, number)

    def memory(self) -> int:
        """Resident bytes of the tree, pages that forked processes share counted in each."""
        return sum(_kilobytes(pid, "status", RESIDENT) for pid in self.members()) << 10

    def exact_memory(self) -> int:
        """The same with shared pages counted once; costs milliseconds for each process."""
        return sum(_kilobytes(pid, "smaps_rollup", PROPORTIONAL) for pid in self.members()) << 10

    def _orphans(self) -> list[int]:
        """Children that this process adopted: what it started itself shares its session."""
        mine = os.getsid(0)
        roots = _roots
        return [
            pid
            for pid in children(os.getpid())
            if pid not in roots and (seen := status(pid)) and seen[2] != mine
        ]

    def _reap(self) -> None:
        for pid in self._orphans():
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


_roots: set[int] = set()


def register(root: int) -> Tree:
    """A tree for a process that the referee started itself."""
    _roots.add(root)
    return Tree(root)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _stands_still(pid: int) -> bool:
    """Whether every thread of the process is stopped or gone."""
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return True
    for task in tasks:
        try:
            text = Path(f"/proc/{pid}/task/{task}/stat").read_text(errors="replace")
        except OSError:
            continue
        if text[text.rindex(")") + 2] not in STOPPED:
            return False
    return True


def _kilobytes(pid: int, file: str, names: tuple[str, ...]) -> int:
    try:
        text = Path(f"/proc/{pid}/{file}").read_text(errors="replace")
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith(names))


class Watch:
    """Kills a tree whose memory or files grow beyond their limits.

    RLIMIT_AS and RLIMIT_FSIZE bind one process and one file; this is about the sum.
    """

    PERIOD_S = 0.2
    FILES_EVERY = 10  # periods

    def __init__(self, tree: Tree, memory_bytes: int, folder: Path) -> None:
        self.exceeded = ""  # "" | "memory" | "files" | "sight": it could not be watched any more
        self.allowance = 0  # bytes of shared memory that the referee itself lent
        self._tree = tree
        self._memory_bytes = memory_bytes
        self._folder = folder
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        period = 0
        while not self.exceeded and not self._stop.wait(self.PERIOD_S):
            period += 1
            try:
                self.exceeded = self._look(files=period % self.FILES_EVERY == 0)
            except Exception:  # a limit that nobody watches is none
                self.exceeded = "sight"
        if self.exceeded:
            self._tree.signal_group(signal.SIGKILL)
            for pid in self._tree.members():
                _signal(pid, signal.SIGKILL)

    def _look(self, *, files: bool) -> str:
        """Which limit is exceeded; "" while none is."""
        if self._too_much_memory():
            return "memory"
        return "files" if files and self._too_many_files() else ""

    def _too_many_files(self) -> bool:
        try:
            found = folders.usage(self._folder, entries=FILES)
        except folders.TooDeep:
            return True
        return found.bytes > FILES_BYTES or found.entries > FILES

    def _too_much_memory(self) -> bool:
        limit = self._memory_bytes + self.allowance
        return self._tree.memory() > limit and self._tree.exact_memory() > limit
