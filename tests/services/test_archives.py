"""Files that somebody sends: a tree in an archive comes out as it was, and nothing else comes out."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from kernelbot.errors import InvalidInput, Refused, TooLarge
from kernelbot.services import archives

TREE = {"competitions/a.yaml": b"name: a\n", "matmul/problem.yaml": b"title: M\n"}


def zipped(files: Mapping[str, bytes]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return held.getvalue()


def tarred(files: Mapping[str, bytes | tarfile.TarInfo]) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name) if isinstance(content, bytes) else content
            body = content if isinstance(content, bytes) else b""
            entry.size = len(body)
            archive.addfile(entry, io.BytesIO(body))
    return held.getvalue()


def odd(kind: bytes, target: str = "/etc/passwd") -> tarfile.TarInfo:
    entry = tarfile.TarInfo("matmul/reference.py")
    entry.type, entry.linkname = kind, target
    return entry


def link_in_a_zip() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        entry = zipfile.ZipInfo("matmul/reference.py")
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "/etc/passwd")
    return held.getvalue()


def huge_header() -> bytes:
    """A tar that says of a header that it has gigabytes, which compress to next to nothing."""
    entry = tarfile.TarInfo("././@PaxHeader")
    entry.type, entry.size = tarfile.XHDTYPE, 4 << 30
    return gzip.compress(entry.tobuf() + bytes(64 << 20), 9)


def headers_upon_headers() -> bytes:
    """A tar of names for names for names: whoever reads it goes deeper with each."""
    entry = tarfile.TarInfo("././@LongLink")
    entry.type, entry.size = tarfile.GNUTYPE_LONGNAME, 2
    return gzip.compress((entry.tobuf() + b"a\0".ljust(512, b"\0")) * 3000)


def squeezed(method: int) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", method) as archive:
        archive.writestr("matmul/reference.py", b"x" * 1000)
    return held.getvalue()


@pytest.mark.parametrize("make", [zipped, tarred])
@pytest.mark.parametrize("around", ["", "repository-main/", "repository-main/problems/"])
def test_a_tree_is_found_wherever_in_an_archive_it_lies(
    tmp_path: Path, make: Callable[[Mapping[str, bytes]], bytes], around: str
) -> None:
    content = make({f"{around}{name}": body for name, body in TREE.items()})

    found = archives.unpacked("tree.zip" if make is zipped else "tree.tgz", content, tmp_path)

    read = {name: (found.root / name).read_bytes() for name in TREE}
    assert read == TREE


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.exe", b"", "Attach the YAML file"),
        ("x.yaml", bytes(4 << 20), "the limit is"),
        ("x.zip", bytes((8 << 20) + 1), "the limit is"),
        ("x.zip", b"PK\x03\x04 and so on", "cannot be read"),
        ("x.zip", zipped({"../up.py": b""}), "no plain path"),
        ("x.zip", zipped({"/etc/cron.d/x": b""}), "no plain path"),
        ("x.zip", zipped({"a\\..\\b": b""}), "no plain path"),
        ("x.zip", zipped({"a/\u202eb": b""}), "no plain path"),
        ("x.zip", zipped({"/".join("a" * 20): b""}), "no plain path"),
        ("x.zip", zipped({"A.py": b"", "a.py": b""}), "twice"),
        ("x.zip", zipped({"a": b"", "a/b": b""}), "cannot be a file"),
        ("x.zip", zipped({"a" * 299: b""}), "cannot be a file"),
        ("x.zip", zipped({"zeros": bytes(17 << 20)}), "more than 2000 files or 16 MiB"),
        ("x.zip", zipped({str(at): b"" for at in range(2001)}), "more than 2000 files"),
        ("x.zip", zipped({f"{at}.yaml": b"x " * 120_000 for at in range(5)}), "more than 1 MiB together"),
        ("x.zip", link_in_a_zip(), "a link or a device"),
        ("x.zip", squeezed(zipfile.ZIP_LZMA), "compressed in a way"),
        ("x.zip", squeezed(zipfile.ZIP_BZIP2), "compressed in a way"),
        ("x.tgz", b"not compressed", "cannot be read"),
        ("x.tgz", tarred(TREE)[:60], "cannot be read"),
        ("x.tgz", tarred({"../up.py": b""}), "no plain path"),
        ("x.tgz", tarred({"a": odd(tarfile.SYMTYPE)}), "a link, a device"),
        ("x.tgz", tarred({"a": odd(tarfile.LNKTYPE)}), "a link, a device"),
        ("x.tgz", tarred({"a": odd(tarfile.FIFOTYPE)}), "a link, a device"),
        ("x.tgz", tarred({"a": odd(tarfile.CHRTYPE)}), "a link, a device"),
        ("x.tgz", headers_upon_headers(), "cannot be read"),
        ("x.tgz", huge_header(), "more than 2000 files or 16 MiB"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_no_plain_small_tree_is_refused(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()

    with pytest.raises(Refused, match=words) as refused:
        archives.unpacked(name, content, inside)

    assert isinstance(refused.value, InvalidInput | TooLarge)
    assert [path.name for path in tmp_path.iterdir()] == ["inside"], "nothing beside it"


def test_a_tree_is_packed_with_what_its_links_lead_to_and_nothing_from_outside(
    tmp_path: Path,
) -> None:
    (tmp_path / "secret").write_text("s")
    tree = tmp_path / "tree"
    (tree / "shared").mkdir(parents=True)
    (tree / ".git").mkdir()
    (tree / ".git" / "config").write_text("c")
    (tree / "shared" / "utils.py").write_text("u")
    (tree / "matmul").mkdir()
    (tree / "matmul" / "utils.py").symlink_to("../shared/utils.py")
    (tree / "matmul" / "out.py").symlink_to("../../secret")

    content = archives.packed(tree)
    found = archives.unpacked("files.tar.gz", content, tmp_path)

    left = {
        path.relative_to(found.root).as_posix() for path in found.root.rglob("*") if path.is_file()
    }
    assert left == {"shared/utils.py", "matmul/utils.py"}
    assert (found.root / "matmul" / "utils.py").read_text() == "u"
