"""The judge's command on real submissions: every verdict kind, every mode, nothing left behind."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import kernelbot
from kernelbot.judge import staging
from kernelbot.judge.protocol import Mode, Stage, Tolerance, VerdictKind
from tests.judge.bench import COLD_S, LIMITS, a_job, judge, problem

RIGHT = """
import torch
def custom_kernel(data):
    a, b, out = data
    return torch.add(a, b, out=out)
"""
WRONG = """
def custom_kernel(data):
    a, b, out = data
    out = a + b
    out[3] += 1
    return out
"""


def test_a_right_submission_passes_its_tests(tmp_path: Path) -> None:
    found = judge(tmp_path, RIGHT, a_job(tests=({"n": 10}, {"n": 1000})))
    verdict = found.verdict
    assert found.returncode == 0
    assert verdict.passed, found.explanation
    assert [(case.stage, case.index, case.ok) for case in verdict.cases] == [
        (Stage.CHECK, 0, True),
        (Stage.CHECK, 1, True),
    ]
    assert verdict.cases[1].spec == "n: 1000"
    assert verdict.device.kind == "cpu"
    assert verdict.device.name
    assert len(verdict.harness.judge_digest) == 64
    assert verdict.harness.torch
    assert 0 < verdict.spent.check_s < verdict.spent.wall_s


def test_a_syntax_error_is_told_before_anything_is_started(tmp_path: Path) -> None:
    verdict = judge(
        tmp_path, "import torch\n\ndef custom_kernel(data:\n    return", a_job()
    ).verdict
    assert verdict.kind is VerdictKind.BUILD_FAILED
    assert verdict.message.startswith("SyntaxError: ")
    assert "(submission.py, line 3)" in verdict.message
    assert "def custom_kernel(data:" in verdict.log
    assert verdict.harness.isolation == "not-run"
    assert not verdict.harness.torch


def test_a_benchmark_has_a_time_with_an_interval_for_every_case(tmp_path: Path) -> None:
    job = a_job(Mode.BENCHMARK, benchmarks=({"n": 1000}, {"n": 2_000_000}))
    verdict = judge(tmp_path, RIGHT, job).verdict
    small, large = verdict.measurements
    assert 0 < small.low_ns <= small.ns <= small.high_ns
    assert small.ns < large.ns
    assert large.samples >= 3
    assert verdict.harness.evidence == "outside-clock"


def test_events_tell_the_stages_and_cases_as_they_happen(tmp_path: Path) -> None:
    events = judge(tmp_path, RIGHT, a_job(Mode.BENCHMARK)).events
    assert [(e["kind"], e["stage"], e["message"]) for e in events] == [
        ("stage", "build", "started"),
        ("stage", "build", "finished"),
        ("stage", "check", "started"),
        ("case", "check", ""),
        ("stage", "check", "finished"),
        ("stage", "measure", "started"),
        ("case", "measure", ""),
        ("stage", "measure", "finished"),
    ]
    assert [(e["done"], e["total"]) for e in events if e["kind"] == "case"] == [(1, 1), (1, 1)]


def test_a_profile_is_a_table_in_the_log(tmp_path: Path) -> None:
    verdict = judge(tmp_path, RIGHT, a_job(Mode.PROFILE)).verdict
    assert verdict.passed
    assert "Profile of benchmark 0 (n: 20000)" in verdict.log
    assert "aten::add" in verdict.log


def test_a_wrong_answer_says_which_element_of_which_test(tmp_path: Path) -> None:
    verdict = judge(tmp_path, WRONG, a_job(tests=({"n": 4}, {"n": 9}))).verdict
    assert verdict.kind is VerdictKind.WRONG_ANSWER
    assert verdict.stage is Stage.CHECK
    assert "Test 0 (n: 4): 1 of 4 elements are wrong (25 %); first at [3]" in verdict.message
    assert [(case.index, case.ok) for case in verdict.cases] == [(0, False)]


def test_what_the_submission_printed_is_in_the_log_of_a_test(tmp_path: Path) -> None:
    printing = RIGHT + "print('built')\nimport sys; print('oops', file=sys.stderr)\n"
    log = judge(tmp_path, printing).verdict.log
    assert "built" in log
    assert "oops" in log


def test_a_flood_of_output_is_kept_within_its_limit(tmp_path: Path) -> None:
    flooding = RIGHT + "print('first'); print('x' * 10_000_000); print('last', flush=True)\n"
    log = judge(tmp_path, flooding).verdict.log
    assert log.startswith("first")
    assert "last" in log
    assert len(log) < 4 * LIMITS.output_bytes


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def custom_kernel(data:", "SyntaxError: '(' was never closed (submission.py, line 1)"),
        ("import nothing_like_this", "No module named 'nothing_like_this' (submission.py, line 1)"),
        ("kernel = 1", "defines no function custom_kernel"),
        ("custom_kernel = 1", "defines no function custom_kernel"),
        ("def f():\n  g()\ndef g():\n  raise ValueError('bad table')\nf()", "bad table (submission.py, line 4)"),
        ("import sys\nsys.exit('no GPU')", "SystemExit: no GPU (submission.py, line 2)"),
        (b"\xff\xfe\x00", "SyntaxError"),
    ],
)  # fmt: skip
def test_a_build_failure_names_the_error_and_the_line(
    source: str | bytes, message: str, tmp_path: Path
) -> None:
    verdict = judge(tmp_path, source).verdict
    assert verdict.kind is VerdictKind.BUILD_FAILED
    assert verdict.stage is Stage.BUILD
    assert message in verdict.message
    assert "inside" not in verdict.log


def test_a_compiler_error_is_the_message_with_file_and_line(tmp_path: Path) -> None:
    source = "raise RuntimeError('Error building extension:\\nFAILED: main.o\\nmain.cpp:12:5: error: x was not declared\\nninja: stopped')"
    verdict = judge(tmp_path, source).verdict
    assert verdict.message == "main.cpp:12:5: error: x was not declared"
    assert "ninja: stopped" in verdict.log


def test_an_exception_in_a_call_is_a_crash_with_the_submissions_own_frames(tmp_path: Path) -> None:
    source = "def inner(x):\n  raise KeyError(len(x))\ndef custom_kernel(data):\n  inner(data[0])\n"
    verdict = judge(tmp_path, source).verdict
    assert verdict.kind is VerdictKind.CRASHED
    assert "KeyError: 1000 (submission.py, line 2)" in verdict.message
    assert 'File "submission.py", line 4, in custom_kernel' in verdict.log
    assert "inside" not in verdict.log


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("import ctypes; ctypes.string_at(0)", "killed by signal SIGSEGV during a call"),
        ("import os; os._exit(7)", "exited with code 7 during a call"),
    ],
)
def test_the_end_of_the_process_is_a_crash_that_says_how(
    statement: str, message: str, tmp_path: Path
) -> None:
    verdict = judge(tmp_path, f"def custom_kernel(data):\n  {statement}\n").verdict
    assert verdict.kind is VerdictKind.CRASHED
    assert message in verdict.message


@pytest.mark.parametrize(
    ("source", "stage"),
    [
        ("while True: pass", Stage.BUILD),
        ("def custom_kernel(data):\n  while True: pass", Stage.CHECK),
        ("def custom_kernel(data):\n  while len(data[0]) > 5000: pass\n  return data[0] + data[1]", Stage.MEASURE),
    ],
)  # fmt: skip
def test_each_stage_has_a_time_budget_of_its_own(source: str, stage: Stage, tmp_path: Path) -> None:
    limits = replace(LIMITS, build_s=4, check_s=4, measure_s=4)
    verdict = judge(tmp_path, source, a_job(Mode.BENCHMARK, limits=limits)).verdict
    assert verdict.kind is VerdictKind.TIMED_OUT
    assert verdict.stage is stage
    assert "longer than 4 s" in verdict.message
    # A first call may compile in the time for building; endless, it ends when the larger limit does.
    spent = verdict.spent
    assert spent.build_s + spent.check_s + spent.measure_s < 8
    assert max(spent.build_s, spent.check_s, spent.measure_s) < 6


def test_a_secret_run_shows_neither_output_nor_values(tmp_path: Path) -> None:
    leaking = """
