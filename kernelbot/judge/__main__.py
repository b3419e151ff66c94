"""``python -m kernelbot.judge run DIR [--events-fd N] [--isolation KIND]``: judge one job directory.

Events go to stdout, or to descriptor N, as JSON lines. Exit code 0 means that ``verdict.json`` was
written, whatever it says. ``serve`` does the same for one job directory after the other, each in a
process forked from one that has imported torch already (``warm.py``). ``fence`` tells which fence
stands on this machine, and ends with 1 when none does that is accepted.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn

from kernelbot.judge import guard, probe, referee, sandbox, staging, warm


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m kernelbot.judge", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="judge a job directory")
    run.add_argument("directory", type=Path, help="holds job.json, problem/ and submission/")
    run.add_argument("--events-fd", type=int, help="descriptor for events (default: stdout)")
    fence = commands.add_parser("fence", help="start a process behind a fence and tell which holds")
    for command in (run, fence):
        command.add_argument(
            "--isolation",
            default="",
            choices=("", *sandbox.KINDS, sandbox.FENCED),
            help="accept this fence only, fenced: any but processes (default: the strongest here)",
        )
    fence.add_argument("--ranks", type=int, default=1, help="of a run, together (default: 1)")
    run.add_argument("--cache", default="", help="folder of compile caches (default: none)")
    run.add_argument(
        "--before", type=Path, help="a job directory to judge first, which tells what the device is"
    )
    serve = commands.add_parser("serve", help="judge what a launcher sends, from a warm start")
    serve.add_argument("descriptor", type=int, help="a socket to the launcher")
    serve.add_argument("--device", choices=sorted(warm.MODULES), default="cpu")
    options = parser.parse_args(arguments)
    if options.command == "serve":
        warm.become_template(options.descriptor, options.device)
    if options.command == "fence":
        kind, faults = probe.standing(options.isolation, options.ranks)
        print(kind or faults)
        return 0 if kind else 1
    if not options.directory.is_dir():
        parser.error(f"{options.directory} is no directory")
    first = None
    if options.before is not None:
        first = _judged_first(options.before, options.isolation)
    events = _private_descriptor(options.events_fd)
    nursery = warm.Nursery.started()
    return judge(options.directory, events, options.isolation, options.cache, nursery, first)


def _judged_first(directory: Path, isolation: str) -> referee.First:
    """In a process of its own, with nothing in common with what comes after it; its verdict is held from here on."""
    line = [sys.executable, "-m", "kernelbot.judge", "run", str(directory)]
    line += ["--isolation", isolation] if isolation else []
    subprocess.run(line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)
    return referee.First(directory, staging.read_verdict(directory))


def judge(
    directory: Path,
    events: int,
    isolation: str,
    cache: str,
    nursery: warm.Nursery,
    first: referee.First | None = None,
) -> int:
    """Be the referee of a job directory; returns the exit code."""
    guard.harden_referee()
    signal.signal(signal.SIGTERM, _leave)
    try:
        referee.run(directory, referee.Events(events), nursery, isolation, cache, first)
    finally:
        nursery.close()
    return 0


def judge_task(task: warm.Task, nursery: warm.Nursery) -> NoReturn:
    """Be a referee that a template has forked."""
    end_with(lambda: judge(task.directory, task.events, task.isolation, task.cache, nursery))


def end_with(work: Callable[[], int]) -> NoReturn:
    """Do it and be gone at once: torch takes its time to take itself apart, for nothing."""
    try:
        code = work()
    except SystemExit as wish:
        code = wish.code if isinstance(wish.code, int) else 1
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _leave(number: int, frame: FrameType | None) -> None:
    """Cancelled: unwind, so that the contestants are killed and their folder removed.

    Once: the launcher's word and the template's end both come as this signal, and the second one
    would break off the cleaning up that the first has begun.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(128 + number)


def _private_descriptor(wanted: int | None) -> int:
    """A descriptor for events that no child inherits; what else is printed goes to stderr."""
    descriptor = os.dup(1 if wanted is None else wanted)
    if wanted is not None:
        os.set_inheritable(wanted, False)
    else:
        os.dup2(2, 1)
    os.set_inheritable(descriptor, False)
    return descriptor


if __name__ == "__main__":
    end_with(main)
