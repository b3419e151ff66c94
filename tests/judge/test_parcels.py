"""Parcels: what goes in comes out, and nothing else is believed."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from kernelbot.judge import parcels
from kernelbot.judge.protocol import (
    Artefact,
    Job,
    Limits,
    Mode,
    ProtocolError,
    Verdict,
    VerdictKind,
    dump,
)

JOB = Job(
    run_id="7", mode=Mode.TEST, problem="p", problem_digest="d", tests=({"n": 1},), benchmarks=()
)
ITEM = Artefact(name="trace.txt", bytes=3, media_type="text/plain")
VERDICT = Verdict(kind=VerdictKind.PASSED, run_id="7", artefacts=(ITEM,))


def outcome(verdict: Verdict = VERDICT, files: dict[str, bytes] | None = None) -> bytes:
    header = {"verdict": dump(verdict), "events": [], "stderr": ""}
    return parcels._pack(header, {"trace.txt": b"abc"} if files is None else files)


def test_an_outcome_is_opened_as_it_was_packed() -> None:
    opened = parcels.open_outcome(outcome(), "7")

    assert opened.verdict == VERDICT
    assert opened.files == {"trace.txt": b"abc"}


@pytest.mark.parametrize(
    ("parcel", "words"),
    [
        (b"", "no parcel"),
        (b"kernelbot parcel 2\n" + bytes(8), "no parcel of this version"),
        (outcome()[:-1], "not as long"),
        (outcome() + b"x", "not as long"),
        (parcels.MAGIC + b"\xff\xff\xff\xff{}", "over the limit"),
        (parcels.MAGIC + b"\0\0\0\2[]", "cannot be read"),
        (parcels.MAGIC + b"\0\0\0\2{}", "cannot be read"),
        (parcels._pack({}, {}), "not complete"),
        (outcome(files={}), "not those that the verdict lists"),
        (outcome(files={"trace.txt": b"abcd"}), "not those that the verdict lists"),
        (outcome(files={"../trace.txt": b"abc"}), "not those that the verdict lists"),
        (outcome(dataclasses.replace(VERDICT, run_id="8")), "about run '8'"),
        (
            outcome(
                dataclasses.replace(VERDICT, artefacts=(dataclasses.replace(ITEM, name="../x"),)),
                {"../x": b"abc"},
            ),
            "break the limits",
        ),
    ],
)
def test_what_no_judge_would_have_packed_for_this_run_is_refused(parcel: bytes, words: str) -> None:
    with pytest.raises(ProtocolError, match=words):
        parcels.open_outcome(parcel, "7")


def test_a_length_below_nothing_is_refused() -> None:
    header = b'{"contents":[["a",-1],["b",1]]}'
    parcel = parcels.MAGIC + len(header).to_bytes(4, "big") + header

    with pytest.raises(ProtocolError, match="not as long"):
        parcels.open_outcome(parcel, "7")


def test_a_job_without_a_submission_is_refused() -> None:
    header = {"job": parcels.to_json(JOB), "isolation": ""}

    with pytest.raises(ProtocolError, match="no submission"):
        parcels.judged(parcels._pack(header, {}))


def test_a_job_over_the_limit_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parcels, "MAX_JOB_BYTES", 1000)

    with pytest.raises(ValueError, match="over the limit of 1000"):
        parcels.pack_job(JOB, {"reference.py": bytes(1000)}, b"")


def test_a_canary_takes_no_room_of_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parcels, "MAX_JOB_BYTES", 2000)
    canary = parcels.pack_job(JOB, {"reference.py": bytes(900)}, b"")

    packed = parcels.open_job(parcels.pack_job(JOB, {"reference.py": bytes(900)}, b"", "", canary))

    assert packed.canary is not None


def test_what_a_submission_writes_over_its_canary_is_not_believed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A judge that, of the run, forges every verdict that lies there."""
    forger = """
import glob, sys
own, good = sys.argv[1:]
for path in [] if "canary-of" in own else glob.glob(own + "/../*"):
    open(path + "/verdict.json", "w").write(good)
"""
    good = dump(dataclasses.replace(VERDICT, run_id="canary-of-7", artefacts=()))
    monkeypatch.setattr(
        parcels.staging,
        "command",
        lambda own, **_: [sys.executable, "-c", forger, str(own), good],
    )
    monkeypatch.setattr(parcels.tempfile, "tempdir", str(tmp_path))
    canary = parcels.pack_job(dataclasses.replace(JOB, run_id="canary-of-7"), {}, b"")

    found = parcels.open_outcome(parcels.judged(parcels.pack_job(JOB, {}, b"", "", canary)), "7")

    assert found.canary is not None
    assert found.canary.kind is VerdictKind.JUDGE_FAILED


def test_a_judge_that_hangs_is_ended_and_its_folder_removed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    hanging = [sys.executable, "-c", "import time; time.sleep(600)"]
    monkeypatch.setattr(parcels.staging, "command", lambda *_, **__: hanging)
    monkeypatch.setattr(parcels, "STARTING_S", 0.2)
    monkeypatch.setattr(parcels.tempfile, "tempdir", str(tmp_path))
    job = dataclasses.replace(JOB, limits=Limits(build_s=0, check_s=0, measure_s=0))

    found = parcels.open_outcome(parcels.judged(parcels.pack_job(job, {}, b"")), "7")

    assert found.verdict.kind is VerdictKind.JUDGE_FAILED
    assert "did not end within 0 s" in found.verdict.fault
    left = subprocess.run(["ls", "-A", str(tmp_path)], capture_output=True, text=True, check=True)
    assert left.stdout == ""
