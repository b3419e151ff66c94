"""Cases with open arguments and the demand for equal bits: how they are written, drawn, stored and refused."""

from __future__ import annotations

import json
import random

import pytest

from kernelbot.domain.definition import DefinitionErrors
from kernelbot.domain.open_cases import HiddenCase, covering, drawn
from kernelbot.domain.problem import Problem
from kernelbot.judge.protocol import Job, Mode, dump, load
from tests.domain.test_problem import problem

OPEN = {"n": {"from": 1, "to": 5000}, "kind": {"choose": ["f16", "f32"]}, "count": 3}
REFERENCE = "def generate_input(*, seed, device, {}): ...\ndef reference(data): ...\n"


def flaws(changes: dict[str, object], arguments: str = "n, kind='f16'") -> list[tuple[str, str]]:
    files = {"reference.py": REFERENCE.format(arguments).encode()}
    benchmarks = {"benchmarks": [{"n": 5}], "cpu": {}}
    with pytest.raises(DefinitionErrors) as refused:
        problem({**benchmarks, **changes}, files)
    return [(flaw.path, flaw.reason) for flaw in refused.value.flaws]


def ranked(posed: Problem, seed: int | None = None) -> Job:
    source = None if seed is None else random.Random(seed)
    return posed.job(run_id="r1", mode=Mode.RANKED, device="cuda", source=source)


def test_only_ranked_runs_are_given_hidden_cases() -> None:
    posed = problem({"hidden": [{"n": 7}, {"n": 1023}]})

    assert ranked(posed).hidden_tests == ({"n": 7}, {"n": 1023})
    for mode in set(Mode) - {Mode.RANKED}:
        assert posed.job(run_id="r1", mode=mode, device="cuda").hidden_tests == ()


def test_every_run_draws_its_own_cases() -> None:
    posed = problem({"hidden": [OPEN, {"n": 9}]})

    one, same, other = ranked(posed, 1), ranked(posed, 1), ranked(posed, 2)

    assert one.hidden_tests == same.hidden_tests != other.hidden_tests
    assert ranked(posed).hidden_tests != ranked(posed).hidden_tests
    assert load(Job, dump(one)) == one
    assert [len(case) for case in one.hidden_tests] == [2, 2, 2, 1]
    for case in one.hidden_tests[:3]:
        assert 1 <= case["n"] <= 5000
        assert case["kind"] in ("f16", "f32")


def test_both_ends_of_a_range_are_drawn_and_steps_are_kept() -> None:
    case = HiddenCase(arguments={"n": {"from": 64, "to": 256, "step": 64}}, count=100)

    assert {item["n"] for item in drawn([case], random.Random(0))} == {64, 128, 192, 256}


def test_trying_a_problem_out_reaches_every_end_and_every_option() -> None:
    arguments = {"n": {"from": 1, "to": 6, "step": 2}, "kind": {"choose": ["a", "b", "c"]}, "m": 4}

    assert covering([HiddenCase(arguments=arguments, count=9), HiddenCase(arguments={})]) == (
        {"n": 1, "kind": "a", "m": 4},
        {"n": 5, "kind": "b", "m": 4},
        {"n": 1, "kind": "c", "m": 4},
        {},
    )


def test_the_job_that_tries_a_problem_is_the_same_each_time() -> None:
    posed = problem({"hidden": [OPEN]})

    job = posed.job_to_try("cuda")

    assert job == posed.job_to_try("cuda")
    assert [case["n"] for case in job.hidden_tests[:2]] == [1, 5000]
    assert len(job.hidden_tests) == 3


@pytest.mark.parametrize(
    ("cpu", "hidden"), [({}, {"n": 7}), ({"limits": {}}, {"n": 7}), ({"hidden": [{"n": 3}]}, {"n": 3})]
)  # fmt: skip
def test_the_processor_has_hidden_cases_of_its_own_if_it_says_so(
    cpu: dict[str, object], hidden: dict[str, int]
) -> None:
    posed = problem({"hidden": [{"n": 7}], "cpu": cpu})

    assert posed.job(run_id="r", mode=Mode.RANKED, device="cpu").hidden_tests == (hidden,)
    assert ranked(posed).hidden_tests == ({"n": 7},)


@pytest.mark.parametrize(
    "changes", [{"hidden": [{"n": 7}]}, {"cpu": {"hidden": [{"n": 7}]}}, {"deterministic": True}],
    ids=str,
)  # fmt: skip
def test_hidden_cases_and_determinism_change_the_digest_and_survive_storage(
    changes: dict[str, object],
) -> None:
    before: dict[str, object] = {"cpu": {}} if "cpu" in changes else {}
    posed = problem(changes)

    assert posed.digest != problem(before).digest
    stored = json.loads(json.dumps(posed.to_document(), allow_nan=False))
    assert Problem.from_document(stored, posed.files) == posed


def test_the_digest_that_is_told_does_not_depend_on_hidden_cases() -> None:
    one, other = problem({"hidden": [{"n": 7}]}), problem({"hidden": [{"n": 8}]})

    assert one.open_digest == other.open_digest == problem().digest
    assert problem({"deterministic": True}).open_digest != problem().open_digest


def test_problems_without_them_are_stored_as_before() -> None:
    document = problem({"deterministic": False}).to_document()

    assert not {"hidden", "cpu_hidden", "deterministic"} & set(document)
    assert problem({"deterministic": False}).digest == problem().digest


def test_a_deterministic_problem_says_so_in_its_jobs() -> None:
    assert ranked(problem({"deterministic": True})).deterministic
    assert not ranked(problem()).deterministic


