"""Folders that a contestant filled: handed over, measured, removed, whatever is in them.

All of it runs with the referee's rights, often root's, on names that submitted code chose: links
that lead out, thousands of folders inside each other, paths longer than the system takes, millions
of empty files. So nothing here follows a link, recurses, or builds a path.

A folder of the judge's own is held by its maker with a lock that the kernel takes away when the
maker ends, however it ends: what nobody holds was left behind. Nothing has to be read to know it.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import secrets
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

DEEPEST = 128
"""Folders inside each other; a walk holds two descriptors open for each."""
REMOVE_S = 120.0
ATTEMPTS = 20
"""To make a folder that nobody takes for abandoned before it is held: one is nearly always enough."""
IPC_RMID = 0
SHARED = ("/dev/shm", "/tmp")  # noqa: S108  what a fence hides everybody else's files in
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class TooDeep(Exception):
    """Folders inside each other beyond DEEPEST, which no compiler's cache comes near."""


@dataclass(frozen=True)
class Usage:
    """What lies in a folder."""

    bytes: int
    entries: int


def give(folder: Path, uid: int) -> None:
    """Make the folder private, and its content the uid's; -1: ours, whoever had it before.

    Files with a second name stay as they are: the other name may be anybody's. Raises OSError only
    when the folder itself is not there; what else cannot be handed over is the contestant's loss.
    """
    descriptor = os.open(folder, FOLDER)
    try:
        os.fchmod(descriptor, 0o700)
        owner, group = (uid, uid) if uid >= 0 else (os.getuid(), os.getgid())
        if uid < 0 and os.fstat(descriptor).st_uid == owner:
            return
        os.fchown(descriptor, owner, group)
    finally:
        os.close(descriptor)
    with contextlib.suppress(TooDeep):
        for place, entry in _walk(folder):
            with contextlib.suppress(OSError):
                _give_entry(place, entry.name, owner, group)


def _give_entry(place: int, name: str, owner: int, group: int) -> None:
    """Look at the very file that is changed: the name could be another's by then."""
    descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place)
    try:
        found = os.fstat(descriptor)
        shared = stat.S_ISREG(found.st_mode) and found.st_nlink > 1
        if not shared and not stat.S_ISLNK(found.st_mode):
            os.chown(f"/proc/self/fd/{descriptor}", owner, group)
    finally:
        os.close(descriptor)


def put(folder: int, name: str, content: bytes) -> None:
    """Write a file below an open folder, in place of one of that name, and make the folders on its way.

    Follows no link: where the contestant has put one, or makes one meanwhile, OSError is raised.
    """
    *parents, last = Path(name).parts
    opened: list[int] = []
    try:
        for parent in parents:
            with contextlib.suppress(FileExistsError):
                os.mkdir(parent, 0o755, dir_fd=folder)
            opened.append(folder := os.open(parent, FOLDER, dir_fd=folder))
        with contextlib.suppress(FileNotFoundError):
            os.unlink(last, dir_fd=folder)
        with open(os.open(last, NEW_FILE, 0o644, dir_fd=folder), "wb") as file:
            file.write(content)
    finally:
        for descriptor in opened:
            os.close(descriptor)


def usage(folder: Path, *, entries: int) -> Usage:
    """Bytes on disk and number of entries, counted until there are more than ``entries``.

    Files that come and go meanwhile are no error. Raises TooDeep.
    """
    total = count = 0
    for _, entry in _walk(folder):
        count += 1
        if count > entries:
            break
        with contextlib.suppress(OSError):
            total += entry.stat(follow_symlinks=False).st_blocks * 512
    return Usage(total, count)


def _walk(folder: Path) -> Iterator[tuple[int, os.DirEntry[str]]]:
    """Every entry below a folder with the descriptor of the folder that it is in."""
    levels = [_Level(folder)]
    try:
        while levels:
            level = levels[-1]
            entry = next(level.entries, None)
            if entry is None:
                levels.pop().close()
                continue
            yield level.descriptor, entry
            if not entry.is_dir(follow_symlinks=False):
                continue
            if len(levels) == DEEPEST:
                raise TooDeep
            with contextlib.suppress(OSError):  # closed to us, gone, or a link by now
                levels.append(_Level(entry.name, level.descriptor))
    finally:
        for level in levels:
            level.close()


