"""The template: what its forks share is harmless, and what they leave is nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kernelbot.judge import sandbox, staging, warm
from kernelbot.judge import template as template_client
from kernelbot.judge.protocol import Job, Mode, Verdict, VerdictKind
from tests.judge.bench import LIMITS, a_job, problem
from tests.judge.test_run import ENDLESS, RIGHT, contestants, wait_until


class Template(template_client.Template):
    """A judge that serves, what it judges, and where it may leave files."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        secret = {"DATABASE_URL": "postgresql://a-secret", "TMPDIR": str(scratch)}
        super().__init__("cpu", {**os.environ, **secret})
        self.folder = folder
        self.scratch = scratch
        self.jobs = 0

    def send(self, source: str, job: Job) -> tuple[Path, int, int]:
        """Stage and send a job; its directory, its referee and where its events are read."""
        self.jobs += 1
        directory = self.folder / f"job-{self.jobs}"
        directory.mkdir()
        staging.stage(directory, job, problem("add"), source.encode())
        events, told = os.pipe()
        referee = self.fork(directory, told, 2)
        os.close(told)
        return directory, referee, events

    def judge(self, source: str, job: Job | None = None) -> Verdict:
        directory, referee, events = self.send(source, job or a_job())
        assert self.ended(referee, 120) == 0
        os.close(events)
        return staging.read_verdict(directory)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Template]:
    with serving(tmp_path_factory.mktemp("warm")) as found:
        yield found


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Template]:
    with tempfile.TemporaryDirectory() as scratch:
        os.chmod(scratch, 0o777)  # the contestant may be another user
        with Template(folder, Path(scratch)) as found:
            yield found


def under_way(template: Template) -> tuple[Path, int]:
    """A run whose first call has begun and will not end by itself."""
    job = a_job(limits=replace(LIMITS, check_s=60))
    directory, referee, events = template.send(ENDLESS, job)
    with os.fdopen(events) as lines:
        assert any('"check"' in line for line in lines)
    assert wait_until(lambda: bool(contestants(template.scratch)))
    return directory, referee


def test_one_template_gives_the_verdicts_of_a_fresh_judge(template: Template) -> None:
    assert template.judge(RIGHT, a_job(Mode.RANKED)).passed
    wrong = template.judge("def custom_kernel(data):\n    return data[0]\n")
    assert wrong.kind is VerdictKind.WRONG_ANSWER
    assert (
        "No memory was left for what it asked for"
        in template.judge("kept = bytearray(12 << 30)\n" + RIGHT).message
    )
    assert template.judge("import os; os._exit(3)").message.startswith("The program exited with")
    assert template.judge(RIGHT).passed


PRINTING = """
import os, sys, __main__
read = lambda name: open(f"/proc/self/{name}", "rb").read().replace(bytes(1), b" ").decode()
print("environment", sorted(os.environ.values()), read("environ"))
print("modules", [name for name in sys.modules if "kernelbot" in name], vars(__main__).get("__file__"))
print("paths", sys.path[1:])
print("line", read("cmdline"), sys.argv, sys.orig_argv)
print("descriptors", [os.readlink(f"/proc/self/fd/{n}") for n in range(64) if os.path.lexists(f"/proc/self/fd/{n}")])
frame = sys._getframe()
while frame.f_back:
    frame = frame.f_back
print("outermost", sorted(frame.f_locals))
"""


def test_a_contestant_holds_nothing_of_the_processes_it_was_forked_from(
    template: Template,
) -> None:
    log = template.judge(PRINTING + RIGHT).log
    said = dict(line.split(" ", 1) for line in log.splitlines())
    assert "a-secret" not in log
    assert said["modules"] == "[] None"
    fresh = [sys.executable, "-I", "-c", "import sys; print(sys.path)"]
    assert said["paths"] == subprocess.check_output(fresh, text=True).strip()
    assert "run-1" not in said["line"]
    assert str(template.folder) not in log
    files = said["descriptors"].strip("[]").split(", ")
    assert [name.strip("'").split(":")[0] for name in files] == [
        "/dev/null", "pipe", "pipe", "socket"
    ]  # fmt: skip


