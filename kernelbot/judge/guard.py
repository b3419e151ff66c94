"""Everything that came from one contestant's process: found, stopped, continued, killed.

Between calls the whole tree is stopped, so nothing can be computed before the clock starts or
after it stops: not by threads, not by forked children that left the process group. A control group
does that where there is one. Elsewhere signals do, and the referee is a subreaper, so that no
descendant can get away by being orphaned.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import stat
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kernelbot.judge import cgroups, folders

STOPPED, GONE = "TtZX", "ZX"
FILES_BYTES = 2 << 30
"""What a contestant may keep on disk; compiled extensions take some hundred MB."""
FILES = 200_000
"""How many files and folders; removing more would keep the machine from the next run."""
DESCRIPTORS = 50_000
"""Open files of a tree that are looked through for those without a name."""
SOCKETS = 5_000
"""Of a tree: the kernel keeps some 200 kB for one that nobody reads, which no process's own figures show."""
MAPPINGS_BYTES = 64 << 20
"""Of the lists of what a tree's processes have mapped: some 100 kB where torch is imported."""
RAN_ON_NS = 50_000
"""Processor time while it is being stopped that is more than waking up to stand still."""
STIRRED_NS = 5_000
"""Processor time of a whole tree that stands still. There is none, and this is not enough to be continued and start a
process, which nobody would know of."""
CPUCLOCK_SCHED = 2
PATIENCE_S = 0.02
"""How long a process may take to stop before it is asked what it waits for."""
TABLES = "VmPTE"
RESIDENT, RESIDENT_SHARED = ("RssAnon", "VmSwap", TABLES), "RssShmem"
PROPORTIONAL, PROPORTIONAL_SHARED = ("Pss_Anon", "SwapPss", TABLES), "Pss_Shmem"


class Unstoppable(Exception):
    """A process of the contestant could not be stopped in time."""


class Unwatchable(Exception):
    """There is more to look at than can be looked at."""


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Let a cancellation wait: what is half made or half removed here would stay for ever.

    The process's mask would not do: another thread's takes the signal, and Python's handler runs.
    """
    handler = signal.getsignal(signal.SIGTERM)
    caught: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: caught.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)
        if caught:
            os.kill(os.getpid(), signal.SIGTERM)


def harden_referee() -> None:
    """Hide this process from others of its uid, and adopt what its children leave behind."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE: no /proc/<pid>/mem, environ, fd; no ptrace
    libc.prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


@dataclass(frozen=True)
class Status:
    """What the kernel tells about a process. A number is used again, with its start it is not."""

    state: str
    parent: int
    group: int
    session: int
    started: int


