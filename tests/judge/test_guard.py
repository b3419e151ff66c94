"""Without a control group: a tree that is stopped by signals, and what starts it again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from kernelbot.judge import guard
from kernelbot.judge.guard import Tree, Watch, forget, register

CONTINUED_BY_A_TIMER = """
import ctypes
libc, event, timer = ctypes.CDLL(None), (ctypes.c_int * 16)(0, 0, 18), ctypes.c_void_p()
assert not libc.timer_create(1, event, ctypes.byref(timer))
libc.timer_settime(timer, 0, (ctypes.c_long * 4)(1, 0, 1, 0), None)
"""
WORKS = "print(flush=True)\nwhile True: pass\n"


@contextmanager
def a_tree(source: str) -> Iterator[Tree]:
    """A program that runs in a session of its own and has said that it is ready. One at a time: the first of two to
    end forgets whose the others are, and the second takes them along."""
    with subprocess.Popen(
        [sys.executable, "-c", source], stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        # Whatever else this process has started, a template of the judge say, is no orphan of the tree's.
        others = [child.pid for child in psutil.Process().children() if child.pid != process.pid]
        for pid in others:
            register(pid)
        tree = register(process.pid)
        try:
            yield tree
        finally:
            tree.kill()
            for pid in (process.pid, *others):
                forget(pid)


def wait(seconds: float) -> None:
    subprocess.run(["sleep", str(seconds)], check=True)


def wait_until(true: Callable[[], object], patience_s: float = 30) -> bool:
    deadline = time.monotonic() + patience_s
    while not true():
        if time.monotonic() > deadline:
            return False
        wait(0.05)
    return True


def test_a_disk_that_fills_is_looked_at_before_the_next_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Watch, "FILES_EVERY", 1_000_000)
    monkeypatch.setattr(guard, "FILES_BYTES", 1 << 20)
    monkeypatch.setattr(Watch, "SHRINKS", 1 << 18)
    # More and more, because others may free as much of the same disk meanwhile.
    fills = f"""
import os, time
print(flush=True)
file, size = os.open({str(tmp_path / "much")!r}, os.O_WRONLY | os.O_CREAT), 64 << 20
while not os.path.exists({str(tmp_path / "watched")!r}): time.sleep(0.01)
for at in range(64):
    os.posix_fallocate(file, at * size, size)
    time.sleep(0.3)
"""
    with a_tree(fills) as tree:
        watch = Watch(tree, 1 << 40, tmp_path)
        (tmp_path / "watched").touch()
        assert wait_until(lambda: watch.exceeded)
        watch.close()
        assert watch.exceeded == "files"


def test_a_tree_that_is_stopped_stands_still_until_it_is_told_to_go() -> None:
    with a_tree(WORKS) as tree:
        tree.stop()
        wait(0.1)
        assert tree.stood_still()
        tree.go()
        assert wait_until(lambda: not tree.stood_still())


def test_a_tree_that_was_killed_meanwhile_is_not_said_to_have_run_on() -> None:
    with a_tree(WORKS) as tree:
        tree.stop()
        os.kill(tree.root, signal.SIGKILL)
        wait(0.1)
        assert tree.stood_still()


def test_a_tree_that_a_timer_of_its_own_continues_did_not_stand_still() -> None:
    with a_tree(CONTINUED_BY_A_TIMER + WORKS) as tree:
        tree.stop()
        assert wait_until(lambda: not tree.stood_still())


def test_a_moment_is_enough_not_to_have_stood_still() -> None:
    notices = "import signal\nsignal.signal(signal.SIGCONT, lambda *args: None)\n"
    with a_tree(f"{notices}print(flush=True)\nwhile True: signal.pause()") as tree:
        tree.stop()
        wait(0.1)
        assert tree.stood_still()
        os.kill(tree.root, signal.SIGCONT)
        assert wait_until(lambda: not tree.stood_still())


def test_a_child_that_was_continued_and_ended_did_not_stand_still() -> None:
    parent = """
import os, signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
if not os.fork():
    signal.signal(signal.SIGCONT, lambda *args: os._exit(0))
    print(flush=True)
    while True: pass
signal.pause()
"""
    with a_tree(parent) as tree:
        tree.stop()
        (child,) = psutil.Process(tree.root).children()
        os.kill(child.pid, signal.SIGCONT)
        assert wait_until(lambda: not psutil.Process(tree.root).children())
        assert not tree.stood_still()


def test_what_is_only_mapped_and_has_no_name_is_seen(tmp_path: Path) -> None:
    maps = f"""
import ctypes, mmap, os
file = os.open({str(tmp_path / "mapped")!r}, os.O_RDWR | os.O_CREAT)
os.unlink({str(tmp_path / "mapped")!r})
os.write(file, bytes(1 << 20))
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
assert libc.mmap(None, ctypes.c_size_t(1 << 20), 1, 1, file, ctypes.c_long(0))
os.close(file)
print(flush=True)
while True: pass
"""
    with a_tree(maps) as tree:
        assert sum(tree.unlinked().values()) >= 1 << 20


def test_a_program_whose_first_thread_has_ended_is_still_seen() -> None:
    ends = """
import ctypes, os, threading, time
def goes_on():
    held, file = bytearray(64 << 20), os.memfd_create("held")
    os.write(file, bytes(1 << 20))
    print(flush=True)
    while True: time.sleep(1)
threading.Thread(target=goes_on).start()
ctypes.CDLL(None).pthread_exit(None)
"""
    with a_tree(ends) as tree:
        assert wait_until(lambda: psutil.Process(tree.root).status() == psutil.STATUS_ZOMBIE)
        assert tree.memory() > 64 << 20
        assert tree.exact_memory() > 64 << 20
        assert sum(tree.unlinked().values()) >= 1 << 20


def test_page_tables_are_memory() -> None:
    reads = """
import mmap
zeros = mmap.mmap(-1, 8 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000, prot=mmap.PROT_READ)
for at in range(0, 8 << 30, 2 << 20): zeros[at]
print(flush=True)
while True: pass
"""
    with a_tree(WORKS) as tree:
        usual, exactly = tree.memory(), tree.exact_memory()
    with a_tree(reads) as tree:
        assert tree.memory() - usual > 12 << 20
        assert tree.exact_memory() - exactly > 12 << 20


def test_more_sockets_than_anybody_needs_cannot_be_watched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guard, "SOCKETS", 10)
    opens = "import socket\nheld = [socket.socketpair() for _ in range(6)]\n" + WORKS
    with a_tree(opens) as tree, pytest.raises(guard.Unwatchable):
        tree.unlinked()
