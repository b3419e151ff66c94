"""``python -m kernelbot.judge run DIR [--events-fd N] [--isolation KIND]``: judge one job directory.

Events go to stdout, or to descriptor N, as JSON lines. Exit code 0 means that ``verdict.json`` was
written, whatever it says.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from kernelbot.judge import guard, referee, sandbox


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m kernelbot.judge", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="judge a job directory")
    run.add_argument("directory", type=Path, help="holds job.json, problem/ and submission/")
    run.add_argument("--events-fd", type=int, help="descriptor for events (default: stdout)")
    run.add_argument(
        "--isolation",
        choices=sandbox.KINDS,
        help="accept this fence only (default: the strongest that works here)",
    )
    options = parser.parse_args(arguments)
    if not options.directory.is_dir():
        parser.error(f"{options.directory} is no directory")
    guard.harden_referee()
    signal.signal(signal.SIGTERM, _leave)
    events = referee.Events(_private_descriptor(options.events_fd))
    referee.run(options.directory, events, options.isolation or "")
    return 0


def _leave(number: int, frame: FrameType | None) -> None:
    """Cancelled: unwind, so that the contestants are killed and their folder removed."""
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
    sys.exit(main())
