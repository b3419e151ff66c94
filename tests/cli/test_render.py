"""What commands print, where no server is needed to see it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kernelbot.cli import render
from kernelbot.cli.failure import Declined
from kernelbot.cli.local_judge import read_code
from kernelbot.domain.admission import MAX_CODE_BYTES


def test_a_line_of_the_audit_log_leaves_out_what_is_not_said_and_cuts_long_lists(
    capsys: pytest.CaptureFixture[str],
) -> None:
    about = {"at": "2026-11-22T01:10:28Z", "actor": None, "action": "catalog.sync"}
    checked = {f"problem-{number}": "checked on cpu" for number in range(40)}
    detail = {"pinned": "", "void": False, "reason": "Spam.", "checked": checked}

    render.audit([{**about, "target": "catalog", "detail": detail}])

    line = capsys.readouterr().out.splitlines()[1]
    assert "catalog  void: no, reason: Spam., checked: problem-0, problem-1, " in line
    assert line.endswith("…")
    assert len(line) < 250


def test_a_file_over_the_limit_is_refused_with_the_limit_before_it_is_sent(tmp_path: Path) -> None:
    file = tmp_path / "kernel.py"
    file.write_bytes(b"#" * (2 * MAX_CODE_BYTES))
    with pytest.raises(Declined, match=r"kernel\.py has more than 1,000,000 bytes"):
        read_code(file)

    file.write_bytes(b"#" * MAX_CODE_BYTES)
    assert len(read_code(file)) == MAX_CODE_BYTES
