"""Submissions through an agent on a machine's own devices: database, API, worker and agent from the source tree.

    python -m tests.runners.gpu_agents --gpu H200 --several H200x2     on a machine with two H200s
    python -m tests.runners.gpu_agents --gpu CPU --several CPUx2       anywhere: all of it but CUDA

The agent is a process of its own with nothing but an address and a token, as on somebody else's machine. Ten files
are sent to it, the one for several GPUs among the others; it must wait until all of them are free. One more is judged by the
server's own worker, on a kind of its own (`HOST`, the processor), which the agent may not take. Ends with 0 when every
verdict is the one that the file must get and each of the two judged what it was to judge.

What is published is an edition of this script's own, in a folder that is gone afterwards: the problems that it sends,
`all-to-all` for as many ranks as the kind of several GPUs has, one competition, and a targets file in which that kind
is an entry (``H200x2`` is made of ``H200`` where runners/targets.yaml has none).

On a machine with PyTorch and nothing else of what a server needs, carry the rest along: the packages of
requirements-server.lock without torch, installed into a folder (``pip install --target FOLDER``), and start this with
``PYTHONPATH=FOLDER:TREE``. Everything that is started here gets both, with absolute names. Where the wheel of the embedded
Postgres cannot be had, ``KERNELBOT_PG_BIN`` names a folder with ``initdb`` and ``postgres``.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
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

import yaml

from kernelbot.app import ADMIN_TOKEN_FILE
from kernelbot.cli import up
from kernelbot.cli.demo import await_banner, environment, joined
from kernelbot.cli.failure import CommandFailed
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
HOST = "HOST"
WORKERS = ("vectorsum", "starter/with_torch.py", "passed", HOST)
PATIENCE_S = 900.0
AGENT_KNOWS = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_HOME", "CUDA_VISIBLE_DEVICES")
"""Of our environment: what its devices and compilers need."""
COMPETITION = """\
name: edition
title: What this machine judges
host: KernelBot
rules: Files that must get the verdict that is known.
licence: Nothing submitted here is kept.
visibility: public
opens: 2026-01-01T00:00:00Z
ranked_per_hour: 100
other_per_hour: 100
gpus: [{gpu}, {host}]
problems:
"""


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
    # Whoever sets a limit to this gets to know how far it came: everything is ended, and logs are shown.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))
    entries = [Sent(*each, options.gpu) for each in SINGLE]
    if options.several:
        entries.insert(4, Sent(*SEVERAL, options.several))
    entries.append(Sent(*WORKERS))
    kinds = [kind for kind in (options.gpu, options.several) if kind]
    with tempfile.TemporaryDirectory(prefix="kernelbot-agents-") as folder:
        place = Path(folder)
        place.chmod(0o755)  # what submissions become may come by, to the agent's own folder
        given = edition(place / "edition", entries, options.gpu, options.several)
        with server(place, given) as url:
            token = (place / ADMIN_TOKEN_FILE).read_text().strip()
            with Server(Profile(url, token)) as admin, agent(place, url, admin, kinds):
                return report(entries, followed(entries, admin, url), admin)


def edition(folder: Path, entries: list[Sent], gpu: str, several: str) -> dict[str, str]:
    """Problems, a competition and targets of our own; the settings that name them."""
    problems = folder / "problems"
    names = list(dict.fromkeys(entry.leaderboard for entry in entries))
    for name in (*names, "shared"):
        shutil.copytree(ROOT / "problems" / name, problems / name)
    targets = yaml.safe_load((ROOT / "runners" / "targets.yaml").read_text())
    kept = {gpu: targets[gpu], HOST: {**targets["CPU"], "about": "The server's own processor."}}
    if several:
        kept[several] = targets.get(several) or _several(targets, several)
        path = problems / SEVERAL[0] / "problem.yaml"
        ranks = f"world_size: {kept[several]['gpus']}"
        changed, count = re.subn(r"(?m)^world_size: .+$", ranks, path.read_text())
        if count != 1:
            raise SystemExit(f"{path} does not say once how many ranks it has")
        path.write_text(changed)
    for entry in kept.values():
        for way in ("launchers", "modal", "slurm"):
            entry.pop(way, None)
    (folder / "targets.yaml").write_text(yaml.safe_dump(kept, sort_keys=False))
    served = {name: [entry.gpu for entry in entries if entry.leaderboard == name] for name in names}
    lines = [
        f"  - {{problem: {name}, gpus: [{', '.join(dict.fromkeys(gpus))}]}}\n"
        for name, gpus in served.items()
    ]
    (problems / "competitions").mkdir()
    competition = COMPETITION.format(gpu=gpu, host=HOST) + "".join(lines)
    (problems / "competitions" / "edition.yaml").write_text(competition)
    return {
        "KERNELBOT_PROBLEMS_DIR": str(problems),
        "KERNELBOT_TARGETS_FILE": str(folder / "targets.yaml"),
        "KERNELBOT_TARGETS": HOST,
    }


def _several(targets: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
    """A kind of several GPUs out of the entry for one of them, by its name."""
    one, _, count = name.rpartition("x")
    if one not in targets or not count.isdigit():
        raise SystemExit(f"{name} is no kind of runners/targets.yaml, nor one of these and xN")
    return {**targets[one], "gpus": int(count), "about": f"{count} of {one} of one machine"}


def _path() -> str:
    """Where Python finds this tree, and what was carried along, from any folder."""
    carried = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    return os.pathsep.join(dict.fromkeys(str(Path(entry).resolve()) for entry in (ROOT, *carried)))


@contextlib.contextmanager
def server(place: Path, given: dict[str, str]) -> Iterator[str]:
    """Database, API and a worker, which judges nothing that an agent may."""
    port = up.free_port("127.0.0.1")
    command = [sys.executable, "-m", "kernelbot", "up", "--no-bot", "--unchecked",
               "--host", "127.0.0.1", "--port", str(port), "--data-dir", str(place)]  # fmt: skip
    with (
        (place / "up.log").open("wb") as log,
        ended(
            subprocess.Popen(
                command, stdout=log, stderr=log, cwd=ROOT,
                env=environment() | given | {"PYTHONPATH": _path()},
            )
        ) as process,
    ):  # fmt: skip
        try:
            await_banner(process, place / "up.log")
        except CommandFailed:
            for said in (place / "up.log", *sorted(place.glob("logs/*.log"))):
                print(f"{said.name}:\n{said.read_text(errors='replace')[-4000:]}")
            raise
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def agent(place: Path, url: str, admin: Server, kinds: list[str]) -> Iterator[None]:
    """What the printed command starts, from this tree."""
    wish = {"name": "box", "targets": kinds, "trusted": True}
    (place / "token").write_text(admin.post("/v1/admin/runners", wish)["secret"])
    command = [sys.executable, "-m", "runners.agent", "--url", url, "--cpu-slots", "2",
               "--token-file", str(place / "token"), "--state", str(place / "agent")]  # fmt: skip
    given = {name: os.environ[name] for name in AGENT_KNOWS if name in os.environ}
    given["PYTHONPATH"] = _path()
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
            raise SystemExit("not everybody who judges has joined")
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
                    print(
                        f"{entry.ended - began:6.1f} s  {entry.leaderboard} {entry.file}",
                        flush=True,
                    )
            time.sleep(0.1)
    return time.monotonic() - began


def said(run: dict[str, Any]) -> str:
    """Why a verdict is what it is; its evidence too, which only administrators are shown."""
    return " ".join(str(run[name]) for name in ("headline", "rule", "evidence") if run.get(name))


def report(entries: list[Sent], took_s: float, admin: Server) -> int:
    bad = 0
    for entry in entries:
        right = entry.run["verdict"] == entry.expected
        bad += not right
        spent = entry.run["spent"] or {}
        print(
            f"{'  ' if right else '✗ '}{entry.leaderboard:12} {entry.file:30} {entry.gpu:8} {entry.run['verdict']}, "
            f"told after {entry.ended - entry.began:.1f} s, judged in {spent.get('wall_s', 0):.1f} s"
            f"{'' if right else ': ' + said(entry.run)}"
        )
    (box,) = admin.get("/v1/admin/runners")["items"]
    judged = box["judged"]
    for_agents = sum(entry.gpu != HOST for entry in entries)
    print(f"{len(entries)} submissions in {took_s:.1f} s; {box['name']} ({box['state']}) judged {judged} of {for_agents}: "
          + ", ".join(f"{device['name']}" for device in box["devices"]))  # fmt: skip
    return 1 if bad or judged != for_agents else 0


if __name__ == "__main__":
    sys.exit(main())
