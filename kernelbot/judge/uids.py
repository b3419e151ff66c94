"""Uids that exist for one run, each of one referee at a time.

Whoever shares a uid with another run's contestant can end it, fill its limits and read its memory.
A uid is taken by making and holding a folder of its number; the kernel lets go of it when the
referee ends, and a folder that nobody holds is the sign of one that was killed: whatever still runs
under that uid is ended before anybody gets it again.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
from pathlib import Path

from kernelbot.judge import folders

FIRST_UID, LAST_UID = 60_001, 64_999
PLACES = (Path("/run"), Path("/dev/shm"))  # noqa: S108  ours alone, and checked to be
FOLDER = "kernelbot-uids"
END_S = 10.0


class Exhausted(Exception):
    """No uid is to be had on this machine."""


class Uids:
    """Those of one referee; an ordinary user has none to give."""

    def __init__(self) -> None:
        self._held: dict[int, int] = {}  # with the descriptors that hold them

    def another(self) -> int:
        """One that nobody else has who notes them here; -1, which is to stay who one is, without the right to change.

        Raises Exhausted.
        """
        if os.getuid() != 0:
            return -1
        place = _place()
        count = LAST_UID - FIRST_UID + 1
        first = secrets.randbelow(count)
        for uid in (FIRST_UID + (first + step) % count for step in range(count)):
            with contextlib.suppress(FileExistsError):
                (place / str(uid)).mkdir(mode=0o700)
                held = folders.hold(place / str(uid))
                if held is not None:
                    self._held[uid] = held
                    return uid
        raise Exhausted(f"all uids for contestants are in use: see {place}")

    def leave(self) -> None:
        """Give them back; nothing of theirs may run any more. What they left in shared places goes."""
        folders.sweep(set(self._held))
        while self._held:
            uid, descriptor = self._held.popitem()
            with contextlib.suppress(OSError):
                (_place() / str(uid)).rmdir()
            os.close(descriptor)


def end_abandoned() -> None:
    """End what outlived referees that were killed, and give back the uids that were made for them.

    Control groups and PID namespaces leave nothing to do here; without them a process that detached
    itself is still there.
    """
    if os.getuid() == 0:
        folders.remove_abandoned(_place(), "[0-9]*", _end)


def _end(path: Path) -> None:
    """Kill everything under the uid of this number, and remove what it left in shared places."""
    uid = int(path.name)
    if not FIRST_UID <= uid <= LAST_UID:
        return
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        everybody = ["sh", "-c", "kill -9 -1"]
        subprocess.run(everybody, user=uid, group=uid, extra_groups=[], timeout=END_S, check=False)
    folders.sweep({uid})


def _place() -> Path:
    """Where they are noted: of root alone, the same for every referee that sees this ``/run``."""
    for parent in PLACES:
        place = parent / FOLDER
        with contextlib.suppress(OSError):
            place.mkdir(mode=0o700, exist_ok=True)
            found = place.lstat()
            if found.st_uid == 0 and not found.st_mode & 0o022 and os.access(place, os.W_OK):
                return place
    raise Exhausted(f"uids cannot be noted in {' or '.join(map(str, PLACES))}")
