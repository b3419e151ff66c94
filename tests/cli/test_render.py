"""What commands print, where no server is needed to see it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from kernelbot.cli import render
from kernelbot.cli.failure import Declined
from kernelbot.cli.local_judge import read_code
from kernelbot.domain.admission import MAX_CODE_BYTES
from kernelbot.judge.protocol import Device, Harness, Spent, Verdict, VerdictKind, to_json
from tests.factories import make_verdict


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


def on_a_gpu(**changes: Any) -> Verdict:
    found = make_verdict()
    checked, timed = found.cases
    assert timed.measurement is not None
    noted = dataclasses.replace(timed.measurement, warnings=("noisy: the interval is wide",))
    values: dict[str, Any] = {
        "cases": (checked, dataclasses.replace(timed, measurement=noted)),
        "device": Device(kind="cuda", name="NVIDIA H200"),
        "harness": Harness(isolation="bubblewrap", evidence="device-events-bounded"),
        "spent": Spent(wall_s=4.2, build_s=1.3, device_s=2.1),
    }
    return dataclasses.replace(found, **{**values, **changes})


JUDGED = (
    "  Judged on NVIDIA H200, isolation: bubblewrap, "
    "evidence: device-events-bounded (the device's own events only)"
)
NOTE = "  Note on size: 512: noisy: the interval is wide"


def test_the_local_judge_s_verdict_tells_what_its_times_rest_on_and_what_it_took(
    capsys: pytest.CaptureFixture[str],
) -> None:
    render.verdict(on_a_gpu())

    lines = capsys.readouterr().out.splitlines()
    assert JUDGED in lines
    assert NOTE in lines
    assert "  Spent: 4.2 s in all, 1.3 s to build, the GPU held for 2.1 s." in lines


@pytest.mark.parametrize(
    ("mode", "spent"),
    [
        ("benchmark", "  Spent: 4.2 s in all, 1.3 s to build, the GPU held for 2.1 s."),
        ("ranked", "  Spent: at most 4.2 s in all, 1.3 s to build, the GPU held for 2.1 s."),
    ],
)
def test_a_run_of_a_submission_tells_the_same(
    mode: str, spent: str, capsys: pytest.CaptureFixture[str]
) -> None:
    render.run(run_document(on_a_gpu(), mode))

    lines = capsys.readouterr().out.splitlines()
    assert lines[-4:] == [NOTE, JUDGED, spent, "  Not ranked."]


def test_a_run_that_was_never_begun_tells_no_machine(capsys: pytest.CaptureFixture[str]) -> None:
    failed = make_verdict(VerdictKind.JUDGE_FAILED)
    harness = dataclasses.replace(failed.harness, isolation="not-run")
    render.run(run_document(dataclasses.replace(failed, harness=harness), "test"))
    render.run({**run_document(failed, "test"), "device": None, "harness": None, "spent": None})

    shown = capsys.readouterr().out
    assert "Judged on" not in shown
    assert "Spent" not in shown


def run_document(found: Verdict, mode: str) -> dict[str, Any]:
    """What the API says of a run, as far as it is shown."""
    told = {name: to_json(getattr(found, name)) for name in ("cases", "device", "harness", "spent")}
    empty = dict.fromkeys(("rule", "evidence", "log"), "")
    return told | empty | {
        "gpu": "H200", "mode": mode, "headline": "Passed", "decision": None, "ranking": "Not ranked."
    }  # fmt: skip


def test_an_entry_that_the_device_timed_alone_is_marked_with_what_that_means(
    capsys: pytest.CaptureFixture[str],
) -> None:
    entry = {
        "rank": 1, "position": 1, "tied": False, "user_id": 1, "user_name": "ada", "submission_id": 7,
        "seconds": 1e-3, "error": 0.001, "runs": 1, "submitted_at": "2026-11-22T01:10:28Z",
    }  # fmt: skip
    items = [entry, {**entry, "rank": 2, "position": 2, "user_name": "bob", "device_timed": True}]
    page = {"leaderboard": "matmul", "gpu": "H200", "total": 2, "items": items, "mine": None}

    render.standings(page)

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines[2:4]] == [["1", "ada", "1.000"], ["2", "^", "bob"]]
    assert lines[4].startswith("^ : timed by the device's own events only")