print("hello from import")
def custom_kernel(data):
    print("secret", data[0][0])
    raise ValueError(f"the input is {data[0].tolist()}")
"""
    verdict = judge(tmp_path, leaking, a_job(Mode.RANKED)).verdict
    assert verdict.kind is VerdictKind.CRASHED
    assert verdict.log == ""
    assert "the input" not in json.dumps(
        [verdict.message, *(case.message for case in verdict.cases)]
    )
    assert "ValueError" in verdict.message


def test_the_second_import_of_a_secret_run_cannot_tell_what_the_first_process_saw(
    tmp_path: Path,
) -> None:
    leaking = """
import os
if os.path.exists("home/note"):
    raise type("Seen" + open("home/note").read(), (RuntimeError,), {})("seen: " + open("home/note").read())
def custom_kernel(data):
    a, b, out = data
    open("home/note", "w").write("4242" + str(a[:3].tolist()))
    return a + b
"""
    verdict = judge(tmp_path, leaking, a_job(Mode.RANKED)).verdict
    assert verdict.kind is VerdictKind.BUILD_FAILED
    assert "The import raised an exception the second time." in verdict.message
    assert "4242" not in json.dumps(
        [verdict.message, verdict.log, *(case.message for case in verdict.cases)]
    )


@pytest.mark.parametrize("mode", [Mode.TEST, Mode.RANKED])
def test_an_exit_code_is_told_where_inputs_are_not_secret(mode: Mode, tmp_path: Path) -> None:
    source = "import os\ndef custom_kernel(data):\n  os._exit(77)\n"
    verdict = judge(tmp_path, source, a_job(mode)).verdict
    assert verdict.kind is VerdictKind.CRASHED
    assert ("77" in verdict.message) == (mode is Mode.TEST)
    assert "during a call" in verdict.message


def test_the_first_call_of_a_process_may_use_the_time_for_building(tmp_path: Path) -> None:
    slow_at_first = """
