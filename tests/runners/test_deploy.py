"""What is pasted, installed or built on a GPU machine says what the program understands."""

from __future__ import annotations

import re
import shlex
import tomllib

import pytest

from kernelbot.judge import cgroups, shipping
from kernelbot.services import runners
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
    assert needed <= set(runners.PACKAGES)


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
