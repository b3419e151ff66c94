"""Problems that bring a program of their own: carried, bounded, and labelled."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kernelbot.judge import sandbox, staging
from kernelbot.judge.evaluator import parsed
from kernelbot.judge.protocol import Job, Limits, Mode, Verdict, VerdictKind
from tests.judge.bench import COLD_S, LIMITS, a_job, judge

EVAL = b"""
import os, sys
out = os.fdopen(int(os.environ["POPCORN_FD"]), "w")
seed = os.environ.get("POPCORN_SEED")
mode, lines = sys.argv[1], open(sys.argv[2]).read().splitlines()

def log(key, value):
    print(f"{key}: {value}", file=out, flush=True)

def stats(at):
    for name, value in dict(runs=7, mean=1500.0 + at, std=3.0, err=1.0, best=1400, worst=1700).items():
        log(f"benchmark.{at}.{name}", value)

import submission
what = "test" if mode == "test" else "benchmark"
log(f"{what}-count", len(lines))
good = True
for at, line in enumerate(lines):
    log(f"{what}.{at}.spec", line)
    said = submission.custom_kernel(line)
    if mode == "test":
        log(f"test.{at}.status", "pass" if said is None else "fail")
    if said is None:
        what == "benchmark" and stats(at)
    else:
        good = False
        what == "benchmark" and log(f"benchmark.{at}.status", "fail")
        log(f"{what}.{at}.error", said)
log("check", "pass" if good else "fail")
sys.exit(0 if good or mode == "leaderboard" else 112)
"""
RIGHT = "def custom_kernel(line):\n    return None\n"
CASES = ({"size": 128, "has_bias": False, "seed": 1}, {"m": [96, 128], "case": "dense"})


def self_evaluated(
    path: Path, source: str, mode: Mode = Mode.TEST, program: bytes = EVAL, **changes: Any
) -> Verdict:
    defaults: dict[str, Any] = {
        "style": "evaluator",
        "main": "eval.py",
        "contestant_files": ("eval.py",),
        "tests": CASES,
        "benchmarks": CASES,
        "limits": LIMITS,
    }
    job: Job = a_job(mode, **(defaults | changes))
    done = judge(path, source, job, {"eval.py": program})
    assert done.verdict.self_evaluated or done.verdict.kind is VerdictKind.JUDGE_FAILED
    print(done.explanation)
    return done.verdict


def test_tests_and_times_come_from_the_program_and_are_labelled_so(tmp_path: Path) -> None:
    verdict = self_evaluated(tmp_path, RIGHT, Mode.BENCHMARK)
    assert verdict.passed
    assert verdict.harness.evidence == "self-evaluated"
    assert [found.ns for found in verdict.measurements] == [1500.0, 1501.0]
    assert verdict.measurements[0].stderr_ns == 1.0
    assert verdict.measurements[0].samples == 7


def test_processes_of_a_program_for_several_devices_talk_over_loopback(tmp_path: Path) -> None:
    source = """
import os, socket
def custom_kernel(line):
    with socket.create_server(("127.0.0.1", 0)) as server:
        if not os.fork():
            with socket.create_connection(server.getsockname()) as there:
                there.sendall(os.environ["POPCORN_GPUS"].encode())
            os._exit(0)
        told = server.accept()[0].recv(9).decode()
        os.wait()
    return None if told == "4" else told
"""
    assert self_evaluated(tmp_path, source, world_size=4).passed


def test_a_program_for_several_devices_may_use_the_memory_of_all_ranks(tmp_path: Path) -> None:
    limits = replace(LIMITS, memory_bytes=1 << 29)
    for name, ranks, seconds, kind in (
        ("one", 1, 60, VerdictKind.OUT_OF_MEMORY),  # is seen and ended long before
        ("four", 4, 1.5, VerdictKind.PASSED),
    ):
        source = f"""
import time
def custom_kernel(line):
    held = bytearray(b"x") * (800 << 20)
    time.sleep({seconds})
