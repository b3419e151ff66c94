"""The container files say what the code knows: settings, modules, files, pins."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import AliasChoices

from kernelbot.cli import up
from kernelbot.config import Settings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if name != "postgres"}


def variables() -> Iterator[str]:
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias
        if isinstance(alias, AliasChoices):
            yield from (str(choice) for choice in alias.choices)
        yield f"KERNELBOT_{name.upper()}"


@pytest.mark.parametrize("name", OURS)
def test_a_service_runs_something_that_exists(name: str) -> None:
    words = OURS[name]["command"].split()
    if words[0] == "python":
        assert importlib.util.find_spec(words[2]) is not None
    else:
        assert words[:2] == ["kernelbot", "up"]
        _, options = up._parse(words[2:])
        assert options.prepare_only


@pytest.mark.parametrize("name", OURS)
def test_a_service_sets_only_settings_that_exist(name: str) -> None:
    assert set(OURS[name]["environment"]) <= set(variables())


def test_only_the_bot_is_given_the_bot_s_token_and_only_preparing_the_administrator_s() -> None:
    def given(variable: str) -> set[str]:
        return {name for name, service in OURS.items() if variable in service["environment"]}

    assert given("DISCORD_TOKEN") == {"bot"}
    assert given("KERNELBOT_ADMIN_TOKEN") == {"prepare"}


def test_the_example_names_every_variable_that_the_compose_file_asks_for() -> None:
    asked = set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text()))
    named = set(re.findall(r"^(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert asked == named


def test_a_variable_left_empty_is_a_variable_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERNELBOT_ADMIN_TOKEN", "")
    monkeypatch.setenv("DISCORD_TOKEN", "")
    settings = up.read_settings({})
    assert settings.admin_token is None
    assert settings.discord_token is None


def test_what_the_image_copies_exists_and_secrets_are_kept_out() -> None:
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY"):
            for source in line.split()[1:-1]:
                assert (ROOT / source).exists(), line
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {".env", ".git", ".kernelbot", ".venv"} <= set(ignored)


def pins(lock: str) -> dict[str, str]:
    text = (ROOT / lock).read_text()
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", text, re.MULTILINE))


def test_the_image_s_lock_is_a_part_of_the_whole_one() -> None:
    whole, server = pins("requirements.lock"), pins("requirements-server.lock")
    assert len(server) > 50
    assert server.items() <= whole.items(), dict(server.items() - whole.items())
    assert not {"pytest", "ruff", "mypy"} & server.keys()


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-server.lock"])
def test_a_lock_pins_by_hash_and_names_no_host(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert text.count("--hash=sha256:") >= len(pins(lock))


def test_the_operator_s_page_lists_every_setting_and_none_that_is_not() -> None:
    table = (ROOT / "docs" / "operations.md").read_text().partition("## Settings")[2]
    listed = re.findall(r"^\| `(\w+)`", table, re.MULTILINE)
    fields = Settings.model_fields.items()
    wanted = {
        str(field.validation_alias.choices[0])
        if isinstance(field.validation_alias, AliasChoices)
        else f"KERNELBOT_{name.upper()}"
        for name, field in fields
    }
    assert sorted(listed) == sorted(wanted)
