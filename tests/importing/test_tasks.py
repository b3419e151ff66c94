"""Tasks of other collections: what is read out of them, and what is said of those that cannot be used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kernelbot.domain.definition import DefinitionErrors
from kernelbot.importing import definition_task, folder, model_task
from kernelbot.importing.folder import Imported
from kernelbot.services.catalog import load_problem

TASKS = Path(__file__).parent / "tasks"

MODEL = """\
class Model:
    def forward(self, x):
        return x * {used}

size = 16 * 1024
scale = 2.0
names = ("a", "b")
other = size // 3

def get_inputs():
    return [draw(other, names)]

def get_init_inputs():
    return [scale]
"""


def of_model(source: str) -> Imported:
    return model_task.imported(source.encode(), name="task", file="task.py")


def cases_of(imported: Imported, place: Path) -> tuple[dict[str, Any], ...]:
    for path, text in imported.files.items():
        file = place / imported.name / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return load_problem(place / imported.name).benchmarks


def definition(**changes: Any) -> dict[str, Any]:
    return {
        "name": "Row Sums",
        "axes": {
            "rows": {"type": "var"},
            "width": {"type": "const", "value": 8},
            "cells": {"type": "expr", "expression": "rows * width"},
        },
        "inputs": {
            "x": {"shape": ["rows", "width"], "dtype": "float32"},
            "factor": {"shape": None, "dtype": "float32"},
        },
        "outputs": {"total": {"shape": ["rows"], "dtype": "float32"}},
        "reference": "def run(x, factor):\n    return factor * x.sum(1)\n",
        **changes,
    }


def workload(rows: int, **inputs: Any) -> dict[str, Any]:
    given = {"x": {"type": "random"}, "factor": {"type": "scalar", "value": 2}, **inputs}
    return {"uuid": str(rows), "axes": {"rows": rows}, "inputs": given}


def of_definition(content: Any, *lines: Any, name: str = "") -> Imported:
    return definition_task.imported(
        content if isinstance(content, bytes) else json.dumps(content).encode(),
        "\n".join(json.dumps(line) for line in lines).encode(),
        name=name,
        file="definition.json",
        lines="workload.jsonl",
    )


def complaints(content: Any, *lines: Any) -> str:
    with pytest.raises(DefinitionErrors) as caught:
        of_definition(content, *lines)
    return str(caught.value)


def test_constants_that_inputs_are_made_from_become_arguments(tmp_path: Path) -> None:
    (case,) = cases_of(of_model(MODEL.format(used="2")), tmp_path)

    assert case == {"size": 16384, "scale": 2.0, "names": ["a", "b"]}


@pytest.mark.parametrize("used", ["size", "other"])
def test_a_constant_that_the_model_reads_too_is_none(used: str, tmp_path: Path) -> None:
    (case,) = cases_of(of_model(MODEL.format(used=used)), tmp_path)

    assert case == {"scale": 2.0, "names": ["a", "b"]}


def test_everything_that_a_model_lacks_is_said_at_once() -> None:
    with pytest.raises(DefinitionErrors) as caught:
        of_model("class Model:\n    pass\n")

    assert [flaw.path for flaw in caught.value.flaws] == ["get_inputs", "get_init_inputs", "Model"]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"def f(:\n", "task.py:1: does not parse"),
        (b"x = 1\0", "task.py: does not parse"),
        (b"(" * 500, "does not parse"),
    ],
)
def test_a_file_that_is_no_python_is_refused_with_its_line(source: bytes, said: str) -> None:
    with pytest.raises(DefinitionErrors, match=said):
        model_task.imported(source, name="task", file="task.py")


def test_workloads_become_cases_and_the_smallest_is_tested_twice(tmp_path: Path) -> None:
    imported = of_definition(definition(), workload(100), workload(3), workload(100))

    cases = cases_of(imported, tmp_path)
    assert imported.name == "row-sums"
    assert cases == ({"rows": 3, "factor": 2}, {"rows": 100, "factor": 2})
    tests = load_problem(tmp_path / "row-sums").tests
    assert tests == (cases[0], cases[0], cases[1])


def test_of_many_workloads_some_of_every_size_are_benchmarks(tmp_path: Path) -> None:
    imported = of_definition(definition(), *(workload(rows) for rows in range(1, 301)))

    rows = [case["rows"] for case in cases_of(imported, tmp_path)]
    assert len(rows) == folder.MAX_BENCHMARKS
    assert (rows[0], rows[-1]) == (1, 300)
    assert any(f"{len(rows)} of 300 workloads" in note for note in imported.notes)


def test_a_constraint_about_data_is_left_to_the_reader() -> None:
    imported = of_definition(definition(constraints=["rows <= 4", "x[0].item() > 0"]), workload(4))

    assert "Not checked: x[0].item() > 0." in imported.notes


TOLERANCE = {"max_atol": 0.5, "max_rtol": 0.01, "required_matched_ratio": 0.99}


def test_a_tolerance_that_all_workloads_share_is_the_problems(tmp_path: Path) -> None:
    outputs = {
        "total": {"shape": ["rows"], "dtype": "float32"},
        "count": {"shape": ["rows"], "dtype": "int32"},
    }
    lines = [workload(rows) | {"tolerance": TOLERANCE} for rows in (1, 2)]
    imported = of_definition(definition(outputs=outputs), *lines)

    cases_of(imported, tmp_path)
    total, count = load_problem(tmp_path / "row-sums").tolerances
    assert (total.rtol, total.atol) == (0.01, 0.5)
    assert (count.rtol, count.atol) == (0.0, 0.0)
    assert any("0.99 of the elements" in note for note in imported.notes)
    assert any("rtol 0.01 atol 0.5" in note for note in imported.notes)


def test_tolerances_that_differ_are_told_and_those_of_the_types_taken(tmp_path: Path) -> None:
    lines = [workload(1) | {"tolerance": TOLERANCE | {"cap": 3}}, workload(2)]
    imported = of_definition(definition(), *lines)

    cases_of(imported, tmp_path)
    (total,) = load_problem(tmp_path / "row-sums").tolerances
    assert (total.rtol, total.atol) == (1e-3, 1e-4)
    assert "Not used of the workloads' tolerances: cap." in imported.notes
    assert any("differ (rtol 0.01 atol 0.5, none)" in note for note in imported.notes)


def test_a_tolerance_that_would_accept_anything_is_refused() -> None:
    with pytest.raises(DefinitionErrors, match=r"tolerance\.max_rtol"):
        of_definition(definition(), workload(1) | {"tolerance": {"max_rtol": 1.0}})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"axes": {"rows": {"type": "vast"}}}, "axes.rows.type: 'vast' is unknown"),
        (
            {"axes": {"rows": {"type": "expr", "expression": "__import__('os')"}}},
            "axes.rows.expression: column",
        ),
        ({"axes": {"import": {"type": "var"}}}, "'import' cannot be a name here"),
        ({"reference": "def walk(x, factor): pass"}, "defines no function run"),
        ({"reference": "def run(x): pass"}, "run takes (x), the inputs are (x, factor)"),
        ({"reference": "def run(:"}, "reference, line 1: does not parse"),
        ({"inputs": {"x": {"shape": ["depth"], "dtype": "float32"}}}, "there is no axis 'depth'"),
        (
            {"inputs": {"x": {"shape": [], "dtype": "float4"}}},
            "inputs.x.dtype: 'float4' is unknown",
        ),
        ({"inputs": {"rows": {"shape": [], "dtype": "int8"}}}, "is the name of something else"),
        ({"inputs": {"x": {"shape": ["²"], "dtype": "float32"}}}, "there is no axis '²'"),
        ({"outputs": {"y": {"shape": None, "dtype": "int8"}}}, "outputs.y: is a number"),
        ({"custom_inputs_entrypoint": "make"}, "defines no function 'make'"),
        ({"outptus": {}}, "unknown key 'outptus'. Did you mean 'outputs'?"),
        ({"constraints": ["rows > 4"]}, "workload.jsonl:1: axes: 'rows > 4' does not hold"),
    ],
)
def test_a_definition_that_cannot_be_used_says_where_and_why(
    changes: dict[str, Any], said: str
) -> None:
    assert said in complaints(definition(**changes), workload(4))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"uuid": "1", "inputs": {}}, "workload.jsonl:2: the key 'axes' is missing"),
        (workload(-1), "workload.jsonl:2: axes.rows: -1 is out of range"),
        (
            workload(4, x={"type": "safetensors", "path": "a", "tensor_key": "b"}),
            "inputs.x: comes from a file; the judge needs new data in every call",
        ),
        (workload(4, x={"type": "custom"}), "inputs.x: is custom, but nothing makes it"),
        (workload(4, x={"type": "scalar", "value": 1}), "inputs.x: is a tensor, not a scalar"),
        (workload(4, factor={"type": "scalar", "value": "2"}), "inputs.factor.value: is the text"),
    ],
)
def test_a_workload_that_cannot_be_used_is_named_by_its_line(
    line: dict[str, Any], said: str
) -> None:
    assert said in complaints(definition(), workload(4), line)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"name": "a",\n "name": "b"}', "has the same key twice"),
        (b'{"name": \n oops}', "definition.json:2: is not JSON"),
        (b"\xff", "is not UTF-8 text"),
        (b'{"name": "\\ud800"}', "half of a character"),
        (b"[" * 100_000, "nests too deeply"),
        (b'{"name": ' + b"1" * 5000 + b"}", "holds a number with too many digits"),
    ],
)
def test_a_definition_that_is_no_json_says_why(content: bytes, said: str) -> None:
    assert said in complaints(content, workload(4))


def test_no_workloads_are_none_to_be_timed() -> None:
    assert "workload.jsonl: holds no workload" in complaints(definition())


def test_nothing_that_a_source_says_closes_its_frame() -> None:
    assert folder.fenced("'''\n````\n").startswith("`````python\n")
