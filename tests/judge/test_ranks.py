"""Submissions that run as several processes together, over gloo: one verdict about all of them."""

from __future__ import annotations

import contextlib
import inspect
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kernelbot.judge import sandbox
from kernelbot.judge.protocol import Mode, Stage, VerdictKind
from tests.judge.bench import Judged, a_job, judge, problem

BEGIN = """
import gc, os, threading, time
import torch, torch.distributed as dist
def runtime():
    return next(o for o in gc.get_objects() if type(o).__name__ == "Runtime")
def hang_up():
    runtime().channel.close()
def end_with_the_next_word(code):
    mine, ring = runtime(), runtime().ring
    mine.ring = lambda *words: (ring(*words), os._exit(code))
def custom_kernel(data):
    x, rank, world_size, out = data
    out.copy_(x)
"""
RIGHT = BEGIN + "    dist.all_reduce(out)\n    return out\n"


def judged(
    directory: Path, body: str, mode: Mode = Mode.TEST, world_size: int = 2, **changes: Any
) -> Judged:
    job = a_job(mode, problem="allreduce", world_size=world_size, **changes)
    source = body if body.startswith("\nimport") else BEGIN + body
    return judge(directory, source, job, problem("allreduce"))


@pytest.mark.parametrize("world_size", [2, 4])
def test_a_right_collective_passes_with_a_time_for_all_ranks_together(
    world_size: int, tmp_path: Path
) -> None:
    found = judged(tmp_path, RIGHT, Mode.BENCHMARK, world_size)
    assert found.verdict.passed, found.explanation
    (measured,) = found.verdict.measurements
    assert measured.samples >= 3
    assert found.verdict.log == ""


def test_a_ranked_run_is_measured_in_processes_of_its_own(tmp_path: Path) -> None:
    found = judged(tmp_path, RIGHT, Mode.RANKED)
    assert found.verdict.passed, found.explanation
    assert len(found.verdict.measurements) == 1


def test_the_limit_on_processes_is_for_each_rank(tmp_path: Path) -> None:
    body = (
        "    import resource\n    if rank == 0: print(resource.getrlimit(resource.RLIMIT_NPROC))\n"
    )
    limits = replace(a_job().limits, processes=150)
    found = judged(tmp_path, body + "    dist.all_reduce(out)\n    return out\n", limits=limits)
    assert found.verdict.passed, found.explanation
    assert "(300, 300)" in found.verdict.log


def test_the_ranks_talk_in_a_network_of_their_own(tmp_path: Path) -> None:
    harness = judged(tmp_path, RIGHT).verdict.harness
    fences = set(harness.fences)
    if harness.isolation == "processes":
        assert "open-network" in fences
    else:
        assert "own-network" in fences
    assert "no-network" not in fences