import time
calls = []
def custom_kernel(data):
    if not calls:
        time.sleep(4)
    calls.append(1)
    return data[0] + data[1]
"""
    limits = replace(LIMITS, check_s=2)
    verdict = judge(tmp_path, slow_at_first, a_job(limits=limits)).verdict
    assert verdict.passed, verdict.message
    assert verdict.spent.build_s > 4 > verdict.spent.check_s


CUT_OFF = """
import sys
from dataclasses import replace
from pathlib import Path
from kernelbot.judge import guard, staging, timing
from kernelbot.judge.protocol import Mode
from kernelbot.judge.referee import Events, Referee
from kernelbot.judge.warm import Nursery
from tests.judge import bench

directory, job = Path(sys.argv[1]), bench.a_job(Mode.BENCHMARK, limits=replace(bench.LIMITS, measure_s=3))
staging.stage(directory, job, bench.problem("add"), sys.argv[2].encode())
guard.harden_referee()
referee = Referee(directory, job, Events(None), Nursery.started(), "")
referee.plan = replace(timing.CPU_PLAN, looks=(64,), wall_s=3600)
verdict = referee.judge()
print(verdict.kind, verdict.spent.measure_s, *(found.samples for found in verdict.measurements))
"""


def test_a_call_that_the_time_limit_cuts_off_leaves_the_samples_before_it(tmp_path: Path) -> None:
    even = "import time\ndef custom_kernel(data):\n  time.sleep(len(data[0]) / 2e5)\n  return data[0] + data[1]"
    found = subprocess.run(
        [sys.executable, "-c", CUT_OFF, str(tmp_path), even],
        capture_output=True, text=True, timeout=COLD_S, check=False,
    )  # fmt: skip
    kind, spent_s, *samples = found.stdout.split()
    assert kind == "passed", found
    assert float(spent_s) > 2.9
    assert 3 <= int(*samples) < 64


def test_whoever_hangs_when_the_samples_suit_it_does_not_keep_them(tmp_path: Path) -> None:
    hangs = """
import time
calls = []
def custom_kernel(data):
    calls.append(len(data[0]))
    if calls.count(20000) > 7:
        time.sleep(1000)
    return data[0] + data[1]
