"""Becoming the version that the server has: fetched, checked against its digest, laid beside the old one, started.

The program that was installed stays as it is; every start begins with it, so that nothing a server sends can keep
a machine from starting.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from kernelbot.judge import shipping

ROOT = Path(__file__).resolve().parents[2]
UPDATED = "KERNELBOT_AGENT_TREE"
"""In the environment of a process that was started from a fetched tree: the tree's digest."""
KEPT = 2


def own_tree() -> str:
    """The digest of what this process was started from."""
    return shipping.digest(shipping.files_of(ROOT))


def install(content: bytes, expected: str, place: Path) -> Path:
    """Lay what the server sent beside the others. Raises ProtocolError unless it is what the digest names, and
    OSError."""
    root = shipping.install(shipping.unpack(content, expected), place)
    os.utime(root)
    others = sorted(
        (path for path in place.iterdir() if path != root),
        key=lambda path: path.stat().st_mtime,
        reverse=True,
    )
    for old in others[KEPT - 1 :]:
        if old != ROOT:
            shutil.rmtree(old, ignore_errors=True)
    return root


def restart(root: Path, digest: str, arguments: Sequence[str]) -> None:
    """Go on as the program in another tree, under the same process id. Does not return."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(root),
        "PYTHONSAFEPATH": "1",
        UPDATED: digest,
    }
    line = [sys.executable, "-m", "runners.agent", *arguments]
    os.execve(line[0], line, environment)  # noqa: S606