def _text(path: str) -> str:
    """A file of the kernel's. A walk over a tree is a race, and a Path reads one in seven times as long."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        found = b""
        while chunk := os.read(descriptor, 1 << 16):
            found += chunk
    finally:
        os.close(descriptor)
    return found.decode(errors="replace")


def status(pid: int) -> Status | None:
    """The process as it stands; None when it is gone."""
    try:
        text = _text(f"/proc/{pid}/stat")
    except OSError:
        return None
    fields = text[text.rindex(")") + 2 :].split()
    return Status(fields[0], int(fields[1]), int(fields[2]), int(fields[3]), int(fields[19]))


def children(pid: int) -> list[int]:
    """Direct children, zombies included."""
    found: list[int] = []
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for task in tasks:
        try:
            text = _text(f"/proc/{pid}/task/{task}/children")
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
    return [other for other in pids if (found := status(other)) and found.parent == pid]


class Tree:
    """A contestant's process and all its descendants, the orphaned ones included."""

    def __init__(self, root: int, group: cgroups.Group | None = None) -> None:
        self.root = root
        self._group = group
        self._stopped: list[int] = []
        self._dead: set[tuple[int, int]] = set()  # number and start, as of the last stop
        self._worked: dict[int, int | None] = {}  # processor time in ns, as of the last stop

    @property
    def fences(self) -> tuple[str, ...]:
        """What of it the kernel holds by a control group."""
        return self._group.fences if self._group else ()

    def gather(self) -> None:
        """Take in what the root started before it was in the group itself; nothing submitted yet."""
        if self._group is None:
            return
        for pid in self._found():
            with contextlib.suppress(OSError):
                self._group.adopt(pid)

    def out_of_memory(self) -> bool:
        """Whether the kernel has ended processes of it because they used too much memory."""
        return self._group is not None and self._group.out_of_memory()

    def members(self) -> list[int]:
        """Live processes of the tree."""
        if self._group is not None:
            return self._group.members()
        return [pid for pid, seen in self._found().items() if not _is_dead(pid, seen)]

    def halt(self) -> None:
        """Stop all that can be reached now; :meth:`stop` makes sure of it and finds the rest."""
        if self._group is not None:
            self._group.halt()
        else:
            self.signal_group(signal.SIGSTOP)

    def stop(self, timeout_s: float = 5.0) -> bool:
        """Return when every process of the tree stands still. Raises Unstoppable.

        True when a process may have run on after :meth:`halt`, which reaches the group only: the
        caller's clock has to count until now.
        """
        if self._group is not None:
            return self._freeze(self._group, timeout_s)
        self.halt()
        deadline = time.monotonic() + timeout_s
        patience = time.monotonic() + PATIENCE_S
        worked_ns = _worked_ns(self.root) or 0
        found = self._found()
        ran_on = self._ran_on(found)
        known: set[int] = set()
        settled = False
        while True:
            members = [pid for pid, seen in found.items() if not _is_dead(pid, seen)]
            new = set(members) - known
            for pid in new:
                _signal(pid, signal.SIGSTOP)
            # A fork may end while it is looked for: nothing new may turn up once all stand still.
            if settled and not new:
                self._stopped = members
                self._dead = {(pid, found[pid].started) for pid in set(found) - set(members)}
                self._worked = {pid: _worked_ns(pid) for pid in members}
                # A system call that was under way ends before its thread stops.
                return ran_on or (_worked_ns(self.root) or 0) - worked_ns > RAN_ON_NS
            known |= new
            settled = all(_stands_still(pid) for pid in members)
            now = time.monotonic()
            if now > deadline:
                raise Unstoppable
            if not settled and now > patience and (let_go := _let_go_on(members)):
                known -= let_go
                ran_on = True
            found = self._found()

    def stood_still(self) -> bool:
        """Whether nothing of it has run since :meth:`stop`.

        A stopped process is continued by more than its referee: a timer, a descriptor or another process's end
        can be told to send the signal. What is frozen in a control group hears none of them.
        """
        if self._group is not None:
            return True
        stirred_ns = 0
        for pid, before in self._worked.items():
            now = _worked_ns(pid)
            if now == before:
                continue
            seen = status(pid)
            if pid == self.root and (seen is None or _is_dead(pid, seen)):
                continue  # it was killed; who waits for its next word is told so
            if now is None or before is None:
                return False
            stirred_ns += now - before
        return stirred_ns <= STIRRED_NS

    def _freeze(self, group: cgroups.Group, timeout_s: float) -> bool:
        """Frozen, nothing of it runs code of its own; a system call under way still ends first."""
        group.halt()
        worked_us = group.worked_us()
        if not group.freeze(timeout_s):
            raise Unstoppable
        return 1000 * (group.worked_us() - worked_us) > RAN_ON_NS

    def _ran_on(self, found: dict[int, Status]) -> bool:
        """Whether a process other than the root was out of reach of a signal to the group.

        One that has ended since the last stop may have worked until then.
        """
        return any(
            not _stands_still(pid)
            if seen.group == self.root
            else (pid, seen.started) not in self._dead
            for pid, seen in found.items()
            if pid != self.root
        )

    def _found(self) -> dict[int, Status]:
        """All processes of the tree, the root first, those that ended and are still listed too."""
        found = list(dict.fromkeys((self.root, *self._orphans())))
        known = set(found)
        for pid in found:  # grows while it is walked: a chain of forks may be thousands deep
            new = [child for child in children(pid) if child not in known]
            known.update(new)
            found += new
        return {pid: seen for pid in found if (seen := status(pid))}

    def go(self) -> None:
        """Let the tree run again."""
        if self._group is not None:
            self._group.thaw()
            return
        self.signal_group(signal.SIGCONT)
        for pid in self._stopped:
            if pid != self.root:
                _signal(pid, signal.SIGCONT)

    def kill(self, timeout_s: float = 10.0) -> None:
        """Kill all of it; stopping first is what makes a fork bomb hold still."""
        if self._group is not None:
            self._group.kill()
        else:
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
                break
            time.sleep(0.002)
        if self._group is not None:
            group, self._group = self._group, None
            group.close()

    def signal_group(self, number: int) -> None:
        """To all that have not left the root's process group, at one moment."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.root, number)

    def memory(self, unmapped: int = 0) -> int:
        """Resident bytes of the tree, pages that forked processes share counted in each.

        ``unmapped``: bytes of files in memory that it holds, which may be touched by it as well.
        """
        return self._memory(("status",), RESIDENT, RESIDENT_SHARED, unmapped)

    def exact_memory(self, unmapped: int = 0) -> int:
        """The same with shared pages counted once; costs milliseconds for each process."""
        files = ("status", "smaps_rollup")
        return self._memory(files, PROPORTIONAL, PROPORTIONAL_SHARED, unmapped)

    def _memory(
        self, files: tuple[str, ...], private: tuple[str, ...], shared: str, unmapped: int
    ) -> int:
        found = [_kilobytes(_speaker(pid), *files) for pid in self.members()]
        own = sum(numbers.get(name, 0) for numbers in found for name in private) << 10
        return own + max(sum(numbers.get(shared, 0) for numbers in found) << 10, unmapped)

    def unlinked(self) -> dict[tuple[int, int], int]:
        """Bytes of files without a name that the tree holds open or mapped, by device and number.

        Neither a walk over folders nor the processes' own figures show those. Raises Unwatchable.
        """
        found: dict[tuple[int, int], int] = {}
        looked = sockets = mapped = 0
        for pid in map(_speaker, self.members()):
            held, length = _held(pid)
            looked += len(held)
            mapped += length
            for path in held:
                with contextlib.suppress(OSError):
                    file = os.stat(path)
                    sockets += stat.S_ISSOCK(file.st_mode)
                    if stat.S_ISREG(file.st_mode) and not file.st_nlink:
                        found[file.st_dev, file.st_ino] = file.st_blocks * 512
            if looked > DESCRIPTORS or sockets > SOCKETS or mapped > MAPPINGS_BYTES:
                raise Unwatchable
        return found

    def files_in_memory(self) -> int:
        """Files and folders in shared places of the tree's own, each of which takes memory however empty it is."""
        found: dict[int, int] = {}
        for pid in self.members():
            for place in folders.SHARED:
                with contextlib.suppress(OSError):
                    theirs = f"/proc/{pid}/root{place}"
                    device = os.stat(theirs).st_dev
                    if device not in found and device != os.stat(place).st_dev:
                        usage = os.statvfs(theirs)
                        found[device] = usage.f_files - usage.f_ffree
        return sum(found.values())

    def _orphans(self) -> list[int]:
        """Children that this process adopted: what it started itself shares its session."""
        mine = os.getsid(0)
        roots = _roots
        return [
            pid
            for pid in children(os.getpid())
            if pid not in roots and (seen := status(pid)) and seen.session != mine
        ]

    def _reap(self) -> None:
        for pid in self._orphans():
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


