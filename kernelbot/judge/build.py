"""The contestant's folders, and what a failed build says.

A submission in Python is built by importing it: inline extensions compile then, Triton kernels at
the first call. The caches live in the work folder, so the process that is measured finds what the
process that was checked has compiled.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from kernelbot.judge import folders, native, uids
from kernelbot.judge.protocol import PROBLEM_DIR, SUBMISSION_DIR, Job

PREFIX = "kernelbot-work-"
RUNTIME = Path(__file__).with_name("inside")
LASTING = ("home", "tmp", "cache")
"""Folders of the contestant's that the next process of a run finds as they were left."""
COMPILER_ERROR = re.compile(r"\S+[:(]\d+\)?:?.*\berror\b")
UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
ASKED_FOR = re.compile(
    r"(?:[Tt]ried to allocate|Unable to allocate) (\d{1,20}(?:\.\d{1,9})?) (bytes|[KMGTPE]iB)"
)
"""What torch and numpy say of an allocation that failed."""
BESIDE_A_GROUP = " |"
"""What stands before each line of a group of exceptions, and of those in it."""
LONGEST_LINE = 400
"""Longer lines are no compiler's, and would be a way to keep a regular expression busy."""


class Workshop:
    """A folder of our own with the runtime (ours, read-only) and ``work`` (the contestant's)."""

    def __init__(self, directory: Path, job: Job, name: str = "") -> None:
        """``name``: the same for runs that share a compile cache, which holds paths."""
        uids.end_abandoned()
        folders.remove_abandoned(Path(tempfile.gettempdir()), f"{PREFIX}*")
        self.base, self._hold = _a_folder(name)
        self.base.chmod(0o755)
        self.owner = -1
        self.work = self.base / "work"
        self.runtime = self.base / "runtime" / RUNTIME.name
        self.headers = self.runtime.parent / "native"
        self.runtime.mkdir(parents=True)
        self.headers.mkdir()
        for path in RUNTIME.glob("*.py"):
            shutil.copyfile(path, self.runtime / path.name)
            (self.runtime / path.name).chmod(0o444)
        native.write_header(self.headers, job)
        for name in LASTING:
            (self.work / name).mkdir(parents=True)
        given = {name: directory / PROBLEM_DIR / name for name in job.contestant_files}
        given[job.submission] = directory / SUBMISSION_DIR / job.submission
        self.files = {name: path.read_bytes() for name, path in given.items()}
        self.fill(self.files)

    @property
    def cache(self) -> Path:
        return self.work / "cache"

    def belongs_to(self, uid: int) -> None:
        """Hand the work folder to the uid that the contestant will run as; -1: to us.

        Raises OSError when the folder is no longer there.
        """
        folders.give(self.work, uid)
        self.owner = uid

    def fill(self, files: Mapping[str, bytes]) -> None:
        """Make these files all that is in the work folder, beside the lasting folders: one process leaves nothing
        else for the next to stumble over, and nothing in the place of what was handed in.

        Raises OSError when the folder is no longer there, or closed.
        """
        gone = Path(tempfile.mkdtemp(prefix="gone-", dir=self.base))
        place = os.open(self.work, folders.FOLDER)
        try:
            for name in os.listdir(place):
                if name not in LASTING:
                    self._put_away(place, name, gone)
            for name, content in files.items():
                folders.put(place, name, content)
        finally:
            os.close(place)
            folders.remove(gone)

    def remove(self) -> None:
        folders.remove(self.base)
        os.close(self._hold)

    def _put_away(self, place: int, name: str, gone: Path) -> None:
        """To where all is removed at once: a hundred thousand folders take minutes one by one."""
        try:
            os.rename(name, gone / name, src_dir_fd=place)
        except OSError:  # a folder that is closed to us, its owner
            folders.remove(self.work / name)


