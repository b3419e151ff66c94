"""The demo, run as people run it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from kernelbot.cli import demo

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "kernelbot.cli.demo")


@pytest.mark.slow
def test_the_demo_gets_every_expected_verdict_and_touches_no_real_installation(
    tmp_path: Path,
) -> None:
    theirs = {
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/theirs",
        "DISCORD_TOKEN": "theirs",
        "KERNELBOT_DATA_DIR": str(tmp_path / "theirs"),
        "TMPDIR": str(tmp_path),
    }
    done = subprocess.run(
        COMMAND, cwd=ROOT, env={**os.environ, **theirs}, capture_output=True, text=True, timeout=800
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 of 6 verdicts as expected" in done.stdout
    assert "Not ranked: wrong answer." in done.stdout
    assert "submit FILE --leaderboard vectoradd" in done.stdout
    assert not list(tmp_path.iterdir()), "it leaves nothing behind"


def test_ctrl_c_in_the_middle_leaves_nothing_running(tmp_path: Path) -> None:
    with (tmp_path / "output").open("wb") as output:
        process = subprocess.Popen(
            COMMAND,
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"},
            stdout=output,
            stderr=output,
        )
    deadline = time.monotonic() + 300
    while "Sending" not in (words := (tmp_path / "output").read_text()):
        assert process.poll() is None, words
        assert time.monotonic() < deadline, words
        time.sleep(0.05)
    children = psutil.Process(process.pid).children(recursive=True)

    process.send_signal(signal.SIGINT)

    assert process.wait(120) == 130
    _, alive = psutil.wait_procs(children, timeout=120)
    assert not alive
    assert [path.name for path in tmp_path.iterdir()] == ["output"]


def test_every_file_of_the_demo_says_what_it_must_get() -> None:
    expected = demo.expectations()
    assert sorted(expected[file] for _, file, _ in demo.CAST) == [
        "build_failed", "passed", "passed", "passed", "timed_out", "wrong_answer",
    ]  # fmt: skip


def test_a_verdict_other_than_the_expected_one_is_not_as_expected(tmp_path: Path) -> None:
    entry = demo.Entry("ada", tmp_path / "file.py", "correct", "passed", server=None)  # type: ignore[arg-type]
    assert not entry.as_expected
    entry.submission = {"done": True, "runs": [{"verdict": "wrong_answer"}]}
    assert not entry.as_expected
    entry.submission = {"done": True, "runs": [{"verdict": "passed"}]}
    assert entry.as_expected
