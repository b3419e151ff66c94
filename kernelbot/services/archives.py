"""Definition files that somebody sends as one file: a YAML, or a zip or tar.gz of a tree. Bounded in everything
that an archive can say of itself; plain files in plain folders, nothing else."""

from __future__ import annotations

import io
import os
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from kernelbot.domain.definition import climbs
from kernelbot.errors import InvalidInput, TooLarge
from kernelbot.services.catalog import tree_in
from kernelbot.services.located_yaml import MAX_BYTES as MOST_YAML_BYTES
from kernelbot.services.sources import Opened

MOST_SENT_BYTES = 8 << 20
MOST_UNPACKED_BYTES = 16 << 20
MOST_MEMBERS = 2000
MOST_DEFINED_BYTES = 1 << 20
"""Of all YAML together: reading a megabyte takes seconds, of a process that has others to answer."""
DEEPEST = 12

YAML = (".yaml", ".yml")
TAR = (".tar.gz", ".tgz")
PIECE = 1 << 16
HEADERS = MOST_MEMBERS * 2048
"""What a tar may have beside its files: headers, and each file filled up to a block."""


def ending(name: str) -> str:
    """``.yaml``, ``.zip`` or ``.tar.gz``. Raises InvalidInput for anything else."""
    lower = name.lower()
    for endings, kind in ((YAML, ".yaml"), ((".zip",), ".zip"), (TAR, ".tar.gz")):
        if lower.endswith(endings):
            return kind
    raise InvalidInput(
        "Attach the YAML file of a competition, or a .zip or .tar.gz with a folder of problems and "
        "competitions.",
        code="wrong_extension",
    )


def unpacked(name: str, content: bytes, folder: Path) -> Opened:
    """What was sent, in an empty folder. Raises InvalidInput and TooLarge."""
    kind = ending(name)
    most = MOST_YAML_BYTES if kind == ".yaml" else MOST_SENT_BYTES
    if len(content) > most:
        raise TooLarge(
            f"The file has {len(content):,} bytes; the limit is {most:,}.", code="file_too_large"
        )
    if kind == ".yaml":
        # Its name is what a competition is called that says none.
        stem = re.sub(r"[^\w-]", "_", PurePosixPath(name).stem)[:60] or "competition"
        file = folder / f"{stem}.yaml"
        file.write_bytes(content)
        return Opened(folder, file, file.name)
    root = folder / (re.sub(r"\W", "_", name.split(".")[0])[:40] or "files")
    root.mkdir()
    taken = _Taken()
    for path, piece in _zipped(content) if kind == ".zip" else _tarred(content):
        taken.write(root, path, piece)
    return Opened(tree_in(_inner(root)), None, name)


def packed(root: Path) -> bytes:
    """A tree as a tar.gz that ``unpacked`` takes: links within it are the files that they lead to."""
    held = io.BytesIO()
    left = MOST_UNPACKED_BYTES
    with tarfile.open(fileobj=held, mode="w:gz") as archive:
        for path in _plain_files(root):
            content = path.read_bytes()
            left -= len(content)
            if left < 0:
                raise _too_much()
            entry = tarfile.TarInfo(path.relative_to(root).as_posix())
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    if len(held.getvalue()) > MOST_SENT_BYTES:
        raise _too_much()
    return held.getvalue()


def _plain_files(root: Path) -> Iterator[Path]:
    whole = root.resolve()
    for place, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(place, name)
            leads = path.resolve()
            if leads.is_file() and leads.is_relative_to(whole) and not name.startswith("."):
                yield path


def _inner(root: Path) -> Path:
    """Archives of a repository hold it in one folder."""
    entries = list(root.iterdir())
    alone = len(entries) == 1 and entries[0].is_dir() and entries[0].name != "competitions"
    return entries[0] if alone and entries[0].name != "problems" else root


class _Taken:
    """What was written so far."""

    def __init__(self) -> None:
        self.left = MOST_UNPACKED_BYTES
        self.defined = 0
        self.names: set[str] = set()

    def write(self, root: Path, path: str, content: bytes) -> None:
        self.left -= len(content)
        if self.left < 0:
            raise _too_much()
        if path.lower().endswith(YAML):
            self.defined += len(content)
        if self.defined > MOST_DEFINED_BYTES:
            raise TooLarge(
                f"The definitions in it (YAML) have more than {MOST_DEFINED_BYTES >> 20} MiB together. Send those "
                "of one competition at a time.",
                code="archive_too_large",
            )
        if path.lower() in self.names:
            raise InvalidInput(f"The archive holds {path[:80]!r} twice.", code="bad_archive")
        self.names.add(path.lower())
        place = root / path
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        except OSError:  # a file where another one needs a folder, a name that is too long
            raise InvalidInput(f"{path[:80]!r} cannot be a file.", code="bad_archive") from None


def _demand_place(path: str) -> None:
    parts = path.split("/")
    if climbs(path) or not path.isprintable() or len(parts) > DEEPEST or len(path) > 300:
        raise InvalidInput(
            f"The archive holds {path[:80]!r}, which is no plain path within it.",
            code="bad_archive",
        )


def _too_much() -> TooLarge:
    return TooLarge(
        f"There are more than {MOST_MEMBERS} files or {MOST_UNPACKED_BYTES >> 20} MiB in it. Send "
        "what the competition needs, or have whoever runs the server apply it with "
        "`kernelbot competition apply`.",
        code="archive_too_large",
    )


def _odd(path: str, what: str) -> InvalidInput:
    return InvalidInput(
        f"The archive holds {path[:80]!r}, which is {what}. Plain files and folders are taken.",
        code="bad_archive",
    )


def _zipped(content: bytes) -> Iterator[tuple[str, bytes]]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        members = archive.infolist()
        if len(members) > MOST_MEMBERS:
            raise _too_much()
        for member in members:
            if member.is_dir():
                continue
            _demand_place(member.filename)
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG):
                raise _odd(member.filename, "a link or a device")
            if member.flag_bits & 1:
                raise _odd(member.filename, "encrypted")
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise _odd(member.filename, "compressed in a way that few programs read")
            with archive.open(member) as file:  # what it says of its size may be wrong
                yield member.filename, file.read(MOST_UNPACKED_BYTES + 1)
    # RuntimeError: what zipfile reads no further, such as patched data or a version to come.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError, ValueError) as error:
        raise _broken(error) from None


def _tarred(content: bytes) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(fileobj=io.BytesIO(_inflated(content)), mode="r:") as archive:
            for at, member in enumerate(archive):
                if at >= MOST_MEMBERS:
                    raise _too_much()
                if member.isdir():
                    continue
                name = member.name.removeprefix("./")
                _demand_place(name)
                if not member.isreg() or member.issparse():
                    raise _odd(name, "a link, a device or full of holes")
                file = archive.extractfile(member)
                assert file is not None, "of a regular file"
                yield name, file.read()
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError, UnicodeError,
            RecursionError) as error:  # fmt: skip  # headers upon headers upon headers
        raise _broken(error) from None


def _inflated(content: bytes) -> bytes:
    """Before anything believes what a header says: no more than a whole tree may be."""
    most = MOST_UNPACKED_BYTES + HEADERS
    inflater = zlib.decompressobj(wbits=31)
    found = inflater.decompress(content, most + 1)
    if len(found) > most:
        raise _too_much()
    if not inflater.eof:
        raise EOFError("it ends in the middle")
    return found


def _broken(error: Exception) -> InvalidInput:
    return InvalidInput(f"The archive cannot be read: {str(error)[:200]}.", code="bad_archive")
