"""``kernelbot-agent --url https://SERVER --token-file FILE``: judge on this machine what the server has for it.

The token is also taken from the environment (KERNELBOT_RUNNER_TOKEN). SIGTERM: end what runs, take nothing more;
again: give back what runs and end. Exit codes: 0 stopped, 3 another process has the same token, 4 the token is
unknown or was revoked, 5 refused for another reason, 6 this machine cannot judge.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import structlog

from kernelbot.judge import sandbox
from kernelbot.judge.protocol import ProtocolError
from runners.agent import update
from runners.agent.agent import REVOKED, Agent, Dismissed, Options, Outdated, until
from runners.agent.selftest import Unfit
from runners.agent.wire import Away, Gateway, Refused

TOKEN = "KERNELBOT_RUNNER_TOKEN"  # noqa: S105  a variable's name
UNFIT = 6
AGAIN_S = 10.0

log = structlog.get_logger()


def main(arguments: Sequence[str] | None = None) -> None:
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_args(given)
    _log_as_json()
    try:
        demand_hidden(options.state)
        if options.token_file is not None:
            demand_hidden(options.token_file)
    except ValueError as error:
        raise SystemExit(f"kernelbot-agent: {error}") from error
    options.state.mkdir(parents=True, exist_ok=True)
    held = _hold(options.state)
    try:
        gateway = Gateway(options.url, _token(options.token_file), options.ca)
    except (OSError, ValueError) as error:
        raise SystemExit(f"kernelbot-agent: {error}") from error
    code, root, digest = asyncio.run(_run(gateway, options))
    os.close(held)
    if root is not None:
        update.restart(root, digest, given)
    raise SystemExit(code)


async def _run(gateway: Gateway, options: argparse.Namespace) -> tuple[int, Path | None, str]:
    """The exit code, or the tree to go on from and its digest."""
    tree = update.own_tree()
    settings = Options(options.state, options.cpu_slots, options.drain_s)
    agent = Agent(gateway, settings, tree)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, agent.stop)
    try:
        try:
            await agent.run()
        except Outdated as error:
            log.info("the server has another version", said=str(error))
            fetching = _fetched(gateway, options.state / "trees")
            found = await until(agent.told_to_stop, fetching)
            if found is not None:
                return (0, *found)
    except Dismissed as error:
        log.error("the server has no use for this process", message=str(error))
        return error.code, None, ""
    except Unfit as error:
        log.error("this machine cannot judge", message=str(error))
        return UNFIT, None, ""
    finally:
        await gateway.close()
    return 0, None, ""


async def _fetched(gateway: Gateway, place: Path) -> tuple[Path, str]:
    """The server's tree, on disk. What the server cannot give now it may give in a while. Raises Dismissed."""
    while True:
        try:
            digest = str((await gateway.terms())["tree"])
            if os.environ.get(update.UPDATED) == digest != update.own_tree():
                raise SystemExit("kernelbot-agent: the fetched tree is not what it was fetched as")
            content = await gateway.tree(digest)
            root = await asyncio.to_thread(update.install, content, digest, place)
            log.info("goes on as the server's version", tree=digest)
            return root, digest
        except (Away, Refused, ProtocolError, OSError) as error:
            if isinstance(error, Refused) and error.status == 401:
                raise Dismissed(REVOKED, error.message) from error
            log.error("the server's version cannot be fetched", error=str(error))
        await asyncio.sleep(AGAIN_S)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kernelbot-agent", description=__doc__)
    parser.add_argument("--url", default=os.environ.get("KERNELBOT_URL", ""), help="the server")
    parser.add_argument("--token-file", type=Path, help=f"else the environment's {TOKEN}")
    parser.add_argument("--ca", default="", help="certificates to trust, in a file (PEM)")
    parser.add_argument(
        "--state", type=Path, default=_state(), help="a folder for job directories and caches"
    )
    parser.add_argument(
        "--cpu-slots", type=int, default=1, help="runs at once on the processor, if asked for any"
    )
    parser.add_argument(
        "--drain-s", type=float, default=600.0, help="longest wait for what runs when stopped"
    )
    return parser


def _state() -> Path:
    given = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]  # systemd's
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(given) if given else Path(base) / "kernelbot-agent"


def _token(file: Path | None) -> str:
    """Raises ValueError where there is none. No process that is started later finds it."""
    told = os.environ.get(TOKEN, "")
    token = file.read_text().strip() if file is not None else told.strip()
    if not token:
        raise ValueError(f"no token: name a file with --token-file, or set {TOKEN}")
    return token


def demand_hidden(path: Path) -> None:
    """Raise ValueError for a place that submissions can read: behind every fence they see the system's folders and
    the interpreter's."""
    for shown in sandbox.read_paths():
        if path.resolve().is_relative_to(Path(shown).resolve()):
            raise ValueError(f"submissions can read {shown}, so {path} must lie somewhere else")


def _hold(state: Path) -> int:
    """One process a folder: two would remove each other's job directories."""
    descriptor = os.open(state / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise SystemExit(f"kernelbot-agent: another one works in {state}") from None
    return descriptor


def _log_as_json() -> None:
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )


if __name__ == "__main__":
    main()
