"""``python -m kernelbot.checking PATIENCE_S DIR...``: audit problems, each in a process forked from this one.

PATIENCE_S is how long one case may take beyond the problem's limits, in seconds.
Progress goes to stdout as JSON lines, whatever the problems print to stderr. Exit code 0 means that
every directory has its ``audit.json``. A problem that hangs is killed by the kernel's alarm clock,
which no code of the problem has to return for, and the others go on.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from pathlib import Path

from kernelbot.checking import audit
from kernelbot.checking.findings import Audit
from kernelbot.judge.protocol import JOB_FILE, MAX_JOB_BYTES, Job, load

WHERE_FILE = "where"


def main(patience_s: float, directories: list[str]) -> int:
    # Imported once; no work is done here, so that the forks inherit neither threads nor devices.
    import torch  # noqa: F401

    progress = os.dup(1)
    os.dup2(2, 1)
    failed = 0
    for directory in directories:
        child = os.fork()
        if child == 0:
            os._exit(_audit(Path(directory), progress, patience_s))
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM:
            audit.write(Path(directory), _overdue(Path(directory), patience_s))
            status = 0
        failed |= status
    return 1 if failed else 0


def _audit(directory: Path, progress: int, patience_s: float) -> int:
    def tell(where: str, done: int, total: int) -> None:
        (directory / WHERE_FILE).write_text(where)
        signal.setitimer(signal.ITIMER_REAL, audit.case_limit_s(job, patience_s))
        line = {"problem": job.problem, "where": where, "done": done, "total": total}
        os.write(progress, json.dumps(line).encode() + b"\n")

    try:
        job = _job(directory)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        os.chdir(directory)
        tell("reference.py", 0, 1)
        found = audit.audit(directory, job, tell, patience_s)
        signal.setitimer(signal.ITIMER_REAL, 0)
        audit.write(directory, found)
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def _job(directory: Path) -> Job:
    return load(Job, (directory / JOB_FILE).read_bytes(), limit=MAX_JOB_BYTES)


def _overdue(directory: Path, patience_s: float) -> Audit:
    return audit.overdue(_job(directory), (directory / WHERE_FILE).read_text(), patience_s)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2:]))