_roots: set[int] = set()


def register(root: int, group: cgroups.Group | None = None) -> Tree:
    """A tree for a process that the referee started itself."""
    _roots.add(root)
    if group is not None:
        try:
            group.adopt(root)
        except OSError:
            group.close()
            group = None
    return Tree(root, group)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def forget(root: int) -> None:
    """The process was reaped: its number may be given to any other, an orphan among them."""
    _roots.discard(root)


def _is_dead(pid: int, seen: Status) -> bool:
    """Whether nothing of the process runs: with its first thread ended it only looks dead."""
    return seen.state in GONE and all(state in GONE for state in _thread_states(pid))


def _stands_still(pid: int) -> bool:
    """Whether every thread of the process is stopped or gone."""
    return all(state in STOPPED for state in _thread_states(pid))


def _let_go_on(pids: list[int]) -> set[int]:
    """Continue, for a moment, stopped children that a process waits for and cannot be stopped.

    After vfork the parent sleeps until the child has become another program. Returns who they were.
    """
    waiting = [pid for pid in pids if "D" in _thread_states(pid)]
    held = {
        child
        for pid in waiting
        for child in children(pid)
        if (seen := status(child)) and seen.state in "Tt"
    }
    for pid in held:
        _signal(pid, signal.SIGCONT)
    if held:
        time.sleep(0.001)
    return held


def _thread_states(pid: int) -> list[str]:
    """The state of each thread; empty when the process is gone."""
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    states = []
    for task in tasks:
        with contextlib.suppress(OSError):
            text = _text(f"/proc/{pid}/task/{task}/stat")
            states.append(text[text.rindex(")") + 2])
    return states


def _worked_ns(pid: int) -> int | None:
    """Processor time of all threads of the process so far, ended ones included; None when it is gone.

    One system call, however many threads there are: what is looked at first has no time to work meanwhile.
    """
    try:
        return time.clock_gettime_ns(~pid << 3 | CPUCLOCK_SCHED)
    except OSError:
        return None


