"""The judge needs nothing of this tree but its own folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from kernelbot.config import ROOT
from kernelbot.judge import staging
from kernelbot.judge.protocol import VerdictKind, judge_digest
from tests.judge.bench import COLD_S, a_job, problem

RIGHT = "def custom_kernel(data):\n    return data[0] + data[1]\n"


def test_a_copy_of_the_judge_alone_judges_a_job(tmp_path: Path) -> None:
    copy, directory = tmp_path / "copy" / "kernelbot", tmp_path / "job"
    copy.mkdir(parents=True)
    shutil.copy(ROOT / "kernelbot" / "__init__.py", copy)
    shutil.copytree(ROOT / "kernelbot" / "judge", copy / "judge")
    directory.mkdir()
    job = a_job()
    staging.stage(directory, job, problem("add"), RIGHT.encode())

    done = subprocess.run(
        [sys.executable, "-m", "kernelbot.judge", "run", str(directory)],
        env={**os.environ, "PYTHONPATH": str(copy.parent), "PYTHONSAFEPATH": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=COLD_S,
        check=False,
    )

    verdict = staging.read_verdict(directory, job.run_id)
    assert verdict.kind is VerdictKind.PASSED, f"{verdict}\n{done.stderr}"
    assert verdict.harness.judge_digest == judge_digest()
