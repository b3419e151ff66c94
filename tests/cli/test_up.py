"""``kernelbot up`` as people meet it: real processes, killed and started again on the same data."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from kernelbot.cli import up
from kernelbot.errors import InvalidInput
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
CORRECT = ROOT / "problems" / "vectoradd" / "starter" / "with_torch.py"


def until(true: Callable[[], object], what: str, within_s: float = 300.0) -> None:
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, f"not within {within_s:.0f} s: {what}"
        time.sleep(0.05)


class Installation:
    """A data folder and a port, with ``kernelbot up`` running on them now and then."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._output = folder / "output"
        self.process: subprocess.Popen[bytes] | None = None

    def launch(self, *options: str, environment: Mapping[str, str] | None = None) -> None:
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "kernelbot", "up", "--port", str(self.port)),
                    *("--data-dir", str(self.data), *options),
                ],
                cwd=ROOT,
                env={**os.environ, "KERNELBOT_LEASE_S": "3", **(environment or {})},
                stdout=output,
                stderr=output,
            )

    def start(self, *options: str, environment: Mapping[str, str] | None = None) -> None:
        self.launch(*options, environment=environment)
        until(lambda: "is running at" in self.output or self.ended, "the platform comes up")
        assert not self.ended, self.output

    @property
    def ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    @property
    def output(self) -> str:
        return self._output.read_text()

    @property
    def token(self) -> str:
        return (self.data / "admin-token").read_text().strip()

    def ends_with(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(120)

    def descendants(self) -> list[psutil.Process]:
        assert self.process is not None
        return psutil.Process(self.process.pid).children(recursive=True)

    def child(self, module: str) -> psutil.Process | None:
        for process in self.descendants():
            with contextlib.suppress(psutil.Error):
                if process.cmdline()[1:3] == ["-m", module]:
                    return process
        return None

    def ready(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/v1/ready", timeout=5).status_code == 200
        except httpx2.TransportError:
            return False

    def submit(self) -> int:
        answer = httpx2.post(
            f"{self.url}/v1/submissions",
            files={"file": (CORRECT.name, CORRECT.read_bytes())},
            data={"leaderboard": "vectoradd", "gpus": "CPU", "mode": "test"},
            headers={"authorization": f"Bearer {self.token}"},
            timeout=30,
        )
        assert answer.status_code == 202, answer.text
        return int(answer.json()["id"])

    def submission(self, number: int) -> dict[str, Any]:
        answer = httpx2.get(
            f"{self.url}/v1/submissions/{number}",
            headers={"authorization": f"Bearer {self.token}"},
            timeout=30,
        )
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def clean_up(self) -> None:
        if self.process is not None and not self.ended:
            left = self.descendants()
            self.process.kill()
            self.process.wait()
            psutil.wait_procs(left, timeout=30)


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path)
    yield made
    made.clean_up()


def test_it_tells_where_it_is_starts_again_whatever_dies_and_loses_nothing_to_kill_9(
    installation: Installation, shelf: Path
) -> None:
    environment = {"KERNELBOT_PROBLEMS_DIR": str(shelf)}
    installation.start(environment=environment)

    assert f"{installation.url}/docs" in installation.output
    starter = os.path.relpath(shelf / "vectoradd" / "starter" / "with_torch.py", ROOT)
    assert f"submit {starter} --leaderboard vectoradd" in installation.output
    assert installation.output.count(installation.token) == 1, "the new token is told once"
    assert stat.S_IMODE((installation.data / "admin-token").stat().st_mode) == 0o600
    assert installation.ready()

    for module in ("kernelbot.api", "kernelbot.worker"):
        victim = installation.child(module)
        assert victim is not None
        victim.kill()

        def replaced(module: str = module, pid: int = victim.pid) -> bool:
            now = installation.child(module)
            return now is not None and now.pid != pid

        until(replaced, f"a new {module}")
        assert f"{module.split('.')[1]} ended (killed by SIGKILL)" in installation.output
    until(installation.ready, "the API answers again")

    postgres = int((installation.data / "postgres/cluster/postmaster.pid").read_text().split()[0])
    os.kill(postgres, signal.SIGKILL)
    until(lambda: "Postgres ended (killed by SIGKILL)" in installation.output, "it is noticed")
    until(installation.ready, "the API answers over the new Postgres")

    number = installation.submit()
    until(lambda: installation.submission(number)["done"], "the submission is judged")

    number = installation.submit()
    assert installation.ends_with(signal.SIGKILL) == -signal.SIGKILL
    installation.start(environment=environment)  # at once, on the same port and folder

    assert installation.token not in installation.output, "and never again"
    until(lambda: installation.submission(number)["done"], "the submission is judged")
    (run,) = installation.submission(number)["runs"]
    assert run["verdict"] == "passed", run

    processes = installation.descendants()
    assert installation.ends_with(signal.SIGINT) == 0
    _, alive = psutil.wait_procs(processes, timeout=120)
    assert not alive


def test_a_port_in_use_is_refused_with_the_remedy(installation: Installation) -> None:
    with socket.create_server(("127.0.0.1", installation.port)):
        installation.launch("--no-worker")
        until(lambda: installation.ended, "it gives up")

    assert "Traceback" not in installation.output
    assert f"Port {installation.port} on 127.0.0.1 is in use" in installation.output
    assert "--port" in installation.output
    assert installation.process is not None
    assert installation.process.returncode == 1


def test_a_data_folder_that_cannot_be_made_is_refused_with_the_remedy(
    installation: Installation, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    installation.data = tmp_path / "file" / "data"
    installation.launch("--no-worker")
    until(lambda: installation.ended, "it gives up")

    assert "Traceback" not in installation.output
    assert f"The data folder {installation.data} cannot be made: Not a dir" in installation.output
    assert "--data-dir" in installation.output


def test_a_database_given_by_url_is_used_and_no_postgres_is_started(
    installation: Installation, database_url: str
) -> None:
    installation.start("--no-worker", environment={"DATABASE_URL": database_url})

    assert installation.ready()
    assert not (installation.data / "postgres").exists()
    assert installation.child("kernelbot.worker") is None
    assert installation.ends_with(signal.SIGTERM) == 0


def test_what_to_submit_first_is_of_the_problems_that_are_there(
    installation: Installation, database_url: str, tmp_path: Path
) -> None:
    problems = tmp_path / "problems"
    shutil.copytree(ROOT / "problems" / "vectoradd", problems / "vectoradd")
    (problems / "competitions").mkdir()
    (problems / "competitions" / "mine.yaml").write_text(
        "name: mine\ntitle: Mine\nlicence: MIT\ngpus: [CPU]\n"
        "problems: [{problem: vectoradd, leaderboard: mine}]\n"
    )
    environment = {"DATABASE_URL": database_url, "KERNELBOT_PROBLEMS_DIR": str(problems)}

    installation.start("--no-worker", "--unchecked", environment=environment)

    assert "submit FILE --leaderboard mine --mode ranked" in installation.output


def test_a_broken_problem_file_is_told_with_its_place(
    installation: Installation, tmp_path: Path
) -> None:
    problem = tmp_path / "problems" / "mine"
    problem.mkdir(parents=True)
    (problem / "problem.yaml").write_text("name: mine\ntittle: Mine\n")

    installation.launch(environment={"KERNELBOT_PROBLEMS_DIR": str(tmp_path / "problems")})
    until(lambda: installation.ended, "it gives up")

    assert "Traceback" not in installation.output
    assert "problem.yaml" in installation.output
    assert "tittle" in installation.output


def test_an_api_that_dies_at_its_start_is_told_with_its_last_words(
    installation: Installation, database_url: str, tmp_path: Path
) -> None:
    dies = "print('the shelf is empty', file=sys.stderr, flush=True); os._exit(7)"
    environment = {"DATABASE_URL": database_url, **api_that(dies, tmp_path)}

    installation.launch("--no-worker", environment=environment)
    until(lambda: installation.ended, "it gives up")

    assert "Traceback" not in installation.output
    assert "The API did not start (exit code 7): the shelf is empty" in installation.output
    assert str(installation.data) in installation.output, "where its log is"
    assert installation.process is not None
    assert installation.process.returncode == 1


def test_an_api_that_never_answers_is_given_up_and_ended(
    installation: Installation, database_url: str, tmp_path: Path
) -> None:
    waits = "open(os.environ['PID_FILE'], 'w').write(str(os.getpid())); signal.pause()"
    pid_file = tmp_path / "pid"
    impatient = "from kernelbot.cli import up; up.READY_PATIENCE_S = 4.0"
    environment = {
        "DATABASE_URL": database_url,
        "PID_FILE": str(pid_file),
        **api_that(waits, tmp_path, otherwise=impatient),
    }

    installation.launch("--no-worker", environment=environment)
    until(lambda: installation.ended, "it gives up")

    assert "Traceback" not in installation.output
    assert "The API has not answered within 4 s" in installation.output
    assert installation.process is not None
    assert installation.process.returncode == 1
    assert not psutil.pid_exists(int(pid_file.read_text()))


def api_that(does: str, folder: Path, otherwise: str = "pass") -> dict[str, str]:
    """The environment in which python, started as the API, does this before anything else."""
    (folder / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "if 'kernelbot.api' in sys.orig_argv:\n"
        f"    {does}\n"
        "elif 'up' in sys.orig_argv:\n"
        f"    {otherwise}\n"
    )
    return {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}


def test_a_setting_that_cannot_be_is_refused_by_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KERNELBOT_PORT", "eight")
    with pytest.raises(InvalidInput, match=r"KERNELBOT_PORT='eight' cannot be used: .*integer"):
        up.read_settings({})


def test_an_option_wins_over_the_environment_and_paths_become_absolute(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KERNELBOT_PORT", "8001")
    monkeypatch.chdir(tmp_path)

    settings = up.read_settings({"port": 8002, "data_dir": Path("here")})

    assert (settings.port, settings.data_dir) == (8002, tmp_path / "here")


def test_only_a_noted_process_that_is_still_the_same_is_a_leftover(tmp_path: Path) -> None:
    file = tmp_path / "processes"
    mine = os.getpid()
    assert up.leftovers(file) == []

    file.write_text(json.dumps({str(mine): up.started_at(mine)}))
    assert up.leftovers(file) == [mine]

    file.write_text(json.dumps({str(mine): "1"}))  # the number has come to somebody else
    assert up.leftovers(file) == []

    file.write_text("{")
    assert up.leftovers(file) == []