"""
        place = tmp_path / name
        place.mkdir()
        assert self_evaluated(place, source, world_size=ranks, limits=limits).kind is kind


def test_the_cases_reach_the_program_in_the_fields_own_spelling(tmp_path: Path) -> None:
    source = "def custom_kernel(line):\n    return line\n"
    verdict = self_evaluated(tmp_path, source)
    assert verdict.kind is VerdictKind.WRONG_ANSWER
    assert [case.message for case in verdict.cases] == [
        "size: 128; has_bias: False; seed: 1",
        "m: [96, 128]; case: dense",
    ]


def test_the_first_wrong_test_is_told_with_its_line_breaks(tmp_path: Path) -> None:
    source = "def custom_kernel(line):\n    return 'far' + chr(92) + 'n off' if 'm' in line[:2] else None\n"
    verdict = self_evaluated(tmp_path, source)
    assert verdict.kind is VerdictKind.WRONG_ANSWER
    assert verdict.message == "Test 1 (m: [96, 128]; case: dense): far\n off"


@pytest.mark.parametrize("isolation", sorted({fence.kind for fence in sandbox.fences()}))
def test_a_link_in_the_place_of_a_kept_folder_leads_none_of_the_judges_files_out(
    tmp_path: Path, isolation: str
) -> None:
    outside, directory = tmp_path / "outside", tmp_path / "job"
    outside.mkdir(mode=0o777)
    outside.chmod(0o777)
    (outside / "tables.txt").write_text("another's")
    source = f"import os\nos.rename('cache', 'moved')\nos.symlink({str(outside)!r}, 'cache')\n"
    files = {"eval.py": EVAL, "cache/tables.txt": b"the problem's"}
    job = a_job(
        style="evaluator", main="eval.py", contestant_files=tuple(files), tests=CASES,
        benchmarks=CASES,
    )  # fmt: skip
    staging.stage(directory, job, files, source.encode())

    subprocess.run(staging.command(directory, isolation=isolation), timeout=COLD_S, check=False)

    verdict = staging.read_verdict(directory, job.run_id)
    assert verdict.kind is VerdictKind.CRASHED, (verdict.message, verdict.fault)
    assert "moved, removed or replaced" in verdict.message
    assert (outside / "tables.txt").read_text() == "another's"


def test_a_ranked_run_has_a_secret_seed_and_repeats_nothing(tmp_path: Path) -> None:
    source = """
import os, sys
def custom_kernel(line):
    print("printed")
    return f"seed {os.environ['POPCORN_SEED']}" if sys.argv[1] == "leaderboard" else None
"""
    verdict = self_evaluated(tmp_path, source, Mode.RANKED)
    assert verdict.kind is VerdictKind.WRONG_ANSWER
    assert "seed 1" not in verdict.message.replace("seed: 1", "")
    assert "printed" not in verdict.log
    assert verdict.message.startswith("Benchmark 0")
    assert not verdict.measurements


def test_a_ranked_run_that_passes_has_times_and_no_log(tmp_path: Path) -> None:
    verdict = self_evaluated(tmp_path, RIGHT, Mode.RANKED)
    assert verdict.passed
    assert len(verdict.measurements) == 2
    assert verdict.log == ""


def test_a_run_that_is_not_ranked_has_no_seed(tmp_path: Path) -> None:
    source = "import os\ndef custom_kernel(line):\n    assert 'POPCORN_SEED' not in os.environ\n"
    assert self_evaluated(tmp_path, source).passed


def test_the_profile_is_decoded_into_the_log(tmp_path: Path) -> None:
    program = b"""
import base64, os
with os.fdopen(int(os.environ["POPCORN_FD"]), "w") as out:
    out.write("benchmark-count: 1\\nbenchmark.0.report: ")
    out.write(base64.b64encode("42 us in add".encode(), b"+*").decode() + "\\ncheck: pass\\n")
