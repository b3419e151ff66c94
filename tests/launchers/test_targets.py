"""Targets: GPU kinds as data, and which of them a machine has."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kernelbot.config import ROOT
from kernelbot.domain.target import Target, spellings
from kernelbot.errors import InvalidInput
from kernelbot.launchers import devices
from kernelbot.launchers.devices import shares
from kernelbot.launchers.targets import load_targets, restricted

H100 = Target(name="H100", device="cuda", match=r"\bH100\b")
H200 = Target(name="H200", device="cuda", match=r"\bH200\b")


def test_torch_is_demanded_where_it_is_and_missed_with_the_remedy_where_it_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    devices.demand_torch()

    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(InvalidInput, match="KERNELBOT_TORCH=cpu or =cuda") as refusal:
        devices.demand_torch()
    assert refusal.value.code == "no_torch"


def test_the_shipped_targets_load_and_tell_their_devices_apart() -> None:
    targets = load_targets(ROOT / "runners" / "targets.yaml")

    assert targets["CPU"].device == "cpu"
    names = {
        "NVIDIA H100 80GB HBM3": "H100",
        "NVIDIA H200": "H200",
        "Tesla T4": "T4",
        "NVIDIA L4": "L4",
        "NVIDIA A100-SXM4-80GB": "A100",
        "NVIDIA A100 80GB PCIe": "A100",
        "NVIDIA A100-SXM4-40GB": None,  # of another bandwidth
        "NVIDIA A100-PCIE-40GB": None,
        "NVIDIA A100-SXM4-80GB MIG 1g.10gb": None,
        "NVIDIA B200": "B200",
        "AMD Instinct MI300X": "MI300X",
        "NVIDIA L40S": None,
        "NVIDIA GB200": None,
        "NVIDIA H100 80GB HBM3 MIG 1g.10gb": None,
    }
    for name, target in names.items():
        found = [kind for kind, entry in targets.items() if shares(entry, [name])]
        assert found == ([target] if target else []), name


def test_every_shipped_target_that_modal_serves_has_a_price_of_one_gpu() -> None:
    targets = load_targets(ROOT / "runners" / "targets.yaml")
    rented = [target for target in targets.values() if "modal" in target.launchers]

    assert all(target.price for target in rented)
    alike: dict[str, set[float | None]] = {}
    for target in rented:
        alike.setdefault(target.settings["modal"]["gpu"], set()).add(target.price)
    assert all(len(prices) == 1 for prices in alike.values())


def test_labels_of_the_field_name_shipped_targets() -> None:
    names = spellings(load_targets(ROOT / "runners" / "targets.yaml"))
    assert [names[word] for word in ("nvidia", "b200_nebius", "mi300", "mi300x8", "b200")] == [
        "B200", "B200", "MI300X", "MI300Xx8", "B200",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must map GPU names"),
        ("- CPU\n", "must map GPU names"),
        ("CPU: [", "cannot be read"),
        ("CPU: cpu\n", "CPU must be a map"),
        ("CPU: {device: gpu}\n", "CPU device must be one of cpu, cuda"),
        ("CPU: {}\n", "CPU device must be one of"),
        ("CPU: {device: cpu, mach: x}\n", "unknown key 'mach'. Did you mean 'match'?"),
        ("T4: {device: cuda, match: '('}\n", "T4 match is not a regular expression"),
        ("T4: {device: cuda, gpus: 9}\n", "T4 gpus must be a whole number from 1 to 8"),
        ("T4: {device: cuda, gpus: two}\n", "T4 gpus must be a whole number"),
        ("a: {device: cpu}\nA: {device: cpu}\n", "differ only in case"),
        ("a: {device: cpu, aliases: x}\n", "a aliases must be a list of names"),
        ("a: {device: cpu, aliases: ['x y']}\n", "a aliases must be a list of names"),
        ("a: {device: cpu, aliases: [A]}\n", "a has the alias 'A', which is a already"),
        ("a: {device: cpu}\nb: {device: cpu, aliases: [A]}\n", "alias 'A', which is a already"),
        (
            "a: {device: cpu, aliases: [x]}\nb: {device: cpu, aliases: [X]}\n",
            "b has the alias 'X', which is a already",
        ),
        ("T4: {device: cuda, launchers: local}\n", "T4 launchers must be a list of different ones"),
        ("T4: {device: cuda, launchers: []}\n", "T4 launchers must be a list of different ones"),
        ("T4: {device: cuda, launchers: [local, local]}\n", "T4 launchers must be a list of diff"),
        (
            "T4: {device: cuda, launchers: [[local]]}\n",
            "T4 launchers names ['local'], which is none",
        ),
        ("T4: {device: cuda, launchers: [locl]}\n", "T4 launchers names 'locl', which is none of"),
        ("T4: {device: cuda, launchers: [locl]}\n", "Did you mean 'local'?"),
        ("T4: {device: cuda, local: 3}\n", "T4 local must be a map of settings"),
        ("T4: {device: cuda, local: {root: x}}\n", "T4 local has the unknown key 'root'"),
    ],
)
def test_a_wrong_file_is_refused_with_file_entry_and_remedy(
    text: str, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "targets.yaml"
    path.write_text(text)

    with pytest.raises(InvalidInput) as refusal:
        load_targets(path)

    assert refusal.value.message.startswith(str(path))
    assert words in refusal.value.message


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read_is_refused(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "targets.yaml"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(InvalidInput, match="cannot be read"):
        load_targets(path)


def test_a_machine_serves_each_of_its_devices() -> None:
    names = ["NVIDIA H200", "NVIDIA H200", "NVIDIA H100 PCIe", "Something else"]

    assert shares(H100, names) == [[2]]
    assert shares(H200, names) == [[0], [1]]
    assert shares(H200, []) == []


def test_a_target_of_several_gpus_is_served_where_there_are_as_many() -> None:
    pair = Target(name="H200x2", device="cuda", match=r"\bH200\b", gpus=2)

    assert shares(pair, ["NVIDIA H200"]) == []
    assert shares(pair, ["NVIDIA H200"] * 5) == [[0, 1], [2, 3]]


def test_what_it_serves_can_be_restricted_whatever_the_case() -> None:
    assert restricted({"CPU": 2, "H200": 1}, " h200 , ") == {"H200": 1}
    assert restricted({"CPU": 2, "H200": 1}, "") == {"CPU": 2, "H200": 1}


def test_what_it_serves_can_be_named_by_an_alias() -> None:
    names = {"nvidia": "B200", "b200": "B200", "mi300": "MI300X"}

    assert restricted({"CPU": 2, "B200": 1}, "NVIDIA", names) == {"B200": 1}
    with pytest.raises(InvalidInput, match="'MI300'"):
        restricted({"CPU": 2, "B200": 1}, "MI300", names)


@pytest.mark.parametrize("word", ["H100", "B300"])
def test_what_the_machine_does_not_have_is_refused_with_what_it_has(word: str) -> None:
    with pytest.raises(InvalidInput, match=f"'{word}'.*It has: CPU, H200") as refusal:
        restricted({"CPU": 1, "H200": 1}, word)

    assert refusal.value.code == "absent_target"


def test_a_target_without_a_pattern_fits_no_cuda_device() -> None:
    anything = Target(name="X", device="cuda", match="")

    assert shares(anything, ["NVIDIA H200"]) == []


def test_a_slice_of_a_gpu_is_a_kind_of_its_own() -> None:
    sliced = Target(name="X", device="cuda", match=r"\bH100\b.* MIG 1g\.10gb")

    assert shares(sliced, ["NVIDIA H100 80GB HBM3", "NVIDIA H100 80GB HBM3 MIG 1g.10gb"]) == [[1]]


def test_a_machine_without_device_nodes_has_no_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "NODES", ("/nonexistent",))

    assert devices.cuda_devices() == []