class _Level:
    """A folder that is being walked, held by its descriptor so that nobody can swap it."""

    def __init__(self, name: str | Path, place: int | None = None) -> None:
        self.descriptor = os.open(name, FOLDER, dir_fd=place)
        try:
            self.entries = os.scandir(self.descriptor)
        except OSError:
            os.close(self.descriptor)
            raise

    def close(self) -> None:
        self.entries.close()
        os.close(self.descriptor)


def remove(folder: Path) -> None:
    """Remove a folder and all that is in it. Never raises: cleaning up decides no verdict.

    ``rm`` knows how to take down what is too deep for a recursive function or for a path. It goes by
    another name first: somebody may make a new folder of the old name before all of it is gone.
    """
    gone = folder.with_name(f"{folder.name[:100]}-{secrets.token_hex(8)}")
    with contextlib.suppress(OSError):
        os.rename(folder, gone)
        folder = gone
    _run("rm", "-rf", "--one-file-system", "--", os.fspath(folder))
    if os.path.lexists(folder):  # folders in it are closed to all but root, their owner included
        _run("chmod", "-R", "u+rwx", "--", os.fspath(folder))
        _run("rm", "-rf", "--one-file-system", "--", os.fspath(folder))


def _run(*line: str) -> None:
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        subprocess.run(
            line,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=REMOVE_S,
            check=False,
        )


def hold(folder: Path) -> int | None:
    """Hold a folder of ours for as long as the descriptor is open; None when that cannot be.

    Somebody holds it, it is another user's, or it is gone. Whoever has just made a folder may meet
    that too: until it is held anybody takes it for abandoned.
    """
    try:
        descriptor = os.open(folder, FOLDER)
    except OSError:
        return None
    with contextlib.suppress(OSError):
        found = os.fstat(descriptor)
        if found.st_uid == os.geteuid():
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(found, os.lstat(folder)):  # not one that was removed meanwhile
                return descriptor
    os.close(descriptor)
    return None


def make(place: Path, prefix: str) -> tuple[Path, int]:
    """A new folder of ours, and the descriptor that holds it. Raises OSError where none can be had."""
    for _ in range(ATTEMPTS):
        fresh = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
        if (held := hold(fresh)) is not None:
            return fresh, held
        with contextlib.suppress(OSError):  # somebody has taken it for abandoned, and away
            fresh.rmdir()
    raise OSError(f"no folder that is made in {place} can be held")


def remove_abandoned(
    place: Path, pattern: str, before: Callable[[Path], None] = lambda path: None
) -> None:
    """Remove the folders of ours that nobody holds, each held meanwhile; ``before`` comes first."""
    for path in place.glob(pattern):
        descriptor = hold(path)
        if descriptor is not None:
            try:
                before(path)
                remove(path)
            finally:
                os.close(descriptor)


def sweep(uids: set[int]) -> None:
    """Remove what uids that existed for one run left where others could find it."""
    mine = uids - {-1}
    if not mine:
        return
    for place in ("/dev/shm", "/tmp", "/var/tmp"):  # noqa: S108
        with contextlib.suppress(OSError), os.scandir(place) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_uid in mine:
                        _remove_entry(entry)
    _sweep_system_v(mine)


def _remove_entry(entry: os.DirEntry[str]) -> None:
    if entry.is_dir(follow_symlinks=False):
        remove(Path(entry.path))
    else:
        os.unlink(entry.path)


def _sweep_system_v(uids: set[int]) -> None:
    """Shared memory, queues and semaphores of System V, which outlive whoever made them."""
    libc = ctypes.CDLL(None, use_errno=True)
    for kind, identifier, control, arguments in (
        ("shm", "shmid", libc.shmctl, (IPC_RMID, None)),
        ("msg", "msqid", libc.msgctl, (IPC_RMID, None)),
        ("sem", "semid", libc.semctl, (0, IPC_RMID)),
    ):
        for number, owners in _system_v(kind, identifier):
            if owners & uids:
                control(number, *arguments)


def _system_v(kind: str, identifier: str) -> Iterator[tuple[int, set[int]]]:
    """Identifiers of one kind, by the name of their column, with the uids of their owner and their maker."""
    try:
        names, *lines = Path(f"/proc/sysvipc/{kind}").read_text().splitlines()
    except (OSError, ValueError):
        return
    columns = names.split()
    for line in lines:
        row = dict(zip(columns, map(int, line.split()), strict=False))
        yield row[identifier], {row["uid"], row["cuid"]}
