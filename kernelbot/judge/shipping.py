"""What an agent runs, as files: taken from a tree, told by a digest, written down as a tree again.

A server sends its own to agents, so that a box never judges with another judge than the server's. Only files
that the digest covers travel, so whoever knows the digest knows every byte.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from kernelbot.judge.protocol import ProtocolError

PARTS = (
    "kernelbot/__init__.py",
    "kernelbot/errors.py",
    "kernelbot/domain/__init__.py",
    "kernelbot/domain/target.py",
    "kernelbot/judge",
    "kernelbot/launchers/__init__.py",
    "kernelbot/launchers/base.py",
    "kernelbot/launchers/devices.py",
    "kernelbot/launchers/local.py",
    "kernelbot/launchers/template.py",
    "runners/__init__.py",
    "runners/agent",
)
SUFFIXES = frozenset({".py", ".cu", ".cpp", ".c", ".h"})
MAX_BYTES = 16 << 20
MAX_FILES = 1000


def files_of(root: Path) -> dict[str, bytes]:
    """The files of the tree at ``root`` that an agent runs, by their paths in it."""
    found: dict[str, bytes] = {}
    for part in PARTS:
        place = root / part
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.suffix in SUFFIXES and path.is_file():
                found[path.relative_to(root).as_posix()] = path.read_bytes()
    return found


def digest(files: Mapping[str, bytes]) -> str:
    """sha256 over names and contents."""
    total = hashlib.sha256()
    for name in sorted(files):
        total.update(name.encode())
        total.update(b"\0")
        total.update(hashlib.sha256(files[name]).digest())
    return total.hexdigest()


def pack(files: Mapping[str, bytes]) -> bytes:
    """The files as one piece: JSON, because all of them are text."""
    return json.dumps({name: content.decode() for name, content in files.items()}).encode()


def unpack(content: bytes, expected: str) -> dict[str, bytes]:
    """The files of a piece. Raises ProtocolError unless they are those that the digest ``expected`` names."""
    if len(content) > MAX_BYTES:
        raise ProtocolError(f"a tree of {len(content)} bytes is over the limit of {MAX_BYTES}")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"a tree cannot be read: {error}") from error
    if not isinstance(document, dict) or len(document) > MAX_FILES:
        raise ProtocolError("a tree must be an object of files, not too many of them")
    files: dict[str, bytes] = {}
    for name, text in document.items():
        if not isinstance(text, str) or not _belongs(name):
            raise ProtocolError(f"{name[:100]!r} is no file of an agent")
        files[name] = text.encode("utf-8", "surrogatepass")
    if digest(files) != expected:
        raise ProtocolError("the files are not those that the digest names")
    return files


def _belongs(name: str) -> bool:
    path = PurePosixPath(name)
    plain = name == path.as_posix() and ".." not in path.parts and "\0" not in name
    return (
        plain
        and path.suffix in SUFFIXES
        and any(name == part or name.startswith(f"{part}/") for part in PARTS)
    )


def install(files: Mapping[str, bytes], place: Path) -> Path:
    """Write the files as a tree below ``place``, whole or not at all, and return its root.

    The root is named by the digest; one that is there already is used when its files are still the same. Raises
    OSError.
    """
    name = digest(files)
    root = place / name
    if intact(root, name):
        return root
    place.mkdir(parents=True, exist_ok=True)
    # Submissions run as users of their own, with the judge's files in sight.
    os.chmod(place, 0o755)  # noqa: S103
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=place))
    try:
        for path, content in files.items():
            target = draft / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        for found in (draft, *draft.rglob("*")):  # whatever this process's umask is
            os.chmod(found, 0o755 if found.is_dir() else 0o644)
        shutil.rmtree(root, ignore_errors=True)
        draft.rename(root)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return root


def intact(root: Path, expected: str) -> bool:
    """Whether the tree at ``root`` is the one that the digest names, byte for byte."""
    try:
        return digest(files_of(root)) == expected
    except OSError:
        return False
