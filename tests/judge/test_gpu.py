"""What only a CUDA device can show: run with ``scripts/test --gpu``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CHECK = Path(__file__).with_name("gpu_check.py")


@pytest.mark.gpu
@pytest.mark.timeout(1200)
def test_every_verdict_on_a_gpu_is_the_expected_one() -> None:
    found = subprocess.run([sys.executable, str(CHECK)], capture_output=True, text=True)

    assert found.returncode == 0, found.stdout + found.stderr
