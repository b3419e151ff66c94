"""Submissions through an agent on a machine's own devices: database, API and agent from the source tree.

    python -m tests.runners.gpu_agents --gpu H200 --several H200x4     on a machine with four H200s
    python -m tests.runners.gpu_agents --gpu CPU                       anywhere

The agent is a process of its own with nothing but an address and a token, as on somebody else's machine. Ten files
are sent, the one for several GPUs among the others; it must wait until all of them are free. Ends with 0 when every
verdict is the one that the file must get and the agent judged all of them.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kernelbot.app import ADMIN_TOKEN_FILE
from kernelbot.cli import up
from kernelbot.cli.demo import await_banner, environment, joined
from kernelbot.cli.profile import Profile
from kernelbot.cli.server import Server
from kernelbot.config import ROOT

SINGLE = (
    ("vectoradd", "starter/with_torch.py", "passed"),
    ("vectoradd", "starter/with_triton.py", "passed"),
    ("vectoradd", "examples/wrong_subtracts.py", "wrong_answer"),
    ("matmul", "starter/with_torch.py", "passed"),
    ("vectorsum", "starter/with_torch.py", "passed"),
    ("softmax", "starter/with_torch.py", "passed"),
    ("vectoradd", "examples/broken_import.py", "build_failed"),
    ("grayscale", "starter/with_torch.py", "passed"),
    ("vectoradd", "examples/correct_slow.py", "passed"),
)
SEVERAL = ("all-to-all", "starter/with_torch.py", "passed")
PATIENCE_S = 300.0


@dataclass
class Sent:
    """A file on its way."""

    leaderboard: str
    file: str
    expected: str
    gpu: str
    began: float = 0.0
    ended: float = 0.0
    submission: dict[str, Any] = field(default_factory=dict)

    @property
    def run(self) -> dict[str, Any]:
        found: dict[str, Any] = self.submission["runs"][0]
        return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gpu", default="CPU")
    parser.add_argument(
        "--several", default="", help="a kind with several GPUs; none: leave it out"
    )
    options = parser.parse_args()
    entries = [Sent(*each, options.gpu) for each in SINGLE]
    if options.several:
        entries.insert(4, Sent(*SEVERAL, options.several))
    kinds = [kind for kind in (options.gpu, options.several) if kind]
    with tempfile.TemporaryDirectory(prefix="kernelbot-agents-") as folder:
        place = Path(folder)
        with server(place) as url:
            token = (place / ADMIN_TOKEN_FILE).read_text().strip()
            with Server(Profile(url, token)) as admin, agent(place, url, admin, kinds):
                return report(entries, followed(entries, admin, url), admin)


@contextlib.contextmanager
def server(place: Path) -> Iterator[str]:
    """Database and API, and nobody on their machine who judges."""
    port = up.free_port("127.0.0.1")
    command = [sys.executable, "-m", "kernelbot", "up", "--no-bot", "--no-worker", "--unchecked",
               "--host", "127.0.0.1", "--port", str(port), "--data-dir", str(place)]  # fmt: skip
    with (
        (place / "up.log").open("wb") as log,
        ended(
            subprocess.Popen(command, stdout=log, stderr=log, env=environment(), cwd=ROOT)
        ) as process,
    ):
        await_banner(process, place / "up.log")
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def agent(place: Path, url: str, admin: Server, kinds: list[str]) -> Iterator[None]:
    """What the printed command starts, from this tree."""
    wish = {"name": "box", "targets": kinds, "trusted": True}
    (place / "token").write_text(admin.post("/v1/admin/runners", wish)["secret"])
    command = [sys.executable, "-m", "runners.agent", "--url", url, "--cpu-slots", "2",
               "--token-file", str(place / "token"), "--state", str(place / "agent")]  # fmt: skip
    given = {"PYTHONPATH": os.environ.get("PYTHONPATH", str(ROOT)), "PATH": os.environ["PATH"]}
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        given["CUDA_VISIBLE_DEVICES"] = os.environ["CUDA_VISIBLE_DEVICES"]
    log_file = place / "agent.log"
    with (
        log_file.open("wb") as log,
        ended(subprocess.Popen(command, stdout=log, stderr=log, env=given, cwd="/")),
    ):
        try:
            yield
        except BaseException:
            print(log_file.read_text(errors="replace")[-4000:])
            raise


@contextlib.contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def followed(entries: list[Sent], admin: Server, url: str) -> float:
    """Send everything as soon as the machine has joined; the seconds until all is judged."""
    deadline = time.monotonic() + PATIENCE_S
    wanted = {entry.gpu for entry in entries}
    began = time.monotonic()
    while not wanted <= {item["gpu"] for item in admin.get("/v1/queues")["items"] if item["slots"]}:
        if time.monotonic() > deadline:
            raise SystemExit("no agent has joined")
        time.sleep(0.1)
    print(f"joined after {time.monotonic() - began:.1f} s", flush=True)
    began = time.monotonic()
    with contextlib.ExitStack() as people:
        for number, entry in enumerate(entries):
            person = people.enter_context(joined(admin, url, f"person{number}"))
            path = ROOT / "problems" / entry.leaderboard / entry.file
            fields = {"leaderboard": entry.leaderboard, "gpus": [entry.gpu], "mode": "ranked"}
            entry.began = time.monotonic()
            entry.submission = person.submit(path, path.read_bytes(), fields, key=str(uuid.uuid4()))
        while waiting := [entry for entry in entries if not entry.ended]:
            if time.monotonic() > deadline:
                raise SystemExit(f"not judged: {[entry.file for entry in waiting]}")
            for entry in waiting:
                entry.submission = admin.get(f"/v1/submissions/{entry.submission['id']}")
                if entry.submission["done"]:
                    entry.ended = time.monotonic()
            time.sleep(0.1)
    return time.monotonic() - began


def report(entries: list[Sent], took_s: float, admin: Server) -> int:
    bad = 0
    for entry in entries:
        right = entry.run["verdict"] == entry.expected
        bad += not right
        spent = entry.run["spent"] or {}
        print(
            f"{'  ' if right else '✗ '}{entry.leaderboard:12} {entry.file:30} {entry.gpu:8} {entry.run['verdict']}, "
            f"told after {entry.ended - entry.began:.1f} s, judged in {spent.get('wall_s', 0):.1f} s"
            f"{'' if right else ': ' + str(entry.run['headline'])}"
        )
    (box,) = admin.get("/v1/admin/runners")["items"]
    judged = box["judged"]
    print(f"{len(entries)} submissions in {took_s:.1f} s; {box['name']} ({box['state']}) judged {judged}: "
          + ", ".join(f"{device['name']}" for device in box["devices"]))  # fmt: skip
    return 1 if bad or judged < len(entries) else 0


if __name__ == "__main__":
    sys.exit(main())
