"""``kernelbot judge``: the real judge, without a server."""

from __future__ import annotations

import shutil
from pathlib import Path

import psutil
import pytest

from tests.api.serving import ROOT
from tests.cli.conftest import CommandLine

VECTORADD = ROOT / "problems" / "vectoradd"


async def test_a_right_kernel_is_passed_with_its_cases(plain: CommandLine) -> None:
    file = VECTORADD / "starter" / "with_torch.py"

    outcome = await plain("judge", str(VECTORADD), str(file), "--device", "cpu")

    assert outcome.code == 0, outcome.out + outcome.err
    assert outcome.out.startswith("Passed")
    assert "size: 127" in outcome.out
    assert outcome.err.splitlines() == ["build", "check"]


@pytest.mark.parametrize(
    ("example", "kind", "code"),
    [("wrong_subtracts.py", "wrong_answer", 10), ("broken_import.py", "build_failed", 11)],
)
async def test_the_verdict_is_the_exit_code_and_a_document(
    plain: CommandLine, example: str, kind: str, code: int
) -> None:
    file = VECTORADD / "examples" / example

    outcome = await plain("judge", str(VECTORADD), str(file), "--json")

    assert outcome.code == code, outcome.err
    assert outcome.document["kind"] == kind
    assert outcome.document["message"]


async def test_every_mistake_in_a_problem_is_told_with_its_line(
    plain: CommandLine, tmp_path: Path
) -> None:
    broken = tmp_path / "vectoradd"
    shutil.copytree(VECTORADD, broken)
    yaml = broken / "problem.yaml"
    yaml.write_text(
        yaml.read_text().replace("title:", "titel:").replace("scoring: geom", "scoring: best")
    )

    outcome = await plain("judge", str(broken), plain.write("k.py"))

    assert outcome.code == 1
    assert "problem.yaml:" in outcome.err
    assert "titel" in outcome.err
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("k.py", b"", "empty"),
        ("k.py", b"\xff\xfe", "not UTF-8"),
        ("k.rs", b"fn main() {}", "not taken here"),
        ("k.py", b"x" * 1_000_001, "limit"),
    ],
)
async def test_a_file_no_server_would_take_is_not_judged_here_either(
    plain: CommandLine, name: str, content: bytes, words: str
) -> None:
    outcome = await plain("judge", str(VECTORADD), plain.write(name, content))

    assert outcome.code == 1
    assert words in outcome.err


async def test_a_fence_that_is_demanded_and_not_there_is_told_with_what_helps(
    plain: CommandLine,
) -> None:
    file = VECTORADD / "starter" / "with_torch.py"

    nothing = {"KERNELBOT_ISOLATION": "bubblewrap", "PATH": str(plain.home)}

    outcome = await plain("judge", str(VECTORADD), str(file), **nothing)

    assert outcome.code == 1
    assert "KERNELBOT_ISOLATION=bubblewrap cannot be had" in outcome.err
    assert "install bubblewrap" in outcome.err


async def test_an_interrupt_ends_the_judge_and_all_it_started(plain: CommandLine) -> None:
    file = VECTORADD / "examples" / "endless.py"
    command = await plain.start("judge", str(VECTORADD), str(file), TMPDIR=str(plain.home))
    await command.says("check")
    family = psutil.Process(command.process.pid).children(recursive=True)
    assert family

    command.interrupt()
    outcome = await command.ends()

    assert outcome.code == 130
    _, alive = psutil.wait_procs(family, timeout=120)
    assert alive == []
    assert not list(plain.home.glob("kernelbot-*"))
