"""The contestant's folders, and what a failed build says.

A submission in Python is built by importing it: inline extensions compile then, Triton kernels at
the first call. The caches live in the work folder, so the process that is measured finds what the
process that was checked has compiled.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

from kernelbot.judge.protocol import PROBLEM_DIR, SUBMISSION_DIR, Job

PREFIX = "kernelbot-judge-"
RUNTIME = Path(__file__).with_name("contestant.py")
COMPILER_ERROR = re.compile(r"\S+[:(]\d+\)?:?.*\berror\b")
LONGEST_LINE = 400
"""Longer lines are no compiler's, and would be a way to keep a regular expression busy."""


class Workshop:
    """A folder of our own with the runtime (ours, read-only) and ``work`` (the contestant's)."""

    def __init__(self, directory: Path, job: Job) -> None:
        _remove_abandoned()
        self.base = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
        self.base.chmod(0o755)
        self.work = self.base / "work"
        self.runtime = self.base / "runtime" / "contestant.py"
        self.runtime.parent.mkdir()
        shutil.copyfile(RUNTIME, self.runtime)
        self.runtime.chmod(0o444)
        for name in ("home", "tmp", "cache"):
            (self.work / name).mkdir(parents=True)
        for name in job.contestant_files:
            self._copy(directory / PROBLEM_DIR / name, name)
        self._copy(directory / SUBMISSION_DIR / job.submission, job.submission)

    def belongs_to(self, uid: int) -> None:
        """Hand the work folder to the uid that the contestant will run as; -1 keeps ours."""
        self.work.chmod(0o700)
        if uid < 0:
            return
        os.chown(self.work, uid, uid)
        for folder, folders, files in os.walk(self.work):
            for name in (*folders, *files):
                os.chown(os.path.join(folder, name), uid, uid)

    def remove(self) -> None:
        shutil.rmtree(self.base, ignore_errors=True)

    def _copy(self, source: Path, name: str) -> None:
        target = self.work / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def _remove_abandoned() -> None:
    """Folders of judges that were killed before they could clean up."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        owner = path.name.removeprefix(PREFIX).split("-")[0]
        if owner.isdigit() and not os.path.exists(f"/proc/{owner}"):
            shutil.rmtree(path, ignore_errors=True)


def summary(name: str, traceback: str) -> str:
    """One line about an exception: the compiler's first error if there is one, else its last line."""
    for line in traceback.splitlines():
        if len(line) <= LONGEST_LINE and COMPILER_ERROR.match(line):
            return shorten(line)
    lines = [line for line in traceback.splitlines() if line.strip()]
    last = next(
        (line for line in reversed(lines) if line.startswith(name)), lines[-1] if lines else name
    )
    return shorten(last + _place(lines))


def _place(lines: list[str]) -> str:
    """The submission's line that the traceback points at last."""
    found = [match for line in lines if (match := re.match(r'\s+File "([^"]+)", line (\d+)', line))]
    return f" ({found[-1][1]}, line {found[-1][2]})" if found else ""


def shorten(text: str, limit: int = 500) -> str:
    text = text.strip()
    return text if len(text) <= limit else text[: limit - 4] + " ..."
