"""What runs on this machine, read from /proc: whether a test's processes are gone."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path


def processes(word: str) -> list[int]:
    """Live processes that carry this word in their command line or directory."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if (entry / "stat").read_text().rpartition(")")[2].split()[0] in "ZX":
                continue
            told = (entry / "cmdline").read_bytes().decode("utf-8", "replace")
            told += os.readlink(entry / "cwd")
        except OSError:
            continue
        if word in told:
            found.append(int(entry.name))
    return found


def family(pid: int) -> list[int]:
    """A process and everything below it."""
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):  # its folder of threads may go while it is being read
            for task in os.listdir(f"/proc/{parent}/task"):
                with contextlib.suppress(OSError):
                    children = Path(f"/proc/{parent}/task/{task}/children").read_text()
                    found += [int(child) for child in children.split()]
    return found


def alive(pids: Iterable[int]) -> list[int]:
    """Those that have not ended, waited for or not."""
    living = []
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state not in "ZX":
            living.append(pid)
    return living