"""
    limits = replace(LIMITS, measure_s=2)
    verdict = judge(tmp_path, hangs, a_job(Mode.BENCHMARK, limits=limits)).verdict
    assert verdict.kind is VerdictKind.TIMED_OUT


def test_a_first_call_that_never_ends_is_told_with_the_time_it_had(tmp_path: Path) -> None:
    limits = replace(LIMITS, build_s=5, check_s=2)
    verdict = judge(tmp_path, ENDLESS, a_job(limits=limits)).verdict
    assert verdict.kind is VerdictKind.TIMED_OUT
    words = (
        r"the first call of custom_kernel in the check stage took longer than ([2-4]\.\d|[2-5]) s\."
    )
    assert re.fullmatch(rf"Test 0 \(.*\): {words}", verdict.message), verdict.message


def test_a_secret_wrong_answer_tells_the_size_of_the_error_only(tmp_path: Path) -> None:
    verdict = judge(tmp_path, WRONG, a_job(Mode.RANKED)).verdict
    assert verdict.kind is VerdictKind.WRONG_ANSWER
    assert "1 of 1000 elements, shape [1000], are wrong" in verdict.message
    assert "got" not in verdict.message


def test_a_secret_build_failure_shows_its_log(tmp_path: Path) -> None:
    verdict = judge(tmp_path, "import nothing_like_this", a_job(Mode.RANKED)).verdict
    assert verdict.kind is VerdictKind.BUILD_FAILED
    assert "nothing_like_this" in verdict.log


def test_a_ranked_pass_is_measured_and_silent(tmp_path: Path) -> None:
    verdict = judge(tmp_path, RIGHT + "print('hello')", a_job(Mode.RANKED)).verdict
    assert verdict.passed
    assert len(verdict.measurements) == 1
    assert verdict.log == ""


def test_no_input_comes_twice_and_buffers_are_poisoned(tmp_path: Path) -> None:
    source = """
seen = []
def custom_kernel(data):
    a, b, out = data
    key = (float(a[0]), float(b[0]))
    seen.append(key)
    assert seen.count(key) == 1 or (seen.count(key) == 2 and len(seen) == 2)  # the re-check
    total = a + b
    assert not out.equal(total)
    return total
"""
    verdict = judge(tmp_path, source, a_job(Mode.BENCHMARK)).verdict
    assert verdict.passed, verdict.log


# --- our own faults ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"reference.py": b"raise OSError('disk')"}, "cannot be imported"),
        ({"reference.py": b"def reference(data): pass"}, "no function generate_input"),
        ({"reference.py": b"def generate_input(**k): return 1 / 0\ndef reference(d): pass"}, "ZeroDivision"),
        ({"reference.py": b"def generate_input(**k): return 3\ndef reference(d): return d"}, "not a tuple"),
        ({"reference.py": b"def generate_input(**k): return (iter([1]),)\nimport torch\ndef reference(d): return torch.ones(1)"}, "returned a list_iterator"),
    ],
)  # fmt: skip
def test_a_broken_problem_is_the_judges_fault_and_says_why(
    changes: dict[str, bytes], fault: str, tmp_path: Path
) -> None:
    verdict = judge(tmp_path, RIGHT, files=problem("add") | changes).verdict
    assert verdict.kind is VerdictKind.JUDGE_FAILED
    assert fault in verdict.fault
    assert fault not in verdict.message


def test_the_wrong_device_is_refused(tmp_path: Path) -> None:
    verdict = judge(tmp_path, RIGHT, a_job(expect_device="H200")).verdict
    assert verdict.kind is VerdictKind.JUDGE_FAILED
    assert "H200" in verdict.fault
    assert verdict.device.name in verdict.fault


def test_a_number_of_tolerances_that_does_not_fit_is_the_judges_fault(tmp_path: Path) -> None:
    job = a_job(tolerances=(Tolerance(), Tolerance()))
    verdict = judge(tmp_path, RIGHT, job).verdict
    assert verdict.kind is VerdictKind.JUDGE_FAILED
    assert "tolerances" in verdict.fault


def test_an_unreadable_job_still_gets_a_verdict(tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text('{"run_id": 7')
    done = subprocess.run(
        staging.command(tmp_path), capture_output=True, timeout=COLD_S, check=False
    )
    assert done.returncode == 0
    assert staging.read_verdict(tmp_path).kind is VerdictKind.JUDGE_FAILED


def test_a_missing_submission_is_the_judges_fault(tmp_path: Path) -> None:
    staging.stage(tmp_path, a_job(), problem("add"), b"")
    (tmp_path / "submission/submission.py").unlink()
    subprocess.run(staging.command(tmp_path), capture_output=True, timeout=COLD_S, check=False)
    assert staging.read_verdict(tmp_path).kind is VerdictKind.JUDGE_FAILED


# --- the problem's contract --------------------------------------------------------------------

SPECTRUM = b"""
import torch
def generate_input(*, seed, device, n):
    g = torch.Generator(device=device).manual_seed(seed)
    return torch.randn(n, device=device, generator=g), 2, {"mode": "up"}
