"""Files that a run leaves for the person who sent it: profiler reports and traces.

What is in them was made beside submitted code and is only ever stored and handed on, never looked
into. Names, number and sizes are ours.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from kernelbot.judge.protocol import Artefact

MAX_FILES = 16
MAX_FILE_BYTES = 64 << 20
MAX_BYTES = 128 << 20
PIECE_BYTES = 1 << 20
"""Of what a file travels and is stored in."""
CHUNK_BYTES = 1 << 20
BINARY = "application/octet-stream"


class NotKept(Exception):
    """Why a file is not among the artefacts, in words for its owner."""


class Shelf:
    """The artefacts of one run, in a folder that no contestant can reach."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._found: list[Artefact] = []

    @property
    def artefacts(self) -> tuple[Artefact, ...]:
        return tuple(self._found)

    def take(self, place: int, source: str, name: str, media_type: str = BINARY) -> None:
        """Copy a file out of a contestant's folder, which is held open. Raises NotKept."""
        with _plain_file(place, source, name) as file:
            self.put(file, os.fstat(file.fileno()).st_size, name, media_type)

    def put(self, file: BinaryIO, size: int, name: str, media_type: str = BINARY) -> None:
        """Keep the first ``size`` bytes of an open file. Raises NotKept."""
        self._admit(size, name)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        written = 0
        with (self._folder / name).open("xb") as target:
            while written < size and (chunk := file.read(min(CHUNK_BYTES, size - written))):
                written += target.write(chunk)
        self._found.append(Artefact(name=name, bytes=written, media_type=media_type))

    def _admit(self, size: int, name: str) -> None:
        if len(self._found) == MAX_FILES:
            raise NotKept(f"{name} is left out: a run keeps {MAX_FILES} files.")
        if size > MAX_FILE_BYTES:
            raise NotKept(
                f"{name} is left out: {_mb(size)} is over the {_mb(MAX_FILE_BYTES)} of a file."
            )
        if size + sum(item.bytes for item in self._found) > MAX_BYTES:
            raise NotKept(
                f"{name} is left out: the files of a run may have {_mb(MAX_BYTES)} together."
            )


def text_of(place: int, name: str, limit: int) -> str:
    """The text of a file in a contestant's folder, which is held open. Raises NotKept."""
    with _plain_file(place, name, name) as file:
        return file.read(limit).decode("utf-8", "replace")


def sound(artefacts: tuple[Artefact, ...]) -> bool:
    """Whether a list that came from elsewhere keeps to the limits and names plain files."""
    return (
        len(artefacts) <= MAX_FILES
        and len({item.name for item in artefacts}) == len(artefacts)
        and all(_is_plain(item.name) and 0 <= item.bytes <= MAX_FILE_BYTES for item in artefacts)
        and sum(item.bytes for item in artefacts) <= MAX_BYTES
    )


def _is_plain(name: str) -> bool:
    signs = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
    return 0 < len(name) <= 100 and not name.startswith(".") and set(name) <= signs


@contextlib.contextmanager
def _plain_file(place: int, source: str, name: str) -> Iterator[BinaryIO]:
    """The file itself: a link, a pipe or a device in its place is the contestant's doing.

    By its name in an open folder: the folder's own name may have become anybody's.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(source, flags, dir_fd=place)
    except OSError:
        raise NotKept(f"{name} is left out: the profiler wrote none.") from None
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            raise NotKept(f"{name} is left out: what lies in its place is no plain file.")
        yield file


def _mb(size: int) -> str:
    return f"{size / (1 << 20):.0f} MiB"
