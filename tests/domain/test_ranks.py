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


def test_a_problem_for_several_numbers_of_devices_has_as_many_ranks_as_a_kind_has() -> None:
    light = {"reads": "n / world_size", "link_bytes": "n * (world_size - 1)"}
    posed = several({"world_size": [4, 8, 2], "cpu": {"world_size": 2}, "speed_of_light": light})

    assert (posed.world_size, posed.world_sizes) == (4, (2, 4, 8))
    ranks = [posed.on_gpus(count).ranks_on("cuda") for count in (1, 2, 3, 4, 8)]
    assert ranks == [4, 2, 4, 4, 8]
    alike = posed.on_gpus(8)
    job = alike.job(run_id="r", mode=Mode.TEST, device="cuda")
    assert (job.world_size, job.problem_digest) == (8, posed.digest)
    assert [(work.bytes, work.link_bytes) for work in alike.work("cuda")] == [(0.625, 35)]
    assert alike.ranks_on("cpu") == 2


def test_the_numbers_of_devices_that_a_problem_is_for_are_kept_and_decide_about_results() -> None:
    posed = several({"world_size": [4, 2]})

    stored = json.loads(json.dumps(posed.to_document(), allow_nan=False))
    assert Problem.from_document(stored, posed.files) == posed
    versions = ({}, {"world_size": [4]}, {"world_size": [2, 4]}, {"world_size": [4, 2, 8]})
    assert len({posed.digest, *(several(item).digest for item in versions)}) == 5
    assert several({"world_size": [4, 2, 8]}).digest == several({"world_size": [4, 8, 2]}).digest


def test_one_number_of_devices_is_for_kinds_that_have_more_too() -> None:
    posed = several({"world_size": 4})

    assert posed.world_sizes == ()
    assert "world_sizes" not in posed.to_document()
    assert posed.on_gpus(8).ranks_on("cuda") == 4


@pytest.mark.parametrize(
    ("sizes", "path", "reason"),
    [
        ([4, 2, 4], "world_size[2]", "4 is listed twice"),
        ([4, 1], "world_size[1]", "1 is out of range"),
        ([9], "world_size[0]", "9 is out of range"),
        ([], "world_size", "is an empty list"),
        (["all"], "world_size[0]", "expected a whole number, got the text 'all'"),
    ],
)
def test_a_list_of_numbers_of_devices_that_is_wrong_is_told_with_its_place(
    sizes: list[object], path: str, reason: str
) -> None:
    assert flaws({"world_size": sizes}) == [(path, reason)]


def test_formulas_are_tried_on_every_number_of_devices() -> None:
    light = {"reads": "n / (8 - world_size)"}

    ((path, reason),) = flaws({"world_size": [4, 8, 2], "speed_of_light": light})

    assert path == "speed_of_light.reads"
    assert "for tests[0] with 8 ranks" in reason


@pytest.mark.parametrize("size", [0, 9, "all", 2.5])
def test_a_world_size_that_no_machine_has_is_refused(size: object) -> None:
    assert "world_size" in [path for path, _ in flaws({"world_size": size})]


def test_an_entry_point_in_c_knows_no_other_ranks() -> None:
    changes = {"languages": ["python", "cuda"], "native": {"x": "const float32*"}}
    assert "world_size" in [path for path, _ in flaws(changes)]
