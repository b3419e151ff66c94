"""What a problem's value promises: jobs, digests, a form that can be stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelbot.domain.definition import DefinitionErrors, Node
from kernelbot.domain.peaks import Peaks
from kernelbot.domain.problem import DeviceKind, Problem
from kernelbot.domain.problem_file import read_problem
from kernelbot.domain.scoring import Scoring
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


BY_DTYPE = {"float32": {"rtol": 0.01}, "bfloat16": {"atol": 0.5}}


@pytest.mark.parametrize(
    ("said", "others"), [(BY_DTYPE, False), ({**BY_DTYPE, "rtol": 0.0}, True), ({}, True)]
)
def test_tolerances_by_dtype_survive_storage_and_the_wire(
    said: dict[str, object], others: bool
) -> None:
    before = problem({"tolerance": [said, {"atol": 1.0}]})
    job = before.job(run_id="r1", mode=Mode.TEST, device="cuda")

    stored = json.dumps(before.to_document(), allow_nan=False)

    assert Problem.from_document(json.loads(stored), before.files) == before
    assert load(Job, dump(job)) == job
    assert job.tolerances[0].others is others
    if said:
        assert job.tolerances[0].of("float32") == Tolerance(rtol=0.01)
        assert job.tolerances[0].of("bfloat16") == Tolerance(atol=0.5)
    assert job.tolerances[1] == Tolerance(atol=1.0)


def test_the_stored_form_holds_no_file_bytes() -> None:
    assert "def generate_input" not in json.dumps(problem().to_document())


@pytest.mark.parametrize(
    "changes",
    [
        {"tests": [{"n": 4}]},
        {"benchmarks": [{"n": 1000}]},
        {"tolerance": [{"rtol": 0.02}, {"atol": 1.0}]},
        {"tolerance": [{"rtol": 0.01, "float16": {"rtol": 0.02}}, {"atol": 1.0}]},
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


# --- the speed of light ---------------------------------------------------------------------------

LIGHT = {"reads": "4 * n", "writes": "4 * n", "flops": {"fp32": "n"}}
FAST = Peaks(name="fast", bandwidth=1e9, cache=0, flops={"fp32": 1e9})


def lit(**changes: object) -> Problem:
    cases = {"tests": [{"n": 3}], "benchmarks": [{"n": 1000}, {"n": 1000000}]}
    return problem({**cases, "cpu": {}, "speed_of_light": LIGHT, **changes})


def test_the_speed_of_light_is_told_for_every_benchmark() -> None:
    found = lit().bounds("cuda", FAST)

    assert [item and (item.seconds, item.limiter) for item in found] == [
        (8e-6, "memory"),
        (8e-3, "memory"),
    ]
    assert problem().bounds("cuda", FAST) == (None,)
    assert lit().bounds("cuda", None) == (None, None)


def test_a_job_holds_the_floors_of_the_device_it_is_for() -> None:
    job = lit().job(run_id="r1", mode=Mode.RANKED, device="cuda", peaks=FAST)

    assert job.floors_ns == pytest.approx((0.8 * 8e3 - 2e3, 0.8 * 8e6 - 2e3))
    assert lit().job(run_id="r1", mode=Mode.RANKED, device="cuda").floors_ns == ()
    assert problem().job(run_id="r1", mode=Mode.RANKED, device="cuda", peaks=FAST).floors_ns == ()


def test_a_floor_is_made_of_the_terms_that_the_problem_names() -> None:
    none = lit(speed_of_light={**LIGHT, "floor": []})

    assert none.floors_ns("cuda", FAST) == (0.0, 0.0)
    assert none.bounds("cuda", FAST) == lit().bounds("cuda", FAST)


def test_a_problem_with_a_speed_of_light_survives_storage_and_changes_its_digest() -> None:
    before = lit()
    after = Problem.from_document(json.loads(json.dumps(before.to_document())), before.files)

    assert after == before
    assert before.digest != lit(speed_of_light={"reads": "4 * n"}).digest


def test_a_problem_stored_before_speeds_of_light_were_known_is_read() -> None:
    document = problem().to_document()
    del document["speed_of_light"]

    assert Problem.from_document(document, FILES) == problem()


@pytest.mark.parametrize(
    ("section", "path", "words"),
    [
        (3, "speed_of_light", "expected a map"),
        ({}, "speed_of_light", "says nothing"),
        ({"bytes": "n", "reads": "n"}, "speed_of_light", "counts reads and writes together"),
        ({"byte": "n"}, "speed_of_light", "Did you mean 'bytes'?"),
        ({"bytes": "2 * size"}, "speed_of_light.bytes", "the case has no 'size'"),
        ({"bytes": "n +"}, "speed_of_light.bytes", "column 4: is no expression"),
        ({"bytes": "5 - n"}, "speed_of_light.bytes", "for benchmarks[0] (n: 1000): gives -995, less than nothing"),
        ({"bytes": [1]}, "speed_of_light.bytes", "expected text, got a list"),
        ({"bytes": 1, "flops": {"fp33": "n"}}, "speed_of_light.flops", "Did you mean 'fp32'?"),
        ({"bytes": 1, "flops": "n"}, "speed_of_light.flops", "expected a map"),
        ({"bytes": 1, "flops": {"fp16": "1 / (n - 3)"}}, "speed_of_light.flops.fp16", "division by zero"),
        ({"bytes": 1, "floor": ["byte"]}, "speed_of_light.floor[0]", "Did you mean 'bytes'?"),
        ({"bytes": 1, "floor": "all"}, "speed_of_light.floor", "expected a list"),
    ],
)  # fmt: skip
def test_a_wrong_speed_of_light_says_where_and_why(section: object, path: str, words: str) -> None:
    with pytest.raises(DefinitionErrors) as caught:
        lit(speed_of_light=section)

    assert [flaw.path for flaw in caught.value.flaws] == [path]
    assert words in str(caught.value.flaws[0])


def test_every_wrong_formula_is_told_at_once() -> None:
    with pytest.raises(DefinitionErrors) as caught:
        lit(speed_of_light={"reads": "x", "writes": "n.y", "flops": {"fp16": "ciel(n)"}})

    assert len(caught.value.flaws) == 3


def test_scoring_by_the_speed_of_light_needs_one() -> None:
    assert lit(scoring="speed_of_light").scoring is Scoring.SPEED_OF_LIGHT

    with pytest.raises(DefinitionErrors, match="needs to know the least work"):
        problem({"scoring": "speed_of_light"})
