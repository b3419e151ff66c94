"""What follows from an audit and from the examples: pure rules."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kernelbot.checking import findings
from kernelbot.checking.findings import (
    Agreement,
    Audit,
    CaseAudit,
    Level,
    Outcome,
    Probe,
    Right,
    Weight,
)
from kernelbot.judge.protocol import Limits

SMALL = CaseAudit(where=("tests[0]",), spec="size: 1")
LARGE = CaseAudit(where=("tests[1]",), spec="size: 9")
TIMED = CaseAudit(where=("benchmarks[0]",), spec="size: 99")


def refused(name: str = "zeros", weight: Weight = Weight.NULL, distance: float = 40.0) -> Probe:
    return Probe(name=name, weight=weight, accepted=False, distance=distance)


def accepted(name: str = "zeros", weight: Weight = Weight.NULL, *, equal: bool = False) -> Probe:
    return Probe(name=name, weight=weight, accepted=True, equal=equal, distance=0.5)


def audit(*cases: CaseAudit, right: tuple[Right, ...] = (), seeded: bool = True) -> Audit:
    return Audit(
        problem="p", device="cpu", device_name="a processor", torch="2", own_check=False,
        seeded=seeded, right=right, cases=cases,
    )  # fmt: skip


def told(found: Audit) -> list[tuple[Level, str]]:
    return [(item.level, item.text) for item in findings.of_audit(found)]


def with_probe(case: CaseAudit, *probes: Probe) -> CaseAudit:
    return replace(case, probes=probes)


def test_a_problem_that_refuses_everything_has_nothing_to_hear() -> None:
    found = audit(with_probe(SMALL, refused()), with_probe(TIMED, refused()))

    assert told(found) == []
    assert findings.publishable(findings.of_audit(found))


def test_a_null_solution_that_is_accepted_makes_the_check_vacuous() -> None:
    found = audit(with_probe(SMALL, refused()), with_probe(LARGE, accepted()))

    ((level, text),) = told(found)

    assert level is Level.REFUSED
    assert "“zeros” is accepted on tests[1] (size: 9)" in text


def test_a_tiny_test_may_have_a_null_solution_for_its_right_answer() -> None:
    found = audit(with_probe(SMALL, accepted(equal=True)), with_probe(TIMED, refused()))

    ((level, _),) = told(found)

    assert level is Level.NOTE


@pytest.mark.parametrize("case", [TIMED, LARGE])
def test_no_benchmark_and_not_all_cases_may_have_one(case: CaseAudit) -> None:
    ((level, text),) = told(audit(with_probe(case, accepted(equal=True))))

    assert level is Level.REFUSED
    assert "degenerate" in text


def test_an_input_that_nobody_needs_to_read_is_a_warning() -> None:
    found = audit(with_probe(TIMED, accepted(weight=Weight.INPUT, equal=True)))

    assert [level for level, _ in told(found)] == [Level.WARNING]


def test_half_an_input_that_changes_the_answer_within_the_tolerance_is_vacuous() -> None:
    found = audit(with_probe(TIMED, accepted(weight=Weight.INPUT)))

    assert [level for level, _ in told(found)] == [Level.REFUSED]


def test_what_competitors_may_get_away_with_is_a_note() -> None:
    found = audit(with_probe(TIMED, accepted("the reference on TF32 inputs", Weight.HINT)))

    assert [level for level, _ in told(found)] == [Level.NOTE]


def test_an_author_may_say_that_a_null_solution_is_right_and_why() -> None:
    right = Right(name="zeros", reason="any order is right")
    found = audit(with_probe(TIMED, accepted()), right=(right,))

    ((level, text),) = told(found)

    assert level is Level.NOTE
    assert "any order is right" in text


def test_null_solutions_that_are_right_for_one_reason_are_told_together() -> None:
    names = ["zeros", "a", "b", "c", "d", "ones"]
    probes = tuple(replace(accepted(), name=name) for name in names)
    right = tuple(Right(name=name, reason="any order is right") for name in names[:-1])
    right += (Right(name="ones", reason="so"),)

    found = told(audit(replace(TIMED, probes=probes), right=right))

    assert [text for _, text in found] == [
        f"“zeros”, “a”, “b”, “c” and 1 more are right on {TIMED.name}: any order is right",
        f"“ones” is right on {TIMED.name}: so",
    ]


def test_a_reason_for_what_was_never_tried_is_noticed() -> None:
    found = audit(with_probe(TIMED, refused()), right=(Right(name="zeroes", reason="so"),))

    assert [level for level, _ in told(found)] == [Level.WARNING]


@pytest.mark.parametrize(
    ("case", "level"),
    [
        (replace(LARGE, fault="reference.py failed"), Level.REFUSED),
        (replace(LARGE, changes_input=True), Level.REFUSED),
        (replace(LARGE, same_input=False), Level.REFUSED),
        (replace(LARGE, rerun=Agreement(accepted=False)), Level.REFUSED),
        (replace(LARGE, rerun=Agreement(accepted=True, distance=0.4)), Level.WARNING),
        (replace(LARGE, wide=Agreement(accepted=False, distance=3.0)), Level.WARNING),
        (replace(LARGE, wide=Agreement(accepted=True, distance=0.8)), Level.WARNING),
        (replace(LARGE, untried=3), Level.NOTE),
    ],
)
def test_a_reference_must_be_sound(case: CaseAudit, level: Level) -> None:
    assert [found for found, _ in told(audit(case))] == [level]


def test_inputs_of_the_field_may_depend_on_more_than_the_seed() -> None:
    found = audit(replace(LARGE, same_input=False), seeded=False)

    assert [level for level, _ in told(found)] == [Level.WARNING]


def test_the_worst_comes_first() -> None:
    found = audit(replace(LARGE, untried=1), replace(SMALL, changes_input=True))

    assert [level for level, _ in told(found)] == [Level.REFUSED, Level.NOTE]


def test_the_nearest_null_solution_is_the_one_with_the_smallest_error() -> None:
    far, near = refused("zeros", distance=300.0), refused("the reference in fp8", distance=3.1)
    hint = refused("the reference on TF32 inputs", Weight.HINT, distance=1.1)

    assert with_probe(LARGE, far, near, hint).nearest == near
    assert LARGE.nearest is None


RIGHT = Outcome(path="examples/a.py", expect="passed", got="passed", check_s=4.0)
WRONG = Outcome(path="examples/b.py", expect="wrong_answer", got="wrong_answer")


def test_examples_that_get_what_they_promise_are_no_news() -> None:
    assert findings.of_examples([RIGHT, WRONG], Limits()) == []


def test_another_verdict_than_the_promised_one_is_told() -> None:
    other = Outcome(path="x.py", expect="passed", got="crashed", message="boom")

    (found,) = findings.of_examples([RIGHT, WRONG, other], Limits())

    assert (found.level, "boom" in found.text) == (Level.REFUSED, True)


def test_a_problem_without_right_and_wrong_examples_is_told_so() -> None:
    assert len(findings.of_examples([], Limits())) == 2


def test_a_limit_that_leaves_no_room_is_told_with_one_that_does() -> None:
    (found,) = findings.of_examples([RIGHT, WRONG], Limits(check_s=5.0))

    assert "limits.check is 5 s" in found.text
    assert "30 s" in found.text


def test_suggested_limits_leave_four_times_the_room_and_never_less_than_half_a_minute() -> None:
    slow = replace(RIGHT, measure_s=21.0)

    assert findings.suggestions([slow, WRONG]) == {"build": 30.0, "check": 30.0, "measure": 90.0}
    assert findings.suggestions([WRONG]) == {}
