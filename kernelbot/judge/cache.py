"""What a submission compiled, kept for the next run of the same code by the same person.

A cache is found by whose it is (``job.cache_key``: a person and a problem), by the content that was
compiled, and by the versions that compiled it. So nobody runs what another compiled, and a ranked run
uses only what this very source has left behind: other code of the same person is another cache.

What is kept is the contestant's own work and hostile: it is copied out by descriptors, plain files and
folders only, no links, bounded in depth, number and size. It is kept when the submission has been
loaded, and once more at the end of a run that was not secret; a secret run leaves nothing that it made
after it saw an input. A cache that cannot be read or written is no cache; it never decides a verdict.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from kernelbot.judge import folders
from kernelbot.judge.protocol import PROBLEM_DIR, SUBMISSION_DIR, Device, Harness, Job

DEEPEST = 24
MOST_FILES = 20_000
MOST_BYTES = 512 << 20
"""Of one cache; torch.compile's precompiled header is some 70 MB, an extension one or two."""
ALL_BYTES = 8 << 30
"""Of all caches of a machine; the longest unused go first."""
LOCKS = {"lock"}
"""A process that was killed while it compiled leaves its lock, and the next would wait for ever."""
CHUNK = 1 << 20
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILES, SIZE = "files", "bytes"
FRESH = ".new-"


class TooMuch(Exception):
    """More than a compiler leaves: not worth keeping."""


class Room:
    """What may still be copied."""

    def __init__(self) -> None:
        self.files = MOST_FILES
        self.bytes = MOST_BYTES

    def take(self, size: int, *, file: bool = False) -> None:
        self.files -= file
        self.bytes -= size
        if self.files < 0 or self.bytes < 0:
            raise TooMuch


def name(job: Job, directory: Path) -> str:
    """Of whom and of what: stable between runs, opaque; "" for a job that names nobody."""
    if not job.cache_key:
        return ""
    total = hashlib.sha256(job.cache_key.encode())
    files = [directory / PROBLEM_DIR / file for file in sorted(job.contestant_files)]
    for path in (directory / SUBMISSION_DIR / job.submission, *files):
        with contextlib.suppress(OSError):
            total.update(hashlib.sha256(path.read_bytes()).digest())
    total.update(repr(job.compile_flags).encode())
    return total.hexdigest()


class Cache:
    """One cache in a folder of them."""

    def __init__(self, root: Path, name: str, device: Device, harness: Harness) -> None:
        versions = (
            harness.judge_digest, harness.python, harness.torch, harness.triton,
            device.kind, device.name, device.capability, device.driver,
        )  # fmt: skip
        self._root = root
        self._place = root / hashlib.sha256(repr((name, versions)).encode()).hexdigest()
        self._known: frozenset[tuple[str, int, int]] = frozenset()

    def fill(self, target: Path) -> None:
        """Put what was kept into an empty folder of ours."""
        with contextlib.suppress(OSError, TooMuch), self._locked(fcntl.LOCK_SH):
            _copy_all(self._place / FILES, target)
            self._known = _seen(target)
            os.utime(self._place)

    def keep(self, source: Path) -> None:
        """Keep what lies in a folder now, in place of what was kept before."""
        with contextlib.suppress(OSError, TooMuch):
            seen = _seen(source)
            if not seen or seen == self._known:
                return
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh = self._root / f"{FRESH}{secrets.token_hex(8)}"
            fresh.mkdir(mode=0o700)
            held = folders.hold(fresh)
            if held is None:
                return
            try:
                used = _copy_all(source, fresh / FILES)
                (fresh / SIZE).write_text(str(used))
                with self._locked(fcntl.LOCK_EX):
                    if self._place.exists():
                        folders.remove(self._place)
                    fresh.rename(self._place)
                    _make_room(self._root, self._place)
            finally:
                folders.remove(fresh)
                os.close(held)
            self._known = seen

    @contextlib.contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        descriptor = os.open(self._root / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, how)
            yield
        finally:
            os.close(descriptor)


def _make_room(root: Path, newest: Path) -> None:
    """Remove the caches that were unused for longest until all of them fit, and what killed judges
    had begun to keep."""
    folders.remove_abandoned(root, f"{FRESH}*")
    found = []
    for place in root.glob("[!.]*"):
        with contextlib.suppress(OSError, ValueError):
            found.append((place.stat().st_mtime, int((place / SIZE).read_text()), place))
    total = sum(size for _, size, _ in found)
    for _, size, place in sorted(found):
        if total <= ALL_BYTES:
            return
        if place != newest:
            folders.remove(place)
            total -= size


def _seen(folder: Path) -> frozenset[tuple[str, int, int]]:
    """Every file with its size and time: whether anything was compiled since."""
    found: set[tuple[str, int, int]] = set()
    descriptor = os.open(folder, FOLDER)
    try:
        _look(descriptor, "", found, Room(), DEEPEST)
    finally:
        os.close(descriptor)
    return frozenset(found)


def _look(place: int, path: str, found: set[tuple[str, int, int]], room: Room, levels: int) -> None:
    if not levels:
        raise TooMuch
    for entry in os.listdir(place):
        room.take(0, file=True)
        with contextlib.suppress(OSError):
            status = os.stat(entry, dir_fd=place, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                inner = os.open(entry, FOLDER, dir_fd=place)
                try:
                    _look(inner, f"{path}/{entry}", found, room, levels - 1)
                finally:
                    os.close(inner)
            elif stat.S_ISREG(status.st_mode) and entry not in LOCKS:
                found.add((f"{path}/{entry}", status.st_size, status.st_mtime_ns))


def _copy_all(source: Path, target: Path) -> int:
    """Copy plain files and folders with their times; returns the bytes."""
    target.mkdir(mode=0o700, exist_ok=True)
    room = Room()
    place, into = os.open(source, FOLDER), os.open(target, FOLDER)
    try:
        _copy(place, into, room, DEEPEST)
    finally:
        os.close(place)
        os.close(into)
    return MOST_BYTES - room.bytes


def _copy(place: int, into: int, room: Room, levels: int) -> None:
    if not levels:
        raise TooMuch
    for entry in os.listdir(place):
        room.take(0, file=True)
        status = os.stat(entry, dir_fd=place, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            _copy_folder(entry, place, into, room, levels)
        elif stat.S_ISREG(status.st_mode) and entry not in LOCKS:
            _copy_file(entry, place, into, room)


def _copy_folder(entry: str, place: int, into: int, room: Room, levels: int) -> None:
    inner = os.open(entry, FOLDER, dir_fd=place)
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(entry, 0o700, dir_fd=into)
        target = os.open(entry, FOLDER, dir_fd=into)
        try:
            _copy(inner, target, room, levels - 1)
        finally:
            os.close(target)
    finally:
        os.close(inner)


def _copy_file(entry: str, place: int, into: int, room: Room) -> None:
    """By descriptors: what is copied is what was looked at, whatever the name becomes."""
    source = os.open(entry, FILE, dir_fd=place)
    try:
        status = os.fstat(source)
        if not stat.S_ISREG(status.st_mode):
            return
        executable = status.st_mode & stat.S_IXUSR
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        target = os.open(entry, flags, 0o600 | executable, dir_fd=into)
        try:
            while chunk := os.read(source, CHUNK):
                room.take(len(chunk))
                os.write(target, chunk)
            # Build tools compare times to see what has changed.
            os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
        finally:
            os.close(target)
    finally:
        os.close(source)
