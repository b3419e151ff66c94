"""Null solutions against problems for several devices."""

from __future__ import annotations

import pytest

from kernelbot.checking.findings import Audit, Level
from tests.checking.auditing import audited, told

HEAD = """\
import torch
OUTPUTS = 1


def generate_input(*, seed, device, rank, world_size, size):
    source = torch.Generator(device=device).manual_seed(seed + rank)
    x = torch.randn(size, generator=source, device=device)
    return x, rank, torch.empty_like(x)

def reference(data):
    total = sum(x for x, _, _ in data)
"""
PROBLEMS = {
    "sound": ("    return [total] * len(data)\n", "{rtol: 1.0e-5, atol: 1.0e-5}"),
    # What the others send is lost in the tolerance.
    "barely-together": (
        "    return [x + total * 1e-3 for x, _, _ in data]\n", "{rtol: 0, atol: 1.0e-2}",
    ),
    # Two outputs a rank, and anything goes as the second one.
    "one-of-two": (
        "    return [(total, x) for x, _, _ in data]\n", "[{rtol: 1.0e-5, atol: 1.0e-5}, {atol: 100}]",
    ),
    "short": ("    return [total]\n", "{}"),
}  # fmt: skip


@pytest.fixture(scope="module")
def audits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Audit]:
    heads = {"one-of-two": HEAD.replace("OUTPUTS = 1", "OUTPUTS = 0")}
    problems = {
        name: (heads.get(name, HEAD) + body, tolerance, "world_size: 3\n")
        for name, (body, tolerance) in PROBLEMS.items()
    }
    return audited(tmp_path_factory.mktemp("problems"), problems)


def test_a_sound_collective_refuses_every_null_solution(audits: dict[str, Audit]) -> None:
    audit = audits["sound"]
    assert told(audit, Level.REFUSED) == ""
    tried = {probe.name for case in audit.cases for probe in case.probes}
    assert {"zeros", "zeros, in output 2 alone", "each rank on its own data alone"} <= tried
    assert "the second half of input 2 along axis 0 left out" in tried


def test_ranks_that_need_not_talk_are_found_out(audits: dict[str, Audit]) -> None:
    words = told(audits["barely-together"], Level.REFUSED)
    assert "“each rank on its own data alone” is accepted" in words


def test_outputs_are_counted_through_all_ranks(audits: dict[str, Audit]) -> None:
    words = told(audits["one-of-two"], Level.REFUSED)
    for loose in (1, 3, 5):
        assert f"“zeros, in output {loose} alone” is accepted" in words
    for tight in (0, 2, 4):
        assert f"“zeros, in output {tight} alone” is accepted" not in words


def test_a_rank_without_an_answer_is_refused(audits: dict[str, Audit]) -> None:
    assert "no list of 3 answers" in told(audits["short"], Level.REFUSED)
