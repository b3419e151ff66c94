"""``python -m kernelbot.checking DIR...``: audit problems, each in a process forked from this one.

Progress goes to stdout as JSON lines, whatever the problems print to stderr. Exit code 0 means that
every directory has its ``audit.json``.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path

from kernelbot.checking import audit
from kernelbot.judge.protocol import JOB_FILE, MAX_JOB_BYTES, Job, load


def main(directories: list[str]) -> int:
    # Imported once; no work is done here, so that the forks inherit neither threads nor devices.
    import torch  # noqa: F401

    progress = os.dup(1)
    os.dup2(2, 1)
    failed = 0
    for directory in directories:
        child = os.fork()
        if child == 0:
            os._exit(_audit(Path(directory), progress))
        _, status = os.waitpid(child, 0)
        failed |= status
    return 1 if failed else 0


def _audit(directory: Path, progress: int) -> int:
    def tell(where: str, done: int, total: int) -> None:
        line = {"problem": job.problem, "where": where, "done": done, "total": total}
        os.write(progress, json.dumps(line).encode() + b"\n")

    try:
        job = load(Job, (directory / JOB_FILE).read_bytes(), limit=MAX_JOB_BYTES)
        os.chdir(directory)
        audit.write(directory, audit.audit(directory, job, tell))
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