# Reads the source from standard input, so that the process needs no file and can be nobody.
# Compiling runs nothing; what else goes wrong here is left to the process that will be judged.
# Imports come first: nobody may not be able to read the interpreter's own library.
COMPILE = """
import os, resource, sys, traceback, warnings
warnings.simplefilter("ignore")
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
if os.getuid() == 0:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
try:
    compile(sys.stdin.buffer.read(), sys.argv[1], "exec", dont_inherit=True)
except SyntaxError as error:
    text = "".join(traceback.format_exception_only(error))
    sys.stdout.write(type(error).__name__ + chr(0) + text)
except BaseException:
    pass
"""
COMPILE_S = 5.0


def syntax_error(source: bytes, name: str) -> tuple[str, str] | None:
    """Kind and text of a Python file's syntax error, or None; in milliseconds, before torch is up."""
    try:
        found = subprocess.run(
            [sys.executable, "-I", "-S", "-X", "utf8", "-c", COMPILE, name],
            input=source,
            capture_output=True,
            timeout=COMPILE_S,
            env={},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    kind, mark, text = found.stdout[:20_000].decode("utf-8", "replace").partition("\0")
    return (kind, text) if mark and found.returncode == 0 else None


def _a_folder(name: str) -> tuple[Path, int]:
    """A new folder that is held: at a place of that name's own while no other run has it, else anywhere."""
    place = Path(tempfile.gettempdir())
    if name:
        stable = place / f"{PREFIX}{name[:16]}"
        with contextlib.suppress(OSError):
            stable.mkdir(mode=0o700)  # nobody else can hold it first
            if (held := folders.hold(stable)) is not None:
                return stable, held
    return folders.make(place, PREFIX)


def summary(name: str, traceback: str) -> str:
    """One line about an exception: the compiler's first error if there is one, else its last line."""
    if name == native.COMPILE_ERROR and traceback:
        return shorten(traceback.splitlines()[0])
    for line in traceback.splitlines():
        if len(line) <= LONGEST_LINE and COMPILER_ERROR.match(line):
            return shorten(line)
    lines = [line for line in traceback.splitlines() if line.strip()]
    said = [line.lstrip(BESIDE_A_GROUP) for line in lines] or [name]
    at = next((at for at in reversed(range(len(said))) if _begins_with(said[at], name)), -1)
    last = said[at].rstrip()
    if last.endswith(f"{name}:") and 0 <= at < len(said) - 1:  # the message begins with a new line
        last = f"{last} {said[at + 1]}"
    return shorten(last + _place(lines))


def no_memory(traceback: str) -> str:
    """One sentence about an exception for want of memory: how much was asked for, if it says so, and where."""
    found = ASKED_FOR.search(traceback)
    amount = f"the {_amount(float(found[1]), found[2])} that" if found else "what"
    return f"No memory was left for {amount} it asked for{_place(traceback.splitlines())}."


def _amount(number: float, unit: str) -> str:
    """Bytes in the unit that suits: ``37.3 GiB``."""
    at = UNITS.index(unit)
    while number >= 1024 and at + 1 < len(UNITS):
        number, at = number / 1024, at + 1
    return f"{number:.3g} {UNITS[at]}"


def detail(name: str, text: str) -> str:
    """What the log shows of an exception: without a first line that is the summary already."""
    return text.partition("\n")[2].lstrip("\n") if name == native.COMPILE_ERROR else text


def _begins_with(line: str, name: str) -> bool:
    """Whether the line begins with the exception's name, in a traceback led by its module's."""
    return line.partition(":")[0].rpartition(".")[2].startswith(name)


def _place(lines: list[str]) -> str:
    """The submission's line that the traceback points at last: its files alone are named shortly."""
    own = re.compile(r'[ |]+File "([^"/][^"]*)", line (\d+)')
    found = [match for line in lines if (match := own.match(line))]
    return f" ({found[-1][1]}, line {found[-1][2]})" if found else ""


def shorten(text: str, limit: int = 500) -> str:
    text = text.strip()
    return text if len(text) <= limit else text[: limit - 4] + " ..."