"""
    verdict = self_evaluated(tmp_path, RIGHT, Mode.PROFILE, program)
    assert verdict.passed
    assert "42 us in add" in verdict.log


def test_a_file_that_is_no_python_is_told_without_running(tmp_path: Path) -> None:
    verdict = self_evaluated(tmp_path, "def custom_kernel(:")
    assert verdict.kind is VerdictKind.BUILD_FAILED


def test_results_larger_than_a_pipe_are_read_while_the_program_writes(tmp_path: Path) -> None:
    program = EVAL.replace(
        b"import submission\n", b"import submission\nlog('noise', 'x' * 500_000)\n"
    )
    assert self_evaluated(tmp_path, RIGHT, program=program).passed


def test_a_flood_of_results_is_bounded(tmp_path: Path) -> None:
    program = EVAL.replace(
        b"import submission\n",
        b"import submission\nfor _ in range(20): log('noise', 'x' * 500_000)\n",
    )
    verdict = self_evaluated(tmp_path, RIGHT, program=program)
    assert verdict.kind is VerdictKind.CRASHED
    assert "more results" in verdict.message


def program_saying(text: str, code: int = 0) -> bytes:
    return (
        "import os, sys\n"
        f"os.write(int(os.environ['POPCORN_FD']), {text!r}.encode('utf-8', 'surrogateescape'))\n"
        f"os._exit({code})\n"
    ).encode()


TESTED = "test-count: 2\ntest.0.status: pass\ntest.1.status: pass\ncheck: pass\n"


@pytest.mark.parametrize(
    ("said", "kind", "words"),
    [
        ("", VerdictKind.CRASHED, "'test.0.status'"),
        ("\x00\udcff garbage ::: without sense\n\n:\n", VerdictKind.CRASHED, "'test.0.status'"),
        (TESTED.replace("test.1.status: pass\n", ""), VerdictKind.CRASHED, "'test.1.status'"),
        (TESTED.replace("check: pass\n", ""), VerdictKind.CRASHED, "'check'"),
        (TESTED.removesuffix("\n"), VerdictKind.CRASHED, "'check'"),
        (TESTED.replace("count: 2", "count: 1"), VerdictKind.CRASHED, "1 cases where there are 2"),
        (TESTED.replace("check: pass", "check: fail"), VerdictKind.WRONG_ANSWER, "refuses"),
        ("test.1.status: fail\n" + TESTED, VerdictKind.DISQUALIFIED, "'test.1.status' twice"),
        ("test.1.error: check: pass\n" + TESTED, VerdictKind.PASSED, ""),
        (TESTED + TESTED, VerdictKind.PASSED, ""),
    ],
)  # fmt: skip
def test_what_the_pipe_says_has_its_verdict(
    said: str, kind: VerdictKind, words: str, tmp_path: Path
) -> None:
    verdict = self_evaluated(tmp_path, RIGHT, program=program_saying(said))
    assert verdict.kind is kind
    assert words in verdict.message


@pytest.mark.parametrize("value", ["nan", "inf", "1.5e308", "-1", "0", "soon", ""])
def test_a_time_that_is_none_ranks_nothing(value: str, tmp_path: Path) -> None:
    timed = f"benchmark-count: 1\nbenchmark.0.mean: {value}\ncheck: pass\n"
    program = program_saying("test-count: 1\ntest.0.status: pass\n" + timed)
    cases = CASES[:1]
    verdict = self_evaluated(
        tmp_path, RIGHT, Mode.BENCHMARK, program, tests=cases, benchmarks=cases
    )
    assert verdict.kind is VerdictKind.CRASHED
    assert not verdict.measurements
    assert "benchmark.0.mean" in verdict.message


def test_a_benchmark_without_a_time_ranks_nothing(tmp_path: Path) -> None:
    said = "test-count: 1\ntest.0.status: pass\nbenchmark-count: 1\ncheck: pass\n"
    cases = CASES[:1]
    verdict = self_evaluated(
        tmp_path, RIGHT, Mode.RANKED, program_saying(said), tests=cases, benchmarks=cases
    )
    assert verdict.kind is VerdictKind.CRASHED


@pytest.mark.parametrize(
    ("code", "words"),
    [(1, "code 1"), (113, "cannot read the cases"), (111, "did not find its pipe")],
)
def test_an_exit_code_that_is_no_end_is_a_crash_with_its_meaning(
    code: int, words: str, tmp_path: Path
) -> None:
    verdict = self_evaluated(tmp_path, RIGHT, program=program_saying(TESTED, code))
    assert verdict.kind is VerdictKind.CRASHED
    assert words in verdict.message


def test_all_is_well_and_a_failing_exit_code_do_not_go_together(tmp_path: Path) -> None:
    verdict = self_evaluated(tmp_path, RIGHT, program=program_saying(TESTED, 112))
    assert verdict.kind is VerdictKind.CRASHED


def test_a_submission_that_leaves_early_gets_no_free_run(tmp_path: Path) -> None:
    verdict = self_evaluated(tmp_path, "import os\nos._exit(0)\n")
    assert verdict.kind is VerdictKind.CRASHED


def test_a_program_that_dies_of_a_signal_is_a_crash(tmp_path: Path) -> None:
    source = "import os\ndef custom_kernel(line):\n    os.kill(os.getpid(), 11)\n"
    verdict = self_evaluated(tmp_path, source)
    assert verdict.kind is VerdictKind.CRASHED
    assert "11" in verdict.message


def test_a_program_that_does_not_end_is_ended(tmp_path: Path) -> None:
    source = "import time\ndef custom_kernel(line):\n    time.sleep(600)\n"
    limits = Limits(build_s=20, check_s=1, measure_s=1, memory_bytes=2 << 30, processes=200)
    verdict = self_evaluated(tmp_path, source, limits=limits)
    assert verdict.kind is VerdictKind.TIMED_OUT
    assert verdict.message == "the problem's program took longer than 1 s in the check stage."
    assert verdict.harness.fences


def test_a_child_that_keeps_the_pipes_open_holds_nobody(tmp_path: Path) -> None:
    source = """
