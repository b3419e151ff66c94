"""What the documentation shows, loads; the mistakes it quotes are the ones made."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

from kernelbot.checking.skeleton import files
from kernelbot.domain.definition import DefinitionErrors
from kernelbot.services.catalog import load_catalog, load_competition, load_one, load_problem

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "writing-a-problem.md").read_text()
DESK = (ROOT / "docs" / "running-a-competition.md").read_text()
SCHEMA = (ROOT / "problems" / "README.md").read_text()
TARGETS = yaml.safe_load((ROOT / "runners" / "targets.yaml").read_text())
GPUS = list(TARGETS)


def blocks(document: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", document, re.DOTALL)


@pytest.fixture
def guided(tmp_path: Path) -> Path:
    """What `kernelbot problem new scale` makes, with what the guide shows in the place of it."""
    folder = tmp_path / "scale"
    reference, example, *_ = blocks(GUIDE, "python")
    shown = {
        "reference.py": reference,
        "problem.yaml": blocks(GUIDE, "yaml")[0],
        "examples/cheat_zeros.py": example,
    }
    for path, content in (files("scale") | shown).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content)
    return folder


def test_the_shipped_tree_loads_with_the_shipped_targets() -> None:
    catalog = load_catalog(ROOT / "problems", GPUS)

    assert {"vectoradd", "matmul", "histogram"} <= set(catalog.problems)
    started = catalog.competitions["getting-started"]
    assert [board.name for board in started.leaderboards] == ["vectoradd", "matmul", "histogram"]
    assert set(started.gpus) == {name for name, entry in TARGETS.items() if "gpus" not in entry}
    assert started.closes is None


EXAMPLES = sorted((ROOT / "problems" / "competitions" / "examples").glob("*.yaml"))


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_of_a_competition_loads_and_can_be_scored(file: Path) -> None:
    (competition,) = load_one(file, GPUS, ROOT / "problems").competitions.values()

    assert competition.name == file.stem
    assert competition.scoring is not None


def test_the_problem_of_the_guide_loads(guided: Path) -> None:
    assert load_problem(guided).cpu_benchmarks == (
        {"rows": 128, "columns": 512},
        {"rows": 256, "columns": 1024},
    )


def test_the_guide_shows_what_a_new_problem_begins_with() -> None:
    made = files("scale")
    first, hidden, light, native, *_ = (yaml.safe_load(block) for block in blocks(GUIDE, "yaml"))
    written = yaml.safe_load(made["problem.yaml"])

    assert blocks(GUIDE, "python")[0] == made["reference.py"]
    assert first == written | {"summary": first["summary"]}
    assert light["speed_of_light"] == written["speed_of_light"]
    assert "hidden" in hidden
    assert "native" in native


def test_what_the_guide_adds_to_it_loads(guided: Path) -> None:
    _, hidden, _, native, *_ = blocks(GUIDE, "yaml")
    spec = (guided / "problem.yaml").read_text() + hidden + native
    spec = spec.replace("languages: [python]", "languages: [python, cuda, hip, cpp]")
    (guided / "problem.yaml").write_text(spec)

    problem = load_problem(guided)

    assert problem.deterministic
    assert [entry.name for entry in problem.native] == ["x", "out", "rows", "columns"]


def test_the_mistakes_in_the_guide_are_the_ones_told(guided: Path) -> None:
    spec = (guided / "problem.yaml").read_text()
    spec = spec.replace("columns: 1000", "colunms: 1000", 1).replace("build: 300", "build: 300 s")
    (guided / "problem.yaml").write_text(spec)

    with pytest.raises(DefinitionErrors) as refused:
        load_problem(guided, shown="problems/scale")

    assert f"```\n{refused.value}\n```" in GUIDE


def test_the_competition_of_the_guide_loads(tmp_path: Path) -> None:
    file = tmp_path / "spring.yaml"
    file.write_text(blocks(DESK, "yaml")[0])

    competition = load_competition(file, ["vectoradd", "matmul"], GPUS)

    assert [board.gpus for board in competition.leaderboards] == [("CPU",), ("H100", "MI300X")]


def test_the_mistakes_of_the_competition_guide_are_the_ones_told(tmp_path: Path) -> None:
    file = tmp_path / "spring.yaml"
    text = blocks(DESK, "yaml")[0]
    file.write_text(
        text.replace("2026-03-01T00:00:00Z", "2026-03-01T00:00:00").replace("[H100]", "[h1000]", 1)
    )

    with pytest.raises(DefinitionErrors) as refused:
        load_competition(
            file,
            ["vectoradd", "matmul"],
            ["CPU", "H100", "MI300X"],
            shown="spring.yaml",
        )

    assert f"```\n{refused.value}\n```" in DESK


def test_the_schema_by_example_loads(tmp_path: Path) -> None:
    problem, competition, cup = blocks(SCHEMA, "yaml")
    folder = tmp_path / "vectoradd"
    shutil.copytree(ROOT / "problems" / "vectoradd", folder)
    (folder / "problem.yaml").write_text(problem)
    (tmp_path / "spring.yaml").write_text(competition)

    assert load_problem(folder).limits_on("cpu").check_s == 10
    boards = load_competition(tmp_path / "spring.yaml", ["vectoradd", "matmul"], GPUS).leaderboards
    assert [(board.name, board.weight) for board in boards] == [
        ("vectoradd", 1.0),
        ("matmul-spring", 2.0),
    ]
    (tmp_path / "cup.yaml").write_text(cup)
    phases = load_competition(tmp_path / "cup.yaml", ["vectoradd", "matmul"], GPUS).phases
    assert [(phase.name, phase.advance) for phase in phases] == [("qualifier", 10), ("final", None)]