def reference(data):
    x, k, options = data
    return x * k, (x > 0).to(torch.int64)
"""


def test_several_outputs_scalars_and_options_are_judged(tmp_path: Path) -> None:
    source = "def custom_kernel(data):\n  x, k, o = data\n  assert o == {'mode': 'up'}\n  return x * k, (x > 0).long()\n"
    files = {"reference.py": SPECTRUM, "task.py": b""}
    verdict = judge(tmp_path, source, a_job(Mode.BENCHMARK), files).verdict
    assert verdict.passed, verdict.message


def test_a_missing_output_of_several_is_named(tmp_path: Path) -> None:
    files = {"reference.py": SPECTRUM, "task.py": b""}
    verdict = judge(
        tmp_path, "def custom_kernel(data):\n  return (data[0] * 2,)\n", files=files
    ).verdict
    assert verdict.kind is VerdictKind.WRONG_ANSWER
    assert "returned 1 outputs, expected 2" in verdict.message


ROOT = b"""
import torch
def generate_input(*, seed, device, n):
    g = torch.Generator(device=device).manual_seed(seed)
    return (torch.rand(n, device=device, generator=g),)
def reference(data):
    return data[0].sqrt()
def check(data, output):
    worst = (output * output - data[0]).abs().max().item()
    return f"a square is off by {worst:.3g}" if not worst < 1e-5 else None
"""


@pytest.mark.parametrize(
    ("result", "kind"),
    [("-data[0].sqrt()", VerdictKind.PASSED), ("data[0]", VerdictKind.WRONG_ANSWER)],
)
def test_a_problems_own_check_replaces_the_comparison(
    result: str, kind: VerdictKind, tmp_path: Path
) -> None:
    source = f"def custom_kernel(data):\n  return {result}\n"
    files = {"reference.py": ROOT, "task.py": b""}
    verdict = judge(tmp_path, source, files=files).verdict
    assert verdict.kind is kind
    assert ("a square is off by" in verdict.message) == (kind is VerdictKind.WRONG_ANSWER)


# --- what is left behind -----------------------------------------------------------------------

# Of this test process alone: the same tests may run in another checkout, or have been killed before.
SECONDS = f"86399.{os.getpid()}"
THREAD = f"kb-{os.getpid()}"


def contestants(folder: Path) -> list[int]:
    """Running contestants whose judge keeps its files in the folder."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            line = Path(f"/proc/{name}/cmdline").read_bytes()
            if b"runtime/inside" in line and str(folder).encode() in line:
                found.append(int(name))
    return found


def judging(directory: Path, scratch: Path, source: str) -> subprocess.Popen[str]:
    """A judge at work: its first call has begun and will not end by itself."""
    job = a_job(limits=replace(LIMITS, check_s=60))
    staging.stage(directory, job, problem("add"), source.encode())
    scratch.mkdir()
    scratch.chmod(0o777)
    environment = {**os.environ, "TMPDIR": str(scratch)}
    referee = subprocess.Popen(
        staging.command(directory), stdout=subprocess.PIPE, text=True, env=environment
    )
    assert referee.stdout is not None
    assert any('"check"' in line for line in referee.stdout)
    referee.stdout.close()
    assert contestants(scratch)
    return referee


def wait_until(condition: Callable[[], bool], deadline_s: float = 60) -> bool:
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_nothing_of_a_run_stays_alive_or_on_disk(tmp_path: Path) -> None:
    residue = Path(f"/dev/shm/kernelbot-residue-{os.getpid()}")
    source = RIGHT + f"""
import os, subprocess
open({str(residue)!r}, "w").write("x")
subprocess.Popen(["sleep", "{SECONDS}"], start_new_session=True)
"""  # fmt: skip
    assert judge(tmp_path, source).verdict.passed
    assert not residue.exists()
    assert not sleeping()