def test_memory_of_a_contestant_holds_no_secret_of_the_launchers_environment(
    template: Template,
) -> None:
    searching = """
import re
secret = re.compile(rb"[p]ostgresql://a[-]secret")  # which does not hold the word itself
readable = [line.split()[0] for line in open("/proc/self/maps") if line.split()[1].startswith("rw")]
found = read = 0
with open("/proc/self/mem", "rb", 0) as memory:
    for start, end in (map(lambda word: int(word, 16), entry.split("-")) for entry in readable):
        try:
            memory.seek(start)
            content = memory.read(end - start)
        except (OSError, OverflowError):
            continue
        read += len(content)
        found += len(secret.findall(content))
print("found", found, "in much" if read > 50_000_000 else "in little")
"""
    assert "found 0 in much" in template.judge(searching + RIGHT).log


def test_contestants_do_not_share_their_random_numbers(template: Template) -> None:
    drawing = """
import random, secrets, uuid
import numpy
print("drawn", random.random(), numpy.random.random(), secrets.token_hex(4), uuid.uuid4())
"""
    first, second = (template.judge(drawing + RIGHT).log.split() for _ in range(2))
    assert not set(first[1:]) & set(second[1:])


def test_nothing_of_a_run_reaches_the_next(template: Template) -> None:
    marking = """
import json, os, sys
print("marked", hasattr(json, "mark"), os.environ.get("MARK"))
json.mark = True
os.environ["MARK"] = "yes"
"""
    for _ in range(2):
        assert "marked False None" in template.judge(marking + RIGHT).log


def test_a_killed_referee_takes_its_contestant_and_nothing_else(template: Template) -> None:
    directory, referee = under_way(template)
    os.kill(referee, signal.SIGKILL)
    assert template.ended(referee, 120) == -signal.SIGKILL
    assert wait_until(lambda: not contestants(template.scratch))
    assert staging.read_verdict(directory).kind is VerdictKind.JUDGE_FAILED
    assert template.judge(RIGHT).passed
    assert not list(template.scratch.iterdir())  # the next run removed what the killed one left


def test_a_cancelled_run_cleans_up_before_it_leaves(template: Template) -> None:
    directory, referee = under_way(template)
    os.kill(referee, signal.SIGTERM)
    assert template.ended(referee, 120) == 128 + signal.SIGTERM
    assert not contestants(template.scratch)
    assert not list(template.scratch.iterdir())
    assert not (directory / "verdict.json").exists()


def test_a_killed_template_takes_its_runs_with_it(tmp_path: Path) -> None:
    with serving(tmp_path) as template:
        under_way(template)
        template.process.kill()
        assert wait_until(lambda: not contestants(template.scratch))
        assert wait_until(lambda: not list(template.scratch.iterdir()))


def test_a_template_that_nobody_speaks_to_ends_after_its_runs(tmp_path: Path) -> None:
    with serving(tmp_path) as template:
        directory, _, events = template.send(RIGHT, a_job())
        template.end.shutdown(socket.SHUT_WR)
        assert template.process.wait(timeout=120) == 0
        os.close(events)
        assert staging.read_verdict(directory).passed


def test_a_template_takes_no_secret_into_its_memory() -> None:
    told = {"PATH": "/bin", "DATABASE_URL": "secret", "MODAL_TOKEN_SECRET": "secret"}
    assert "secret" not in warm.clean(told).values()


def test_a_process_behind_bubblewrap_is_joined_first_and_started_afresh_second(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "bwrap"
    program.write_text("")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    joins = [fence.join for fence in sandbox.fences("bubblewrap")]
    assert joins == [True, False]


def test_the_device_is_held_for_the_run_and_not_for_a_file_that_is_no_python(
    template: Template,
) -> None:
    assert template.judge("def custom_kernel(").spent.device_s == 0
    spent = template.judge(RIGHT).spent
    assert 0 < spent.device_s < spent.wall_s
