"""``python -m kernelbot.judge run DIR [--events-fd N] [--isolation KIND]``: judge one job directory.

Events go to stdout, or to descriptor N, as JSON lines. Exit code 0 means that ``verdict.json`` was
written, whatever it says. ``serve`` does the same for one job directory after the other, each in a
process forked from one that has imported torch already (``warm.py``).
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from kernelbot.judge import guard, referee, sandbox, warm


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m kernelbot.judge", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="judge a job directory")
    run.add_argument("directory", type=Path, help="holds job.json, problem/ and submission/")
    run.add_argument("--events-fd", type=int, help="descriptor for events (default: stdout)")
    run.add_argument(
        "--isolation",
        choices=(*sandbox.KINDS, sandbox.FENCED),
        help="accept this fence only, fenced: any but processes (default: the strongest here)",
    )
    run.add_argument("--cache", default="", help="folder of compile caches (default: none)")
    serve = commands.add_parser("serve", help="judge what a launcher sends, from a warm start")
    serve.add_argument("descriptor", type=int, help="a socket to the launcher")
    serve.add_argument("--device", choices=sorted(warm.MODULES), default="cpu")
    options = parser.parse_args(arguments)
    if options.command == "serve":
        warm.become_template(options.descriptor, options.device)
    if not options.directory.is_dir():
        parser.error(f"{options.directory} is no directory")
    events = _private_descriptor(options.events_fd)
    judge(options.directory, events, options.isolation or "", options.cache, warm.Nursery.started())
    return 0


def judge(directory: Path, events: int, isolation: str, cache: str, nursery: warm.Nursery) -> None:
    """Be the referee of a job directory."""
    guard.harden_referee()
    signal.signal(signal.SIGTERM, _leave)
    try:
        referee.run(directory, referee.Events(events), nursery, isolation, cache)
    finally:
        nursery.close()


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