HALF_DEAD = f"""
import ctypes, os, threading, time
def live():
    ctypes.CDLL(None).prctl(15, b"{THREAD}")
    time.sleep(600)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        threading.Thread(target=live).start()
        ctypes.CDLL(None).pthread_exit(None)
    os._exit(0)
os.wait()
time.sleep(0.3)
"""


def sleeping() -> list[str]:
    """Processes that were told to sleep for our SECONDS."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            line = Path(f"/proc/{name}/cmdline").read_bytes()
            if line.split(b"\0")[:2] == [b"sleep", SECONDS.encode()]:
                found.append(name)
    return found


def threads_named(name: str) -> list[str]:
    found = []
    for process in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{process}/task"):
                if Path(f"/proc/{process}/task/{task}/comm").read_text().strip() == name:
                    found.append(process)
    return found


def test_a_process_whose_first_thread_has_ended_does_not_stay_alive(tmp_path: Path) -> None:
    assert judge(tmp_path, RIGHT + HALF_DEAD).verdict.passed
    assert threads_named(THREAD) == []


WORK_AFTER_THE_DOORBELL = """
import mmap, os, time
import numpy as np
flag = memoryview(mmap.mmap(-1, 4096)).cast("Q")
case = None
for _ in range(1000):
    if os.fork() == 0:
        os._exit(0)
def work(a, b, out):
    os.setsid()
    seen = flag[0]
    while True:
        while flag[0] == seen:
            pass
        seen = flag[0]
        time.sleep(0.02)
        np.add(a, b, out=out)
def custom_kernel(data):
    global case
    a, b, out = data
    if case != a.data_ptr() + len(a):
        case = a.data_ptr() + len(a)
        flag[0] = 0
        if os.fork() == 0:
            work(a.numpy(), b.numpy(), out.numpy())
        out.copy_(a + b)
        time.sleep(0.05)
        return out
    flag[0] += 1
    return out
"""


def test_work_of_another_session_after_the_doorbell_is_lost_or_counted(tmp_path: Path) -> None:
    limits = replace(LIMITS, processes=1500, measure_s=30)
    job = a_job(Mode.BENCHMARK, limits=limits, benchmarks=({"n": 20000},))
    verdict = judge(tmp_path, WORK_AFTER_THE_DOORBELL, job).verdict
    assert verdict.kind in (VerdictKind.PASSED, VerdictKind.WRONG_ANSWER), verdict.message
    for found in verdict.measurements:
        assert found.ns >= 19e6


ENDLESS = "def custom_kernel(data):\n  while True: pass\n"


def test_a_killed_referee_takes_its_contestant_with_it(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    referee = judging(tmp_path, scratch, ENDLESS)
    referee.kill()
    referee.wait()
    assert wait_until(lambda: not contestants(scratch))
    assert staging.read_verdict(tmp_path).kind is VerdictKind.JUDGE_FAILED


def test_a_cancelled_judge_cleans_up_before_it_leaves(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    referee = judging(tmp_path, scratch, ENDLESS)
    referee.terminate()
    assert referee.wait(timeout=60) == 128 + signal.SIGTERM
    assert not contestants(scratch)
    assert not list(scratch.iterdir())
    assert not (tmp_path / "verdict.json").exists()


def test_what_a_killed_judge_left_on_disk_is_removed_by_the_next(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    referee = judging(tmp_path, scratch, ENDLESS)
    referee.kill()
    referee.wait()
    assert wait_until(lambda: not contestants(scratch))
    assert list(scratch.iterdir())
    environment = {**os.environ, "TMPDIR": str(scratch)}
    line = staging.command(tmp_path)
    (tmp_path / "submission" / "submission.py").write_text(RIGHT)
    subprocess.run(line, env=environment, capture_output=True, timeout=COLD_S, check=True)
    assert staging.read_verdict(tmp_path).passed
    assert not list(scratch.iterdir())


DETACHED = f"""
import subprocess
subprocess.Popen(["sleep", "{SECONDS}"], start_new_session=True)
def custom_kernel(data):
    while True: pass
