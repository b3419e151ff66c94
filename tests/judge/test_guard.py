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
    """A program that runs in a session of its own and has said that it is ready."""
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