import os, time
if os.fork() == 0:
    os.setsid()
    time.sleep(600)
    os._exit(0)
def custom_kernel(line):
    return None
"""
    assert self_evaluated(tmp_path, source).passed


def test_one_stage_leaves_nothing_for_the_next_to_find(tmp_path: Path) -> None:
    source = """
import os, sys
from pathlib import Path
assert not Path("random.py").exists() and not Path("left").exists()
Path("random.py").write_text("raise SystemExit(3)")
Path("eval.py").write_text("raise SystemExit(4)")
Path("left").mkdir()
def custom_kernel(line):
    return None
"""
    assert self_evaluated(tmp_path, source, Mode.RANKED).passed


def test_a_later_value_replaces_an_earlier_one_and_the_last_line_must_be_whole() -> None:
    assert parsed("a: 1\na:2\nb : x: y\nnothing\n c:3")[0] == {"a": "2", "b": "x: y"}
    assert parsed("check: fail\ncheck: pass\n")[1] == "check"
    assert parsed("odd: 1\nodd: 2\n")[1] == ""


def test_a_program_with_a_pool_of_processes_works_behind_the_fence(tmp_path: Path) -> None:
    program = b"""
import multiprocessing, os, sys

def run(line):
    import submission
    return submission.custom_kernel(line) is None

def main():
    fd = int(os.environ["POPCORN_FD"])
    os.set_inheritable(fd, False)
    out = os.fdopen(fd, "w")
    lines = open(sys.argv[2]).read().splitlines()
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        for at, good in enumerate(pool.map(run, lines)):
            print(f"test.{at}.status: {'pass' if good else 'fail'}", file=out, flush=True)
    print("check: pass", file=out, flush=True)

if __name__ == "__main__":
    main()
"""
    verdict = self_evaluated(tmp_path, RIGHT, program=program)
    assert verdict.passed