"""


if os.getuid() == 0:  # who may make neither uids nor control groups has nothing to end them by

    def test_what_a_killed_judge_left_running_is_ended_by_the_next(tmp_path: Path) -> None:
        scratch = tmp_path / "scratch"
        referee = judging(tmp_path, scratch, DETACHED)
        assert sleeping()  # until any judge begins on this machine once the referee is gone
        referee.kill()
        referee.wait()

        environment = {**os.environ, "TMPDIR": str(scratch)}
        (tmp_path / "submission" / "submission.py").write_text(RIGHT)
        subprocess.run(
            staging.command(tmp_path),
            env=environment,
            capture_output=True,
            timeout=COLD_S,
            check=True,
        )

        assert wait_until(lambda: not sleeping())


def test_hints_come_with_a_verdict_and_do_not_change_it(tmp_path: Path) -> None:
    verdict = judge(tmp_path, "import gc\ngc.get_objects()\n" + RIGHT).verdict
    assert verdict.passed
    assert (2, "walks") in [(hint.line, hint.rule) for hint in verdict.hints]


def test_no_text_of_a_verdict_holds_a_nul(tmp_path: Path) -> None:
    source = "def custom_kernel(data):\n  print('a\\0b', flush=True)\n  raise ValueError('c\\0d')\n"
    verdict = judge(tmp_path, source).verdict
    assert verdict.kind is VerdictKind.CRASHED
    assert "a\ufffdb" in verdict.log
    assert "c\ufffdd" in verdict.message
    assert "\0" not in verdict.log + verdict.message


def test_the_judge_runs_from_a_copy_that_holds_nothing_else(tmp_path: Path) -> None:
    copy, job = tmp_path / "copy", tmp_path / "job"
    source = Path(kernelbot.__file__).parent
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(source / "judge", copy / "kernelbot" / "judge", ignore=ignored)
    shutil.copyfile(source / "__init__.py", copy / "kernelbot" / "__init__.py")
    job.mkdir()
    staging.stage(job, a_job(), problem("add"), RIGHT.encode())
    start = f"import sys, runpy; sys.path.insert(0, {str(copy)!r}); sys.argv = ['judge', 'run', {str(job)!r}]; runpy.run_module('kernelbot.judge', run_name='__main__')"
    subprocess.run([sys.executable, "-I", "-c", start], cwd="/", timeout=COLD_S, check=True)
    verdict = staging.read_verdict(job)
    assert verdict.passed, verdict.fault


def test_events_can_go_to_a_descriptor_of_their_own(tmp_path: Path) -> None:
    staging.stage(tmp_path, a_job(), problem("add"), (RIGHT + "print('noise')").encode())
    read, write = os.pipe()
    line = staging.command(tmp_path, events_fd=write)
    done = subprocess.run(line, pass_fds=[write], capture_output=True, timeout=COLD_S, check=False)
    os.close(write)
    with os.fdopen(read) as file:
        kinds = {json.loads(text)["kind"] for text in file}
    assert kinds == {"stage", "case"}
    assert done.stdout == b""


NEVER_STARTED = """
import os, signal, sys
from pathlib import Path
from kernelbot.judge import guard, process, staging
from kernelbot.judge.referee import Events, Referee
from kernelbot.judge.warm import Nursery
from tests.judge import bench

def stopped(self, order, channel, output, adopt):
    return start(self, order, channel, output, lambda pid: (adopt(pid), os.kill(pid, signal.SIGSTOP)))

process.START_S = 0.5
start, Nursery.start = Nursery.start, stopped
directory, job = Path(sys.argv[1]), bench.a_job()
staging.stage(directory, job, bench.problem("add"), b"")
guard.harden_referee()
print(Referee(directory, job, Events(None), Nursery.started(), "").judge().fault)
"""


def test_a_runtime_that_does_not_come_up_in_time_is_told_by_the_limit_that_it_had(
    tmp_path: Path,
) -> None:
    said = subprocess.run(
        [sys.executable, "-c", NEVER_STARTED, str(tmp_path)],
        capture_output=True, text=True, timeout=COLD_S, check=False,
    )  # fmt: skip
    assert "starting the runtime in the build stage took longer than 0.5 s" in said.stdout, said
