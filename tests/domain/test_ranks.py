"""Problems for several devices at once: how they are written, stored and refused."""

from __future__ import annotations

import json

import pytest

from kernelbot.domain.definition import DefinitionErrors
from kernelbot.domain.problem import Problem
from kernelbot.judge.protocol import Mode
from tests.domain.test_problem import problem

REFERENCE = (
    b"def generate_input(*, seed, device, rank, world_size, n): ...\ndef reference(data): ...\n"
)
FOUR = {"world_size": 4, "benchmarks": [{"n": 5}], "cpu": {}}


def several(changes: dict[str, object], reference: bytes = REFERENCE) -> Problem:
    return problem({**FOUR, **changes}, {"reference.py": reference})


def flaws(changes: dict[str, object], reference: bytes = REFERENCE) -> list[tuple[str, str]]:
    with pytest.raises(DefinitionErrors) as refused:
        several(changes, reference)
    return [(flaw.path, flaw.reason) for flaw in refused.value.flaws]


def test_a_problem_for_several_devices_says_so_in_its_jobs_and_survives_storage() -> None:
    posed = several({})
    for device in ("cpu", "cuda"):
        assert posed.job(run_id="r", mode=Mode.TEST, device=device).world_size == 4
    stored = json.loads(json.dumps(posed.to_document(), allow_nan=False))
    assert Problem.from_document(stored, posed.files) == posed
    assert several({"world_size": 2}).digest != posed.digest


def test_one_device_is_what_problems_were_always_for() -> None:
    alone = problem({"world_size": 1})
    assert alone.digest == problem().digest
    assert "world_size" not in alone.to_document()


def test_its_inputs_are_made_for_a_rank() -> None:
    found = flaws({}, b"def generate_input(*, seed, device, n): ...\ndef reference(data): ...\n")
    assert ("generate_input", "does not take the keyword 'rank'") in found
    assert ("generate_input", "does not take the keyword 'world_size'") in found


def test_no_case_chooses_the_rank() -> None:
    found = flaws({"benchmarks": [{"n": 5, "rank": 1, "world_size": 2}]})
    reasons = [reason for path, reason in found if path.startswith("benchmarks[0]")]
    assert reasons == [
        "'rank' is chosen by the judge for every run",
        "'world_size' is chosen by the judge for every run",
    ]


def test_where_one_device_does_rank_is_an_argument_like_any_other() -> None:
    reference = b"def generate_input(*, seed, device, n, rank=2): ...\ndef reference(data): ...\n"
    changes = {"world_size": 1, "benchmarks": [{"n": 5, "rank": 8}]}
    assert several(changes, reference).benchmarks == ({"n": 5, "rank": 8},)


def test_a_processor_may_have_fewer_ranks() -> None:
    posed = several({"cpu": {"world_size": 2}})

    ranks = {
        device: posed.job(run_id="r", mode=Mode.TEST, device=device).world_size
        for device in ("cpu", "cuda")
    }
    assert ranks == {"cpu": 2, "cuda": 4}
    stored = json.loads(json.dumps(posed.to_document(), allow_nan=False))
    assert Problem.from_document(stored, posed.files) == posed
    assert several({}).digest != posed.digest


def test_what_was_stored_before_processors_had_ranks_of_their_own_has_as_many_there() -> None:
    posed = several({})
    stored = posed.to_document()
    del stored["cpu_world_size"]

    assert Problem.from_document(stored, posed.files) == posed


@pytest.mark.parametrize("size", [0, 1, 9, "all"])
def test_ranks_of_a_processor_are_at_least_two(size: object) -> None:
    assert "cpu.world_size" in [path for path, _ in flaws({"cpu": {"world_size": size}})]


def test_a_processor_has_ranks_only_where_the_problem_has() -> None:
    found = flaws({"world_size": 1, "cpu": {"world_size": 2}})
    assert ("cpu.world_size", "the problem is for one device") in found


def test_formulas_know_how_many_ranks_share_the_work() -> None:
    light = {"reads": "n / world_size", "link_bytes": "n * (world_size - 1)"}
    posed = several({"cpu": {"world_size": 2}, "speed_of_light": light})

    assert [(work.bytes, work.link_bytes) for work in posed.work("cuda")] == [(1.25, 15)]
    assert [(work.bytes, work.link_bytes) for work in posed.work("cpu")] == [(2.5, 5)]


@pytest.mark.parametrize("size", [0, 9, "all", 2.5])
def test_a_world_size_that_no_machine_has_is_refused(size: object) -> None:
    assert "world_size" in [path for path, _ in flaws({"world_size": size})]


def test_an_entry_point_in_c_knows_no_other_ranks() -> None:
    changes = {"languages": ["python", "cuda"], "native": {"x": "const float32*"}}
    assert "world_size" in [path for path, _ in flaws(changes)]
