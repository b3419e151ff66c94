"""The schemas for editors: current, complete, and of one mind with what reads definitions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from kernelbot.domain.definition import Node
from kernelbot.services import schema
from kernelbot.services.located_yaml import parse

ROOT = Path(__file__).resolve().parents[2]
PROBLEMS = ROOT / "problems"
KINDS = {"problem": schema.problem, "competition": schema.competition}
SHIPPED = {
    "problem": sorted(PROBLEMS.glob("*/problem.yaml")),
    "competition": sorted(PROBLEMS.glob("competitions/**/*.yaml")),
}


def plain(node: Node) -> Any:
    """The values of a document as an editor has them."""
    if isinstance(node.value, dict):
        return {name: plain(item) for name, item in node.value.items()}
    if isinstance(node.value, list):
        return [plain(item) for item in node.value]
    return node.value


def document(text: str) -> Any:
    node, flaws = parse(text.encode(), "file")
    assert node is not None
    assert not flaws
    return plain(node)


@pytest.mark.parametrize("kind", KINDS)
def test_the_shipped_schema_is_the_one_that_reading_gives(kind: str) -> None:
    shipped = json.loads((ROOT / "docs" / f"{kind}.schema.json").read_text())

    assert shipped == KINDS[kind](PROBLEMS), (
        f"run: kernelbot schema {kind} > docs/{kind}.schema.json"
    )


def places(found: dict[str, Any], at: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield at, found
    for name, inner in found.get("properties", {}).items():
        yield from places(inner, f"{at}.{name}")
    for inner in (found.get("items"), found.get("additionalProperties")):
        if isinstance(inner, dict):
            yield from places(inner, f"{at}[]")
    for inner in found.get("anyOf", ()):
        yield from places(inner, at)


@pytest.mark.parametrize("kind", KINDS)
def test_the_examples_show_every_key(kind: str) -> None:
    unknown = [
        at for at, found in places(KINDS[kind](PROBLEMS)) if not found.keys() - {"description"}
    ]

    assert unknown == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_shipped_fits_it(kind: str) -> None:
    validator = jsonschema_rs.validator_for(KINDS[kind](PROBLEMS))

    for file in SHIPPED[kind]:
        wrong = [str(error) for error in validator.iter_errors(document(file.read_text()))]
        assert wrong == [], file


COMPETITION = (
    "name: a\ntitle: A\nlicence: MIT\nopens: 2026-01-01T00:00:00+02:00\nscoring: {rule: points}\n"
    "problems: [{problem: b, gpus: [CPU], points: 1, closes: null}]\n"
)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("licence", "license"),
        ("title: A\n", ""),
        ("00+02:00", "00"),
        ("rule: points", "rule: vote"),
        ("{rule: points}", "{share: place}"),
        ("points: 1", "points: -1"),
        ("[CPU]", "CPU"),
        ("problem: b", "problem: 7"),
        ("name: a", "name: A!"),
    ],
)
def test_an_editor_marks_what_would_be_refused(old: str, new: str) -> None:
    validator = jsonschema_rs.validator_for(schema.competition(PROBLEMS))
    assert validator.is_valid(document(COMPETITION))

    assert not validator.is_valid(document(COMPETITION.replace(old, new, 1)))
