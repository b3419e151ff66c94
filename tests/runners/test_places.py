"""Which runs a machine with several devices offers to take at once, and in whose turn."""

from __future__ import annotations

from pathlib import Path

from kernelbot.domain.target import Target
from kernelbot.launchers.base import Site
from runners.agent.places import Board, Place, places_of
from runners.agent.selftest import Proof, Unit

ONE = Target(name="H200", device="cuda", match=r"\bH200\b")
FOUR = Target(name="H200x4", device="cuda", match=r"\bH200\b", gpus=4)
OTHER = Target(name="B200", device="cuda", match=r"\bB200\b")
CPU = Target(name="CPU", device="cpu", match="")


def box(*names: str, cpu_slots: int = 1) -> tuple[Proof, Site]:
    units = [Unit(f"GPU-{at}", "cuda", name) for at, name in enumerate(names)]
    units.append(Unit("cpu", "cpu", "a processor"))
    proof = Proof("3.12", "2.12", "", "570", tuple(units))
    site = Site(folder=Path("state"), environment={}, devices=proof.names, cpu_slots=cpu_slots)
    return proof, site


def board_of(*targets: Target, names: tuple[str, ...]) -> Board:
    proof, site = box(*names)
    return Board(places_of(targets, proof, site))


def take(board: Board, target: str) -> Place:
    found = board.take(target)
    assert found is not None
    return found


async def test_each_device_that_fits_is_a_place_and_each_whole_group() -> None:
    proof, site = box(*["NVIDIA H200"] * 9, "NVIDIA H100", cpu_slots=3)

    found = places_of([ONE, FOUR, OTHER, CPU], proof, site)

    assert [len(place.devices) for place in found if place.target == "H200"] == [1] * 9
    groups = [place.devices for place in found if place.target == "H200x4"]
    assert [len(group) for group in groups] == [4, 4]
    assert not groups[0] & groups[1]
    assert Board(found).capacity == {"H200": 9, "H200x4": 2, "CPU": 3}
    assert not any("GPU-9" in place.devices for place in found)


async def test_no_device_is_offered_twice_in_one_choice_nor_while_it_judges() -> None:
    board = board_of(ONE, FOUR, CPU, names=("NVIDIA H200",) * 8)

    assert board.offers({}) == [{"H200": 8, "CPU": 1}, {"H200x4": 2, "CPU": 1}]

    whole = take(board, "H200x4")
    assert {"H200": 4, "CPU": 1} in board.offers({})
    take(board, "H200")
    assert all("H200x4" not in offer for offer in board.offers({}))
    board.free(whole)
    board.free(whole)
    assert board.offers({}) == [{"CPU": 1, "H200x4": 1, "H200": 3}, {"H200": 7, "CPU": 1}]


async def test_a_whole_box_has_its_turn_between_single_runs() -> None:
    board = board_of(ONE, FOUR, names=("NVIDIA H200",) * 4)
    waiting = {"H200": 100, "H200x4": 1}
    singles = [take(board, "H200") for _ in range(4)]

    # It was the single ones' turn; now their devices are kept until all four are free.
    for place in singles:
        board.free(place)
        if place is not singles[-1]:
            assert board.offers(waiting) == []
    assert board.offers(waiting)[0] == {"H200x4": 1}

    whole = take(board, "H200x4")
    assert board.offers(waiting) == []
    board.free(whole)
    assert board.offers(waiting)[0] == {"H200": 4}


async def test_nothing_is_kept_for_a_target_that_nobody_waits_for() -> None:
    board = board_of(ONE, FOUR, names=("NVIDIA H200",) * 4)
    take(board, "H200")
    assert board.offers({"H200": 3}) == [{"H200": 3}]


async def test_nothing_is_kept_for_a_target_whose_devices_are_not_all_well() -> None:
    board = board_of(ONE, FOUR, names=("NVIDIA H200",) * 8)
    waiting = {"H200": 9, "H200x4": 1}
    board.shut = frozenset({"GPU-0"})
    singles = [take(board, "H200") for _ in range(4)]
    assert board.offers(waiting) == []

    # A whole one may come only where the other three are.
    board.free(singles[0])
    assert board.offers(waiting) == [{"H200": 1}]
    board.shut = frozenset({"GPU-0", "GPU-7"})
    assert board.offers(waiting) == [{"H200": 3}]


async def test_devices_that_judge_together_only_have_their_canaries_one_by_one() -> None:
    board = board_of(FOUR, names=("NVIDIA H200",) * 5)
    four = [f"GPU-{at}" for at in range(4)]
    assert board.idle == four
    assert (board.capacity, board.offers({"H200x4": 1})) == ({"H200x4": 1}, [{"H200x4": 1}])

    place = board.take_device("GPU-2")
    assert place is not None
    assert board.take("H200x4") is None
    assert board.idle == [device for device in four if device != "GPU-2"]
    board.free(place)
    take(board, "H200x4")
    assert board.idle == []


async def test_a_place_that_is_not_free_cannot_be_taken() -> None:
    board = board_of(ONE, FOUR, names=("NVIDIA H200",) * 4)
    take(board, "H200x4")
    assert board.take("H200") is None
    assert board.take("T4") is None
