"""What is pasted, installed or built on a GPU machine says what the program understands."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from kernelbot.judge import cgroups, shipping
from kernelbot.launchers.targets import load_targets
from kernelbot.services import joining
from runners import modal_app
from runners.agent import agent
from runners.agent.__main__ import _parser
from tests.architecture.test_imports import STANDARD, imports, modules
from tests.runners.agents import ROOT

FOLDER = ROOT / "runners" / "agent"
UNIT = (FOLDER / "kernelbot-agent.service").read_text()


def settings(name: str) -> list[str]:
    """The values of a setting of the unit."""
    return re.findall(rf"^{name}=(.*)$", UNIT, re.M)


def test_the_unit_starts_the_program_with_options_that_it_has() -> None:
    (line,) = settings("ExecStart")
    interpreter, flag, module, *options = shlex.split(line)

    parsed = _parser().parse_args(options)

    assert interpreter == "/opt/kernelbot-agent/bin/python"
    assert (flag, module) == ("-m", "runners.agent")
    assert str(parsed.token_file) == "%d/token"


def test_the_unit_does_not_start_again_what_the_server_will_not_have() -> None:
    (codes,) = settings("RestartPreventExitStatus")
    assert codes.split() == [str(code) for code in (agent.SUPERSEDED, agent.REVOKED, agent.REFUSED)]


def test_the_unit_leaves_what_runs_the_time_that_the_program_gives_it() -> None:
    (seconds,) = settings("TimeoutStopSec")
    assert float(seconds) > _parser().parse_args([]).drain_s


def test_the_unit_gives_the_agent_control_groups_and_the_pages_tell_what_that_takes() -> None:
    assert settings("Delegate") == ["yes"]
    (own,) = settings("DelegateSubgroup")  # a group with processes of its own hands no limits on
    assert re.fullmatch(r"[a-z]+", own)
    assert own != cgroups.INIT
    page = (ROOT / "docs" / "adding-a-gpu.md").read_text()
    operations = (ROOT / "docs" / "operations.md").read_text()
    for place, text in (("unit", UNIT), ("adding-a-gpu", page), ("operations", operations)):
        assert "systemd 254" in text, place
        assert "Delegate=yes" in text, place
    assert f"DelegateSubgroup={own}" in page
    assert "DelegateSubgroup=" in operations


@pytest.mark.parametrize("name", ["Dockerfile.cuda", "Dockerfile.rocm"])
def test_an_image_copies_what_an_agent_runs_and_starts_it_with_options_that_it_has(
    name: str,
) -> None:
    text = (FOLDER / name).read_text()
    copied = re.findall(r"^COPY (\S+) (\S+)$", text, re.M)
    (entry,) = re.findall(r"^ENTRYPOINT \[(.*)\]$", text, re.M)
    (shown,) = re.findall(r"^# +kernelbot-agent (--url.*)$", text, re.M)

    assert copied
    assert all((ROOT / source).exists() for source, _ in copied)
    places = {source for source, _ in copied}
    assert {part.partition("/")[0] for part in shipping.PARTS} <= places
    options = re.findall(r'"([^"]*)"', entry)[3:] + shlex.split(shown)
    assert str(_parser().parse_args(options).state) == "/state"


@pytest.mark.parametrize(
    ("name", "pinned"),
    [
        ("Dockerfile.cuda", re.escape(modal_app.CUDA_IMAGE)),  # one CUDA wherever it is judged
        (
            "Dockerfile.rocm",
            r"rocm/pytorch:rocm\d+\.\d+\.\d+_ubuntu24\.04_py3\.12_pytorch_release_\d+\.\d+\.\d+",
        ),
    ],
)
def test_an_image_begins_with_one_that_stays_the_same(name: str, pinned: str) -> None:
    text = (FOLDER / name).read_text()
    given = dict(re.findall(r"^ARG (\w+)=(\S+)$", text, re.M))
    (base,) = re.findall(r"^FROM (\S+)$", text, re.M)

    assert re.fullmatch(pinned, given.get(base.removeprefix("$"), base))


def test_the_extra_and_the_three_lines_name_every_package_that_an_agent_imports() -> None:
    shipped = {name for name in shipping.files_of(ROOT) if name.endswith(".py")}
    needed: set[str] = set()
    for module, path in modules():
        if path.relative_to(ROOT).as_posix() in shipped and ".judge" not in module:
            needed |= {name.partition(".")[0] for name in imports(path, module)}
    needed -= STANDARD | {"kernelbot", "runners"}

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extra = project["optional-dependencies"]["agent"]
    assert {re.split(r"[<>=]", word)[0] for word in extra} | {"torch"} == needed
    assert needed <= set(joining.PACKAGES | joining.TORCH)
    assert set(extra) == {f"{name}{version}" for name, version in joining.PACKAGES.items()}


def test_what_is_pasted_installs_the_versions_that_the_set_up_does() -> None:
    script = (ROOT / "scripts" / "setup").read_text()
    pinned = dict(re.findall(r"^(torch|triton|numpy)_version=(\S+)", script, re.M))
    assert {name: f"=={version}" for name, version in pinned.items()} == joining.TORCH


def pasted(folder: Path, gpu: str, version: tuple[int, int], torch: str = "", **more: str) -> Told:
    """The first of the lines for a machine with this GPU kind, where Python and torch are such."""
    (folder / "torch.py").write_text(torch or "raise ImportError")
    log = folder / "log"
    pip = f'#!/bin/sh\necho pip "$@" >> {log}\n'
    python = folder / "python"
    python.write_text(
        f"#!/bin/sh\n"
        f'if [ "$1" = -c ]; then PYTHONPATH={folder} exec {sys.executable} -S -c '
        f'"import sys; sys.version_info = {(*version, 1)}; exec(sys.argv[1])" "$2"; fi\n'
        f'echo python "$@" >> {log}; for place in "$@"; do :; done\n'
        f"mkdir -p $place/bin; printf '%s' '{pip}' > $place/bin/pip; chmod +x $place/bin/pip\n"
    )
    python.chmod(0o755)
    known = load_targets(ROOT / "runners" / "targets.yaml")
    line = joining.lines("https://kernels.example.org", "kbr_secret", [known[gpu]]).split("\n")[0]
    environment = {"PATH": os.environ["PATH"], "KERNELBOT_PYTHON": str(python), **more}
    done = subprocess.run(
        ["sh", "-c", line], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    secret = folder / "kernelbot-agent.token"
    return Told(
        code=done.returncode,
        said=done.stderr.strip().splitlines(),
        did=log.read_text().splitlines() if log.exists() else [],
        secret=secret.read_text().strip() if secret.exists() else "",
    )


@dataclass(frozen=True, kw_only=True)
class Told:
    code: int
    said: list[str]
    did: list[str]
    secret: str


@pytest.mark.parametrize("gpu", ["H200", "MI300X", "CPU"])
def test_an_old_python_is_told_in_one_line_before_anything_is_done(
    tmp_path: Path, gpu: str
) -> None:
    told = pasted(tmp_path, gpu, (3, 10))
    assert told.code
    assert (told.did, told.secret) == ([], "")
    (line,) = told.said
    assert "needs Python 3.11 or later, this is 3.10: install it" in line
    assert "KERNELBOT_PYTHON=python3.11" in line


def test_a_machine_of_nvidias_gets_the_pinned_torch_of_the_usual_index(tmp_path: Path) -> None:
    told = pasted(tmp_path, "H200", (3, 12))
    assert (told.code, told.said, told.secret) == (0, [], "kbr_secret")
    assert told.did == [
        "python -m venv --clear kernelbot-agent",
        "pip install httpx2>=2.16,<3 structlog>=26.1,<27 torch==2.13.0 triton==3.7.1 numpy==2.4.6",
    ]
    other = pasted(tmp_path, "CPU", (3, 12), KERNELBOT_TORCH_INDEX="https://index.example.org")
    assert "pip install --extra-index-url https://index.example.org httpx2" in other.did[-1]


def test_a_machine_of_amds_never_gets_torch_for_cuda(tmp_path: Path) -> None:
    without = pasted(tmp_path, "MI300X", (3, 12))
    assert without.code
    assert (without.did, without.secret) == ([], "")
    (line,) = without.said
    assert "no PyTorch for ROCm here: export KERNELBOT_TORCH_INDEX=" in line

    cuda = "class version: hip = None"
    named = pasted(tmp_path, "MI355X", (3, 12), cuda, KERNELBOT_TORCH_INDEX="https://rocm.example")
    assert named.did[0] == "python -m venv --clear kernelbot-agent"
    assert named.did[1].startswith("pip install --extra-index-url https://rocm.example ")
    assert "torch==2.13.0" in named.did[1]
    assert "triton" not in named.did[1]
    assert named.secret == "kbr_secret"


def test_a_machine_of_amds_uses_the_torch_for_rocm_that_it_has(tmp_path: Path) -> None:
    ready = pasted(tmp_path, "MI300Xx8", (3, 12), "class version: hip = '7.1'")
    assert (ready.code, ready.secret) == (0, "kbr_secret")
    assert ready.did == [
        "python -m venv --clear --system-site-packages kernelbot-agent",
        "pip install httpx2>=2.16,<3 structlog>=26.1,<27 numpy",
    ]


def test_the_program_tells_an_old_python_before_it_imports_what_that_cannot_read() -> None:
    for package in ("runners", "runners/agent"):
        source = (ROOT / package / "__init__.py").read_text()
        ast.parse(source, feature_version=(3, 7))
    script = (
        "import sys, runpy; sys.version_info = (3, 10, 1); "
        "runpy.run_module('runners.agent', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("kernelbot-agent needs Python 3.11 or later, this is 3.10: install it")


def test_every_module_that_a_shipped_one_imports_is_shipped() -> None:
    shipped = set(shipping.files_of(ROOT))
    known = {module: path.relative_to(ROOT).as_posix() for module, path in modules()}
    missing = {
        name
        for module, path in modules()
        if known[module] in shipped
        for name in imports(path, module)
        if name.partition(".")[0] in ("kernelbot", "runners")
        and name in known
        and known[name] not in shipped
    }
    assert not missing
