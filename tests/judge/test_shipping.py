"""The files that an agent runs travel as one piece, and nothing else does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kernelbot.config import ROOT
from kernelbot.judge import shipping
from kernelbot.judge.protocol import ProtocolError, judge_digest

FILES = shipping.files_of(ROOT)
DIGEST = shipping.digest(FILES)


def test_what_is_packed_is_unpacked_and_stands_alone(tmp_path: Path) -> None:
    unpacked = shipping.unpack(shipping.pack(FILES), DIGEST)
    root = shipping.install(unpacked, tmp_path)

    ask = (
        "import sys; sys.path.insert(0, sys.argv[1]); from kernelbot.judge import protocol, parcels; "
        "print(protocol.judge_digest())"
    )
    line = [sys.executable, "-I", "-c", ask, str(root)]
    said = subprocess.run(line, capture_output=True, text=True, check=True, cwd=tmp_path)

    assert said.stdout.strip() == judge_digest()
    assert shipping.intact(root, DIGEST)


def test_a_tree_that_was_changed_on_disk_is_written_anew(tmp_path: Path) -> None:
    root = shipping.install(FILES, tmp_path)
    (root / "kernelbot" / "judge" / "referee.py").write_text("raise SystemExit\n")
    assert not shipping.intact(root, DIGEST)

    assert shipping.install(FILES, tmp_path) == root
    assert shipping.intact(root, DIGEST)
    assert [path.name for path in tmp_path.iterdir()] == [DIGEST]


def changed(**files: object) -> bytes:
    return json.dumps(json.loads(shipping.pack(FILES)) | files).encode()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{", "cannot be read"),
        (b"[" * 100_000, "cannot be read"),
        (b"[]", "must be an object"),
        (changed(**{"kernelbot/judge/new.py": "x = 1\n"}), "not those that the digest names"),
        (changed(**{"kernelbot/judge/../../evil.py": ""}), "no file of an agent"),
        (changed(**{"/etc/cron.d/evil.py": ""}), "no file of an agent"),
        (changed(**{"kernelbot/services/evil.py": ""}), "no file of an agent"),
        (changed(**{"kernelbot/judge/evil.so": ""}), "no file of an agent"),
        (changed(**{"kernelbot/judge/evil.py": 7}), "no file of an agent"),
        (b" " * (shipping.MAX_BYTES + 1), "over the limit"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_the_digest_does_not_name_is_refused(content: bytes, why: str) -> None:
    with pytest.raises(ProtocolError, match=why):
        shipping.unpack(content, DIGEST)


def test_an_installed_tree_can_be_read_by_everybody_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        root = shipping.install({"kernelbot/judge/a.py": b"1"}, tmp_path / "trees")
    finally:
        os.umask(before)
    modes = {
        path.relative_to(root).as_posix(): path.stat().st_mode & 0o777 for path in root.rglob("*")
    }
    assert modes == {"kernelbot": 0o755, "kernelbot/judge": 0o755, "kernelbot/judge/a.py": 0o644}
