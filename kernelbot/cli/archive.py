"""Unpacking a problem's archive: a server may be anybody's, so its file names are only suggestions."""

from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path, PurePosixPath

from kernelbot.cli.failure import Declined

MAX_FILES = 300
MAX_BYTES = 32 << 20


def unpack(content: bytes, target: Path) -> list[Path]:
    """Write the archive's files under ``target``; the paths written.

    Raises Declined, before anything is written, for an archive that is broken, too large, climbs
    out, or would replace a file that is there already.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
            _refuse_bomb(infos)
            files = {_place(info, target): archive.read(info) for info in infos}
    except zipfile.BadZipFile as error:
        raise Declined(f"The server sent a broken archive: {error}.", code="bad_archive") from None
    for path in files:
        if path.exists() or path.is_symlink():
            raise Declined(
                f"{path} is there already. Move it away, or name another folder.", code="exists"
            )
    for path, data in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return list(files)


def _refuse_bomb(infos: list[zipfile.ZipInfo]) -> None:
    if len(infos) > MAX_FILES or sum(info.file_size for info in infos) > MAX_BYTES:
        raise Declined("The archive is larger than any problem.", code="bad_archive")


def _place(info: zipfile.ZipInfo, target: Path) -> Path:
    relative = PurePosixPath(info.filename)
    unsafe = relative.is_absolute() or ".." in relative.parts or not info.filename.isprintable()
    if unsafe or "\\" in info.filename or stat.S_ISLNK(info.external_attr >> 16):
        raise Declined(
            f"The archive holds a file with the unsafe name {info.filename[:100]!r}.",
            code="bad_archive",
        )
    return target.joinpath(*relative.parts)
