"""What a problem's value promises: jobs, digests, a form that can be stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelbot.domain.definition import Node
from kernelbot.domain.problem import DeviceKind, Problem
from kernelbot.domain.problem_file import read_problem
from kernelbot.judge.protocol import Job, Mode, Tolerance, dump, load

FILES = {
    "problem.yaml": b"as given\n",
    "reference.py": b"def generate_input(*, seed, device, **case): ...\ndef reference(data): ...\n",
    "task.py": b"input_t = tuple\n",
    "statement.md": b"# Sum\n",
    "starter/with_torch.py": b"import torch\n",
    "examples/wrong.py": b"# expect: wrong_answer\n",
}

SPEC = {
    "name": "sum",
    "title": "Sum",
    "languages": ["python"],
    "tests": [{"n": 3}],
    "benchmarks": [{"n": 1000, "scale": 0.5, "kind": "f16", "shape": [2, 3], "flip": True}],
    "cpu": {"benchmarks": [{"n": 10}], "limits": {"measure": 5}},
    "tolerance": [{"rtol": 0.01}, {"atol": 1.0}],
    "contestant_files": ["task.py"],
    "starters": {"torch": "starter/with_torch.py"},
}


def located(value: object) -> Node:
    """A plain value as a parsed file would hold it."""
    if isinstance(value, Mapping):
        return Node(value={key: located(item) for key, item in value.items()}, line=1)
    if isinstance(value, list):
        return Node(value=[located(item) for item in value], line=1)
    assert value is None or isinstance(value, str | int | float)
    return Node(value=value, line=1, text=str(value))


def problem(
    changes: Mapping[str, object] | None = None, files: Mapping[str, bytes] | None = None
) -> Problem:
    document = located({**SPEC, **(changes or {})})
    return read_problem(
        document, folder="sum", files={**FILES, **(files or {})}, place="problems/sum"
    )


@pytest.mark.parametrize(("device", "size"), [("cpu", 10), ("cuda", 1000)])
def test_a_job_holds_the_cases_and_limits_of_its_device(device: DeviceKind, size: int) -> None:
    job = problem().job(
        run_id="r1", mode=Mode.RANKED, device=device, expect_device="H100", attempt=3
    )

    assert (job.run_id, job.mode, job.attempt, job.expect_device) == (
        "r1",
        Mode.RANKED,
        3,
        "H100",
    )
    assert job.tests == ({"n": 3},)
    assert job.benchmarks[0]["n"] == size
    assert job.limits.measure_s == (5 if device == "cpu" else 60)
    assert job.tolerances == (Tolerance(rtol=0.01), Tolerance(atol=1.0))
    assert job.contestant_files == ("task.py",)
    assert job.problem_digest == problem().digest


def test_a_job_survives_the_wire() -> None:
    job = problem().job(run_id="r1", mode=Mode.TEST, device="cuda")

    assert load(Job, dump(job)) == job


def test_a_problem_survives_storage() -> None:
    before = problem()

    stored = json.dumps(before.to_document(), allow_nan=False)
    after = Problem.from_document(json.loads(stored), before.files)

    assert after == before


def test_the_stored_form_holds_no_file_bytes() -> None:
    assert "def generate_input" not in json.dumps(problem().to_document())


@pytest.mark.parametrize(
    "changes",
    [
        {"tests": [{"n": 4}]},
        {"benchmarks": [{"n": 1000}]},
        {"tolerance": [{"rtol": 0.02}, {"atol": 1.0}]},
        {"limits": {"check": 7}},
        {"scoring": "last"},
        {"cpu": {}},
        {"contestant_files": []},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_whatever_can_change_a_result_changes_the_digest(changes: dict[str, object]) -> None:
    assert problem(changes).digest != problem().digest


@pytest.mark.parametrize("name", ["reference.py", "task.py"])
def test_a_changed_judge_file_changes_the_digest(name: str) -> None:
    changed = problem(files={name: FILES[name] + b"# more\n"})

    assert changed.digest != problem().digest


@pytest.mark.parametrize(
    ("changes", "files"),
    [
        ({"title": "Another"}, {}),
        ({"summary": "Said differently"}, {}),
        ({"tags": ["easy"]}, {}),
        ({"starters": {}}, {}),
        ({}, {"statement.md": b"# Sum, explained better\n"}),
        ({}, {"starter/with_torch.py": b"import torch  # faster\n"}),
        ({}, {"examples/wrong.py": b"# expect: crashed\n"}),
        ({}, {"problem.yaml": b"# only a comment changed\n"}),
    ],
)
def test_words_change_the_content_digest_alone(
    changes: dict[str, object], files: dict[str, bytes]
) -> None:
    changed = problem(changes, files)

    assert changed.digest == problem().digest
    assert changed.content_digest != problem().content_digest


@given(st.permutations(sorted(FILES)))
def test_digests_do_not_depend_on_the_order_of_files(order: list[str]) -> None:
    shuffled = read_problem(
        located(SPEC), folder="sum", files={name: FILES[name] for name in order}, place="p"
    )

    assert (shuffled.digest, shuffled.content_digest) == (
        problem().digest,
        problem().content_digest,
    )


def test_an_unknown_starter_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        problem().starter("fortran")


def test_a_problem_cannot_be_changed_in_place() -> None:
    with pytest.raises(AttributeError):
        problem().name = "other"  # type: ignore[misc]

    assert replace(problem(), title="New").title == "New"
