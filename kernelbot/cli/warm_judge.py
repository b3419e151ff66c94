"""The judge that counts, for many submissions in a row: torch is imported once for all of them."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType

from kernelbot.domain.peaks import Peaks
from kernelbot.domain.problem import DeviceKind, Problem
from kernelbot.judge import staging
from kernelbot.judge.protocol import Mode, Verdict

STARTING_S = 180.0
"""Importing torch on a cold, busy machine."""
GRACE_S = 5.0
MAX_MESSAGE = 64 << 10


class WarmJudge:
    """``with WarmJudge("cpu") as judge: judge(problem, "examples/right.py", Mode.RANKED)``."""

    def __init__(self, device: DeviceKind) -> None:
        self._device: DeviceKind = device

    def __enter__(self) -> WarmJudge:
        self._end, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        tree = str(Path(staging.__file__).resolve().parents[2])
        path = os.pathsep.join([tree, *filter(None, [os.environ.get("PYTHONPATH")])])
        with theirs:
            self._process = subprocess.Popen(
                [
                    sys.executable, "-m", "kernelbot.judge", "serve", str(theirs.fileno()),
                    "--device", self._device,
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                # Nothing that lies in a job's directory is imported by the referee.
                env={**os.environ, "PYTHONPATH": path, "PYTHONSAFEPATH": "1"},
                cwd="/",
                start_new_session=True,
            )  # fmt: skip
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end.close()  # it ends after what it judges
        try:
            self._process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.terminate()
            self._process.wait()

    def __call__(
        self, problem: Problem, path: str, mode: Mode, peaks: Peaks | None = None
    ) -> Verdict:
        """The verdict on one of the problem's own files, on a device that can do so much."""
        name = Path(path).name
        job = problem.job(
            run_id="local", mode=mode, device=self._device, submission_name=name, peaks=peaks
        )
        limits = job.limits
        patience_s = STARTING_S + 2 * (limits.build_s + limits.check_s + limits.measure_s)
        with tempfile.TemporaryDirectory(prefix="kernelbot-judge-") as place:
            directory = Path(place)
            staging.stage(directory, job, problem.judge_files, problem.files[path])
            self.judge(directory, patience_s)
            return staging.read_verdict(directory, job.run_id)

    def judge(self, directory: Path, patience_s: float) -> None:
        """Have a referee forked for a staged directory and wait for its end, or so long."""
        message = {"directory": str(directory), "isolation": "", "cache": ""}
        null = os.open(os.devnull, os.O_RDWR)
        try:
            socket.send_fds(self._end, [json.dumps(message).encode()], [null, null])
            pid = self._heard("pid", patience_s)
            if pid is None:
                return
            try:
                self._heard("ended", patience_s)
            except BaseException:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
                raise
        except OSError:
            return  # it has ended; that there is no verdict says so
        finally:
            os.close(null)

    def _heard(self, word: str, patience_s: float) -> int | None:
        """The number that the template sends with a word; None when it stays silent or is gone."""
        while select.select([self._end], [], [], patience_s)[0]:
            packet, descriptors, _, _ = socket.recv_fds(self._end, MAX_MESSAGE, 1)
            for descriptor in descriptors:
                os.close(descriptor)
            if not packet:
                return None
            message = json.loads(packet)
            if word in message:
                return int(message[word])
        return None