@pytest.mark.parametrize(
    ("case", "path", "words"),
    [
        ({"n": 3, "count": 0}, "hidden[0].count", "out of range"),
        ({"n": 3, "count": 201}, "hidden[0].count", "out of range"),
        ({"n": {"from": 5, "to": 4}}, "hidden[0].n", "no number from 5 to 4"),
        ({"n": {"from": 5}}, "hidden[0].n", "the key 'to' is missing"),
        ({"n": {"from": 1.5, "to": 4}}, "hidden[0].n.from", "expected a whole number"),
        ({"n": {"from": 1, "to": 1 << 60}}, "hidden[0].n.to", "out of range"),
        ({"n": {"from": 1, "to": 4, "step": 0}}, "hidden[0].n.step", "out of range"),
        ({"n": {"choose": []}}, "hidden[0].n.choose", "empty list"),
        ({"n": {"choose": [1, {"from": 1, "to": 2}]}}, "hidden[0].n.choose[1]", "a map cannot"),
        ({"n": {"choose": [1], "to": 4}}, "hidden[0].n", "needs no other key"),
        ({"n": {"among": [1]}}, "hidden[0].n", "unknown key 'among'"),
        ({"m": 1, "n": 1}, "hidden[0].m", "takes no 'm'"),
        ({"count": 2}, "hidden[0]", "needs 'n'"),
        ([1], "hidden[0]", "expected a map"),
        ({"seed": 1, "n": 1}, "hidden[0].seed", "chosen by the judge"),
    ],
)
def test_a_wrong_hidden_case_says_where_and_why(case: object, path: str, words: str) -> None:
    found = flaws({"hidden": [case]})

    assert [reason for where, reason in found if where == path and words in reason], found


def test_hidden_cases_are_read_together_with_everything_else() -> None:
    found = flaws(
        {"hidden": [{"n": {}}], "cpu": {"hidden": [{"k": 1}]}, "deterministic": "yes", "tests": []}
    )

    paths = {path for path, _ in found}
    assert {"hidden[0].n", "cpu.hidden[0]", "cpu.hidden[0].k", "deterministic", "tests"} <= paths


def test_all_hidden_cases_together_are_bounded() -> None:
    cases = [{"n": {"from": 1, "to": 9}, "count": 150}, {"n": 1, "count": 51}]

    assert flaws({"hidden": cases}) == [("hidden", "stands for 201 cases, 200 are allowed")]


def test_an_argument_called_count_cannot_be_told_from_a_number_of_cases() -> None:
    found = flaws({"hidden": [{"n": 1}]}, "n, count=1")

    assert found == [
        ("generate_input", "takes 'count', which says of a hidden case how many are drawn")
    ]


@pytest.mark.parametrize(
    "given",
    [{"contestant_files": ["problem.yaml"]}, {"starters": {"all": "problem.yaml"}}],
    ids=["contestant_files", "starters"],
)
def test_a_definition_with_hidden_cases_is_not_handed_to_submissions(
    given: dict[str, object],
) -> None:
    found = flaws({"hidden": [{"n": 1}], **given})

    assert [path for path, _ in found] == ["hidden"]


def test_an_open_test_stands_for_every_combination_in_order() -> None:
    sizes = {"from": 256, "to": 1024, "step": 256}
    posed = problem(
        {
            "tests": [{"n": 3}, {"kind": {"each": ["f16", "f32"]}, "n": sizes}],
            "benchmarks": [{"n": {"each": [1024, 4096]}}],
            "cpu": {"benchmarks": [{"n": {"each": [64, 128]}}]},
        },
        {"reference.py": REFERENCE.format("n, kind='f16'").encode()},
    )

    assert posed.tests == (
        {"n": 3},
        *({"kind": kind, "n": n} for kind in ("f16", "f32") for n in (256, 512, 768, 1024)),
    )
    assert posed.benchmarks == ({"n": 1024}, {"n": 4096})
    assert posed.cpu_benchmarks == ({"n": 64}, {"n": 128})


def test_cases_written_out_one_by_one_are_the_same_jobs() -> None:
    def jobs(tests: list[dict[str, object]]) -> Job:
        return problem({"tests": tests}).job(run_id="r1", mode=Mode.TEST, device="cuda")

    assert jobs([{"n": {"each": [1, 7]}}]) == jobs([{"n": 1}, {"n": 7}])


@pytest.mark.parametrize(
    ("case", "path", "words"),
    [
        ({"n": {"choose": [1, 2]}}, "tests[0].n", "'choose' draws"),
        ({"n": {"from": 1, "to": 300}}, "tests", "stands for 300 cases, 200 are allowed"),
        ({"n": {"from": 1, "to": 1 << 52}}, "tests", "200 are allowed"),
        ({"n": {"from": 5}}, "tests[0].n", "the key 'to' is missing"),
        ({"n": {"from": 5, "to": 4}}, "tests[0].n", "no number from 5 to 4"),
        ({"n": {"each": []}}, "tests[0].n.each", "empty list"),
        ({"n": {"each": [1], "to": 4}}, "tests[0].n", "needs no other key"),
        ({"n": 1, "count": 4}, "tests[0].count", "takes no 'count'"),
        ({"n": 1, "values": {"each": ["large", "larg"]}}, "tests[0].values.each[1]", "no way"),
    ],
)
def test_a_wrong_open_test_says_where_and_why(case: object, path: str, words: str) -> None:
    found = flaws({"tests": [case]})

    assert [reason for where, reason in found if where == path and words in reason], found