def test_a_fence_for_strangers_without_a_network_of_its_own_is_none_for_ranks() -> None:
    """What the referee plans for ``user`` where the kernel refuses namespaces."""
    outside = sandbox.network_to_leave(sandbox.Fence("user", 60_001))
    script = (
        "from kernelbot.judge import sandbox\n"
        "plan = sandbox.Plan(uid=-1, parent=0, landlock=False, namespaces=False, workdir='/tmp',\n"
        f"    read=[], memory_bytes=0, processes=9, loopback=True, outside={outside!r})\n"
        "sandbox.enter(plan)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "OSError: several ranks need a network of their own" in ended.stderr
    for kind in ("bubblewrap", "processes"):
        assert sandbox.network_to_leave(sandbox.Fence(kind)) == ""


def test_the_process_group_is_there_before_the_submission_is_imported(tmp_path: Path) -> None:
    early = "\nimport torch.distributed as dist\nassert dist.get_world_size() == 2\n" + RIGHT
    found = judged(tmp_path, early)
    assert found.verdict.passed, found.explanation


def test_a_wrong_answer_of_one_rank_names_it(tmp_path: Path) -> None:
    wrong = "    dist.all_reduce(out)\n    out[3] += rank == 1\n    return out\n"
    verdict = judged(tmp_path, wrong).verdict
    assert verdict.kind is VerdictKind.WRONG_ANSWER
    assert "Test 0 (n: 1000): rank 1: 1 of 1000 elements are wrong" in verdict.message
    assert verdict.cases[0].message.startswith("rank 1: ")


def test_a_wrong_shape_of_one_rank_names_it(tmp_path: Path) -> None:
    short = "    dist.all_reduce(out)\n    return out[: 999 + (rank == 0)]\n"
    verdict = judged(tmp_path, short).verdict
    assert verdict.kind is VerdictKind.WRONG_ANSWER
    assert "rank 1: the shape is wrong" in verdict.message


@pytest.mark.parametrize(
    ("what", "kind", "message"),
    [
        ("raise ValueError('no')", VerdictKind.CRASHED, "rank 1: custom_kernel raised ValueError: no (submission.py, line 14)"),
        ("os._exit(7)", VerdictKind.CRASHED, "rank 1: The program exited with code 7 during a call."),
        ("os._exit(200)", VerdictKind.CRASHED, "rank 1: The program exited with code 200 during a call."),
        ("os.fork() and os._exit(7), time.sleep(99)", VerdictKind.CRASHED, "rank 1: The program exited with code 7 during a call."),
        ("end_with_the_next_word(3); raise ValueError('no')", VerdictKind.CRASHED, "rank 1: custom_kernel raised ValueError: no (submission.py, line 14)"),
        ("os.kill(os.getpid(), 11)", VerdictKind.CRASHED, "rank 1: The program was killed by signal SIGSEGV"),
        ("torch.ones(1 << 40)", VerdictKind.OUT_OF_MEMORY, "rank 1: No memory was left for the 4 TiB that it asked for (submission.py, line 14)."),
        ("hang_up(), time.sleep(99)", VerdictKind.CRASHED, "rank 1: The program closed its connection"),
    ],
)  # fmt: skip
def test_a_rank_that_fails_ends_the_run_while_others_wait_for_it(
    what: str, kind: VerdictKind, message: str, tmp_path: Path
) -> None:
    found = judged(
        tmp_path, f"    if rank == 1: {what}\n    dist.all_reduce(out)\n    return out\n"
    )
    assert found.verdict.kind is kind, found.explanation
    assert f"Test 0 (n: 1000): {message}" in found.verdict.message
    assert found.verdict.stage is Stage.CHECK
    spent = found.verdict.spent
    assert spent.check_s + spent.build_s < 60  # whoever waited for its limits took twice that


def test_a_rank_that_ends_because_another_has_is_not_to_blame(tmp_path: Path) -> None:
    body = """
    if rank == 1: os._exit(7)
    try: dist.all_reduce(out)
    except RuntimeError:
        time.sleep(0.5)  # who waits for both tells them apart only if it has run in between
        os._exit(9)
    return out
"""
    verdict = judged(tmp_path, body).verdict
    assert "rank 1: The program exited with code 7 during a call." in verdict.message


def test_too_much_memory_of_all_ranks_together_is_told_of_none(tmp_path: Path) -> None:
    found = judged(
        tmp_path,
        "    if rank == 1: kept = [b'x' * (1 << 20) for _ in range(3000)]\n"
        "    dist.all_reduce(out)\n    return out\n",
        limits=replace(a_job().limits, memory_bytes=1 << 30),
    )
    assert found.verdict.kind is VerdictKind.OUT_OF_MEMORY, found.explanation
    assert (
        "Test 0 (n: 1000): All ranks together used more memory than the limit of 2 GiB."
        in found.verdict.message
    )


def test_an_import_that_fails_on_one_rank_names_it(tmp_path: Path) -> None:
    verdict = judged(tmp_path, "\nimport os\nassert os.environ['RANK'] == '0'\n" + RIGHT).verdict
    assert verdict.kind is VerdictKind.BUILD_FAILED
    assert verdict.message.startswith("rank 1: AssertionError")


def test_a_rank_that_waits_in_vain_is_told_from_those_that_are_done(tmp_path: Path) -> None:
    limits = a_job().limits
    found = judged(
        tmp_path,
        "    if rank != 1: dist.all_reduce(out)\n    return out\n",
        world_size=4,
        limits=replace(limits, build_s=8, check_s=4),
    )
    assert found.verdict.kind is VerdictKind.TIMED_OUT
    assert "the first call of custom_kernel in the check stage took" in found.verdict.message
    assert "ranks 0, 2, 3 did not come to an end" in found.verdict.message


def test_no_rank_outlives_the_run(tmp_path: Path) -> None:
    left = """
    if rank == 1 and not os.fork():
        os.setsid()
        time.sleep(600)
    if rank == 0:
        folder = os.path.dirname(os.getcwd())
        print(folder, len(titles_with(folder)))
    dist.all_reduce(out)
    return out
"""
    looking = f"import contextlib\nfrom pathlib import Path\n{inspect.getsource(titles_with)}"
    found = judged(
        tmp_path,
        BEGIN.replace("def custom_kernel", f"{looking}\ndef custom_kernel") + left,
        world_size=4,
    )
    assert found.verdict.passed, found.explanation
    folder, living = found.verdict.log.split()[:2]
    assert int(living) >= 4
    assert titles_with(folder) == []


def test_a_secret_run_tells_the_rank_and_nothing_of_its_input(tmp_path: Path) -> None:
    telling = (
        "    if rank == 1: raise ValueError(str(x))\n    dist.all_reduce(out)\n    return out\n"
    )
    verdict = judged(tmp_path, telling, Mode.RANKED).verdict
    assert verdict.kind is VerdictKind.CRASHED
    assert "rank 1: custom_kernel raised ValueError." in verdict.message
    assert "tensor" not in verdict.message + verdict.log


def test_a_profile_shows_the_collective_of_the_first_rank(tmp_path: Path) -> None:
    found = judged(tmp_path, RIGHT, Mode.PROFILE)
    assert found.verdict.passed, found.explanation
    assert "all_reduce" in found.verdict.log
    assert [artefact.name for artefact in found.verdict.artefacts] == ["trace.json.gz"]


def test_a_reference_with_too_few_answers_is_the_problems_fault(tmp_path: Path) -> None:
    files = problem("allreduce")
    files["reference.py"] += b"\ndef reference(data): return data[0][0]\n"
    job = a_job(problem="allreduce", world_size=2)
    verdict = judge(tmp_path, RIGHT, job, files).verdict
    assert verdict.kind is VerdictKind.JUDGE_FAILED
    assert "reference returned no list of 2 answers, one for each rank" in verdict.fault


def titles_with(word: str) -> list[str]:
    """Command lines of processes that have a word in them, as a contestant's has its folder."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            title = Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
            if word in title:
                found.append(title)
    return found