def _speaker(pid: int) -> int:
    """The number by which the kernel tells of a process: where its first thread has ended, one of another that lives."""
    seen = status(pid)
    if seen is None or seen.state not in GONE:
        return pid
    with contextlib.suppress(OSError):
        for task in map(int, os.listdir(f"/proc/{pid}/task")):
            other = status(task)
            if other is not None and other.state not in GONE:
                return task
    return pid


def _held(pid: int) -> tuple[list[str], int]:
    """Paths of what a process has open, and of what without a name it has mapped; and how long a list that took."""
    held, mappings = [], ""
    with contextlib.suppress(OSError):
        held = [f"/proc/{pid}/fd/{name}" for name in os.listdir(f"/proc/{pid}/fd")]
    with contextlib.suppress(OSError):
        mappings = _text(f"/proc/{pid}/maps")
    # The few of many thousand lines, quickly: a watch in Python holds up the thread that looks at the clock.
    for before in mappings.split(" (deleted)\n")[:-1]:
        line = before[before.rfind("\n") + 1 :]
        start, end = (int(word, 16) for word in line.split(maxsplit=1)[0].split("-"))
        held.append(f"/proc/{pid}/map_files/{start:x}-{end:x}")
    return held, len(mappings)


def _kilobytes(pid: int, *files: str) -> dict[str, int]:
    """The figures in kB of some of a process's files in /proc."""
    found: dict[str, int] = {}
    for file in files:
        with contextlib.suppress(OSError):
            lines = _text(f"/proc/{pid}/{file}").splitlines()
            figures = [line.split() for line in lines if line.endswith(" kB")]
            found |= {words[0].removesuffix(":"): int(words[-2]) for words in figures}
    return found


class Watch:
    """Kills a tree whose memory or files grow beyond their limits.

    RLIMIT_AS and RLIMIT_FSIZE bind one process and one file; this is about the sum.
    """

    PERIOD_S = 0.2
    FILES_EVERY = 10  # periods
    SHRINKS = FILES_BYTES // 4
    """Bytes that the disk lost since the last look at the files: what runs beside this one needs them too."""

    def __init__(self, tree: Tree, memory_bytes: int, folder: Path) -> None:
        self._exceeded = ""  # "" | "memory" | "files" | "sight": it could not be watched any more
        self.allowance = 0  # bytes of shared memory that the referee itself lent
        self._tree = tree
        self._memory_bytes = memory_bytes
        self._folder = folder
        self._free = _free(folder)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    @property
    def exceeded(self) -> str:
        """Which limit, by this watch or by the kernel's own; "" while none."""
        return self._exceeded or ("memory" if self._tree.out_of_memory() else "")

    def close(self) -> None:
        self._stop.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        period = 0
        while not self._exceeded and not self._stop.wait(self.PERIOD_S):
            period += 1
            try:
                self._exceeded = self._look(files=period % self.FILES_EVERY == 0)
            except Exception:  # a limit that nobody watches is none
                self._exceeded = "sight"
        if self._exceeded:
            self._tree.signal_group(signal.SIGKILL)
            for pid in self._tree.members():
                _signal(pid, signal.SIGKILL)

    def _look(self, *, files: bool) -> str:
        """Which limit is exceeded; "" while none is."""
        disk = os.stat(self._folder).st_dev
        unlinked = self._tree.unlinked()
        on_disk = sum(size for (device, _), size in unlinked.items() if device == disk)
        if self._too_much_memory(sum(unlinked.values()) - on_disk):
            return "memory"
        files = files or self._free - _free(self._folder) > self.SHRINKS
        too_many = on_disk > FILES_BYTES or (files and self._too_many_files(on_disk))
        return "files" if too_many else ""

    def _too_much_memory(self, unmapped: int) -> bool:
        limit = self._memory_bytes + self.allowance
        return self._tree.memory(unmapped) > limit and self._tree.exact_memory(unmapped) > limit

    def _too_many_files(self, unlinked: int) -> bool:
        self._free = _free(self._folder)
        try:
            found = folders.usage(self._folder, entries=FILES)
        except folders.TooDeep:
            return True
        entries = found.entries + self._tree.files_in_memory()
        return found.bytes + unlinked > FILES_BYTES or entries > FILES


def _free(folder: Path) -> int:
    """Bytes that an ordinary user can still write on the folder's disk."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize
