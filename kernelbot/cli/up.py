"""``kernelbot up``: the whole platform on one machine, kept running.

Starts a Postgres of its own (unless DATABASE_URL names one), brings schema and problems up to
date, then runs api, worker and, with a token, bot as processes of their own. One that ends is
started again; SIGINT or SIGTERM stops everything in order. Killed outright it takes its children
along: the kernel tells them (PR_SET_PDEATHSIG), and what that does not reach the next start finds
in ``processes`` and ends.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import errno
import json
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from pydantic import SecretStr, ValidationError

from kernelbot import app, logs
from kernelbot.app import Prepared
from kernelbot.cli import publication
from kernelbot.cli.exits import Exit
from kernelbot.cli.screen import note, result
from kernelbot.config import ROOT, Settings
from kernelbot.errors import Conflict, InvalidInput, KernelbotError, Refused, Unavailable
from kernelbot.services.catalog import load_catalog
from kernelbot.storage.database import lost_connection_as_unavailable
from kernelbot.storage.embedded import EmbeddedPostgres, take_charge

PR_SET_PDEATHSIG = 1
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
STEADY_S = 60.0  # alive that long, the next end counts as a first one
STOP_PATIENCE_S = 20.0  # the worker gives back what it runs within 10
PORT_PATIENCE_S = 5.0  # for the last of a stream that is being cut; leftovers are ended before
READY_PATIENCE_S = 180.0  # of a busy machine; one that has died is noticed at once
DATABASE_PATIENCE_S = 60.0
LOG_LIMIT_BYTES = 16 * 1024 * 1024


def main(arguments: Sequence[str]) -> int:
    """Run until stopped. Returns an exit code; raises Refused for what the person can mend."""
    settings, options = _parse(arguments)
    if options.prepare_only:
        return asyncio.run(_prepare_only(settings, _publishing(options)))
    return asyncio.run(_run(settings, _publishing(options), worker=options.worker, bot=options.bot))


class Publishing(TypedDict):
    """What is published although the check of problems refuses it or has not seen it."""

    unchecked: bool
    accepted: Sequence[str]


def _publishing(options: argparse.Namespace) -> Publishing:
    return {"unchecked": options.unchecked, "accepted": options.accepted}


def _parse(arguments: Sequence[str]) -> tuple[Settings, argparse.Namespace]:
    parser = argparse.ArgumentParser(
        prog="kernelbot up",
        description="Run the platform on this machine: database, API, worker and, when "
        "DISCORD_TOKEN is set, the Discord bot. Ctrl-C stops it; nothing accepted is lost.",
        epilog="Everything else is set by the environment; docs/operations.md lists it.",
    )
    parser.add_argument("--host", help="address the API listens on (127.0.0.1)")
    parser.add_argument("--port", type=int, help="port the API listens on (8000); 0: a free one")
    parser.add_argument(
        "--data-dir", type=Path, help="where database, logs and secrets live (.kernelbot)"
    )
    parser.add_argument(
        "--no-worker", dest="worker", action="store_false", help="judge nothing on this machine"
    )
    parser.add_argument("--no-bot", dest="bot", action="store_false", help="run no Discord bot")
    parser.add_argument(
        "--prepare-only",
        action="store_true",
        help="bring schema, problems and administrator up to date, and end",
    )
    parser.add_argument(
        "--unchecked",
        action="store_true",
        help="publish problems that `kernelbot problem check` refuses or has not seen",
    )
    parser.add_argument(
        "--accept-vacuous",
        dest="accepted",
        metavar="NAME",
        action="append",
        default=[],
        help="publish this problem although its check takes what is not computed; may be repeated",
    )
    options = parser.parse_args(arguments)
    given = {name: getattr(options, name) for name in ("host", "port", "data_dir")}
    return read_settings(
        {name: value for name, value in given.items() if value is not None}
    ), options


def read_settings(given: Mapping[str, object]) -> Settings:
    """Settings from the environment and, before it, from ``given``; paths made absolute.

    Raises InvalidInput that names the variable, not the field.
    """
    try:
        settings = Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        variable = name if name.isupper() else f"KERNELBOT_{name.upper()}"
        raise InvalidInput(
            f"{variable}={first['input']!r} cannot be used: {first['msg']}.", code="bad_setting"
        ) from None
    folders = ("data_dir", "problems_dir", "targets_file", "devices_file")
    return settings.model_copy(
        update={name: getattr(settings, name).expanduser().absolute() for name in folders}
    )


# --- one process -------------------------------------------------------------------------------


@dataclass
class Child:
    """A process of ours and what is known about it."""

    name: str
    module: str
    log: Path
    process: asyncio.subprocess.Process | None = None
    pause_s: float = FIRST_PAUSE_S
    expected_to_end: bool = field(default=False)

    async def start(self, environment: Mapping[str, str]) -> None:
        self.expected_to_end = False
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                self.module,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(environment),
                cwd=ROOT,
                start_new_session=True,  # Ctrl-C at the terminal is for us; we pass it on in order
                preexec_fn=_end_with_parent(os.getpid()),
            )

    async def wait(self) -> int:
        """Until it ends. What it leaves in its process group (the API's own processes) ends too."""
        assert self.process is not None
        status = await self.process.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        return status

    def signal(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)

    async def stop(self) -> None:
        self.expected_to_end = True
        if self.process is None or self.process.returncode is not None:
            return
        self.signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.process.wait(), STOP_PATIENCE_S)
        except TimeoutError:
            note(f"{self.name} does not stop; killing it.")
            self.signal(signal.SIGKILL)
            await self.process.wait()

    def last_words(self) -> str:
        """The last line of its log: usually the reason."""
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - 4096))
            lines = log.read().decode(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else ""


def _end_with_parent(parent: int) -> Callable[[], None]:
    """For between fork and exec: have the kernel stop the child when we end, however we end."""
    if not sys.platform.startswith("linux"):
        return lambda: None
    prctl = ctypes.CDLL(None).prctl

    def arrange() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return arrange


# --- all of them -------------------------------------------------------------------------------


class Supervisor:
    """Keeps database and children running until told to stop."""

    def __init__(
        self, settings: Settings, publishing: Publishing, *, worker: bool, bot: bool
    ) -> None:
        self._settings = settings
        self._publishing = publishing
        self._logs = settings.data_dir / "logs"
        self._charge: int | None = None
        self._postgres: EmbeddedPostgres | None = None
        self._url = ""
        self._stopping = asyncio.Event()
        wanted = [("api", "kernelbot.api")]
        wanted += [("worker", "kernelbot.worker")] if worker else []
        wanted += [("bot", "kernelbot.bot")] if bot and settings.discord_token else []
        self.children = [Child(name, module, self._logs / f"{name}.log") for name, module in wanted]

    def ask_to_stop(self) -> None:
        """Once: in order. Twice: at once."""
        if self._stopping.is_set():
            for child in self.children:
                child.signal(signal.SIGKILL)
        else:
            note("Stopping.")
        self._stopping.set()

    async def run(self) -> int:
        try:
            self._logs.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidInput(
                f"The data folder {self._settings.data_dir} cannot be made: {error.strerror}. "
                "Choose another with --data-dir.",
                code="bad_data_dir",
            ) from error
        try:
            if not await self._unless_stopped(self._start()):
                return Exit.PASSED
            keeping = [asyncio.create_task(self._keep(child)) for child in self.children]
            if self._postgres is not None:
                keeping.append(asyncio.create_task(self._keep_postgres(self._postgres)))
            try:
                await self._unless_stopped(asyncio.gather(*keeping))
            finally:
                for task in keeping:
                    task.cancel()
                await asyncio.gather(*keeping, return_exceptions=True)
        finally:
            await self._stop()
        return Exit.PASSED

    async def _unless_stopped(self, work: Awaitable[object]) -> bool:
        """Whether ``work`` came to its end before we were told to stop."""
        task = asyncio.ensure_future(work)
        stop = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not task.done():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            return False
        task.result()
        return True

    async def _start(self) -> None:
        # First of all: what a living one has noted are no leftovers.
        lock = self._settings.data_dir / "lock"
        self._charge = await take_charge(lock, "The data folder", note)
        note("Starting ...")
        await end_leftovers(self._processes_file)
        await _await_port(self._settings.host, self._settings.port)
        if self._settings.database_url is None:
            self._postgres = EmbeddedPostgres(
                self._settings.data_dir / "postgres",
                binaries=self._settings.pg_bin,
                report=note,
            )
            self._url = await self._postgres.start()
        else:
            self._url = self._settings.database_url.get_secret_value()
        prepared = await _prepare(
            self._settings.model_copy(update={"database_url": SecretStr(self._url)}),
            self._publishing,
        )
        for child in self.children:
            _rotate(child.log)
            await child.start(self._child_environment())
        self._note_processes()
        await self._await_ready()
        self._announce(prepared)

    def _child_environment(self) -> dict[str, str]:
        settings = self._settings
        tree = os.environ.get("PYTHONPATH", "")
        return {
            **os.environ,
            "DATABASE_URL": self._url,
            "KERNELBOT_HOST": settings.host,
            "KERNELBOT_PORT": str(settings.port),
            "KERNELBOT_DATA_DIR": str(settings.data_dir),
            "KERNELBOT_PROBLEMS_DIR": str(settings.problems_dir),
            "KERNELBOT_TARGETS_FILE": str(settings.targets_file),
            "KERNELBOT_DEVICES_FILE": str(settings.devices_file),
            "PYTHONPATH": f"{ROOT}{os.pathsep}{tree}" if tree else str(ROOT),
            "PYTHONUNBUFFERED": "1",
        }

    async def _await_ready(self) -> None:
        """Until the API answers and reaches the database; children that die meanwhile are told."""
        deadline = time.monotonic() + READY_PATIENCE_S
        api = self.children[0]
        assert api.process is not None
        while not await _answers(self._settings.host, self._settings.port):
            if api.process.returncode is not None:
                raise Refused(
                    f"The API did not start (exit code {api.process.returncode}): "
                    f"{api.last_words()}\nThe rest is in {api.log}.",
                    code="api_ended",
                )
            if time.monotonic() > deadline:
                raise Refused(
                    f"The API has not answered within {READY_PATIENCE_S:.0f} s. "
                    f"Its log is {api.log}.",
                    code="api_silent",
                )
            await asyncio.sleep(0.05)

    async def _keep(self, child: Child) -> None:
        """Start a child again whenever it ends, after a pause that grows while it keeps ending."""
        while True:
            began = time.monotonic()
            status = await child.wait()
            if time.monotonic() - began > STEADY_S:
                child.pause_s = FIRST_PAUSE_S
            if not child.expected_to_end:
                note(
                    f"{child.name} ended ({_status_text(status)}); starting it again in "
                    f"{child.pause_s:g} s. Its log: {child.log}"
                )
                await asyncio.sleep(child.pause_s)
                child.pause_s = min(child.pause_s * 2, LONGEST_PAUSE_S)
            await child.start(self._child_environment())
            self._note_processes()

    async def _keep_postgres(self, postgres: EmbeddedPostgres) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            began = time.monotonic()
            status = await postgres.wait()
            note(f"Postgres ended ({_status_text(status)}); starting it again. Log: {postgres.log}")
            if time.monotonic() - began > STEADY_S:
                pause_s = FIRST_PAUSE_S
            while True:
                try:
                    url = await postgres.start()
                    break
                except KernelbotError as error:
                    note(error.message)
                    await asyncio.sleep(pause_s)
                    pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            if url != self._url:  # somebody took its port meanwhile
                self._url = url
                for child in self.children:
                    child.expected_to_end = True
                    child.signal(signal.SIGTERM)

    async def _stop(self) -> None:
        """Those who talk to people first, then the worker, the database last."""
        for child in sorted(self.children, key=lambda child: child.name == "worker"):
            await child.stop()
        if self._postgres is not None:
            await self._postgres.stop()
        if self._charge is not None:
            self._processes_file.unlink(missing_ok=True)
            os.close(self._charge)

    @property
    def _processes_file(self) -> Path:
        return self._settings.data_dir / "processes"

    def _note_processes(self) -> None:
        alive = [child.process.pid for child in self.children if child.process is not None]
        draft = self._processes_file.with_suffix(".new")
        draft.write_text(json.dumps({str(pid): started_at(pid) for pid in alive}))
        draft.replace(self._processes_file)

    def _announce(self, prepared: Prepared) -> None:
        settings = self._settings
        ours = command()
        where = f" --url {settings.url}" if settings.port != 8000 else ""
        if prepared.new_admin_token:
            token_file = settings.data_dir / app.ADMIN_TOKEN_FILE
            result(f"Administrator's token, kept in {token_file}: {prepared.admin_token}")
        bot = "" if any(child.name == "bot" for child in self.children) else "no DISCORD_TOKEN, "
        result(f"KernelBot is running at {settings.url}")
        result(f"  API docs      {settings.url}/docs")
        result(f"  Leaderboards  {', '.join(prepared.leaderboards)}")
        result(
            f"  Submit        {ours} submit {self._first_try(prepared.leaderboards)} "
            f"--mode ranked{where}"
        )
        result(f"  Logs          {self._logs}")
        result(
            f"  Processes     {', '.join(c.name for c in self.children)} ({bot}Ctrl-C stops all)"
        )

    def _first_try(self, leaderboards: Sequence[str]) -> str:
        """A shipped starter where it is among the problems, else any file."""
        starter = self._settings.problems_dir / "vectoradd" / "starter" / "with_torch.py"
        if "vectoradd" in leaderboards and starter.is_file():
            return f"{os.path.relpath(starter)} --leaderboard vectoradd --gpu CPU"
        return f"FILE --leaderboard {leaderboards[0] if leaderboards else 'NAME'}"


async def _run(settings: Settings, publishing: Publishing, *, worker: bool, bot: bool) -> int:
    logs.configure(settings.model_copy(update={"log_level": "warning", "log_json": False}), "up")
    if settings.port == 0:
        settings = settings.model_copy(update={"port": free_port(settings.host)})
    supervisor = Supervisor(settings, publishing, worker=worker, bot=bot)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, supervisor.ask_to_stop)
    return await supervisor.run()


async def _prepare_only(settings: Settings, publishing: Publishing) -> int:
    """For installations whose processes something else runs: once before they start."""
    async with contextlib.AsyncExitStack() as stack:
        if settings.database_url is None:
            postgres = EmbeddedPostgres(
                settings.data_dir / "postgres", binaries=settings.pg_bin, report=note
            )
            url = await stack.enter_async_context(postgres)
            settings = settings.model_copy(update={"database_url": SecretStr(url)})
        prepared = await _prepare(settings, publishing)
    result(f"Ready. Leaderboards: {', '.join(prepared.leaderboards)}")
    return Exit.PASSED


async def _prepare(settings: Settings, publishing: Publishing) -> Prepared:
    """Schema, problems, administrator. A server that is not up yet is waited for."""
    catalog = load_catalog(settings.problems_dir, app.targets_of(settings))
    checked = await asyncio.to_thread(
        publication.demand_checked,
        settings,
        catalog,
        without_hanging=True,
        **publishing,
    )
    deadline = time.monotonic() + DATABASE_PATIENCE_S
    told = False
    while True:
        try:
            with lost_connection_as_unavailable():
                return await app.prepare(settings, checked)
        except Unavailable as error:
            if time.monotonic() > deadline:
                raise Unavailable(f"{error.message} {error.__cause__}") from error
            if not told:
                note(f"{error.message} Waiting for it: {error.__cause__}")
                told = True
        await asyncio.sleep(0.5)


def started_at(pid: int) -> str:
    """When a process began, in the kernel's ticks: with the pid it names it for good."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]


async def end_leftovers(file: Path) -> None:
    """End processes of a supervisor that was killed, should the kernel's signal not have done it."""
    for number, patience_s in ((signal.SIGTERM, STOP_PATIENCE_S), (signal.SIGKILL, 5.0)):
        deadline = time.monotonic() + patience_s
        for pid in leftovers(file):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, number)
        while leftovers(file) and time.monotonic() < deadline:  # noqa: ASYNC110  not our children
            await asyncio.sleep(0.05)


def leftovers(file: Path) -> list[int]:
    """Which of the noted processes still live. A reused pid is not one of them."""
    try:
        noted = json.loads(file.read_text())
        return [int(pid) for pid, start in noted.items() if start and started_at(int(pid)) == start]
    except (FileNotFoundError, ValueError, AttributeError):
        return []


async def _await_port(host: str, port: int) -> None:
    """Until nobody listens there. Raises Conflict when somebody keeps doing so."""
    deadline = time.monotonic() + PORT_PATIENCE_S
    told = False
    while (trouble := _listening_trouble(host, port)) is not None:
        if trouble.errno != errno.EADDRINUSE:
            raise InvalidInput(
                f"Nothing can listen on {host} port {port}: {trouble.strerror}. "
                "Choose others with --host and --port.",
                code="bad_address",
            )
        if not told:
            note(f"Port {port} is in use; waiting a moment for it.")
            told = True
        if time.monotonic() > deadline:
            raise Conflict(
                f"Port {port} on {host} is in use. Stop what listens there, or choose another with "
                "--port.",
                code="port_in_use",
            )
        await asyncio.sleep(0.2)


def _listening_trouble(host: str, port: int) -> OSError | None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()  # with SO_REUSEADDR alone, bind passes beside a listener on some systems
    except OSError as error:
        return error
    return None


def free_port(host: str) -> int:
    """A port that nobody listens on right now."""
    with socket.create_server((host, 0)) as probe:
        return int(probe.getsockname()[1])


async def _answers(host: str, port: int) -> bool:
    """Whether the API there is ready, asked in the plainest HTTP."""
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  compared, not bound
    try:
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection(address, port)
            try:
                writer.write(b"GET /v1/ready HTTP/1.1\r\nHost: up\r\nConnection: close\r\n\r\n")
                line = await reader.readline()
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except (OSError, TimeoutError):
        return False
    return b" 200 " in line


def _rotate(log: Path) -> None:
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        log.replace(log.with_suffix(".log.1"))
    log.touch(mode=0o600)


def _status_text(status: int) -> str:
    if status >= 0:
        return f"exit code {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"


def command() -> str:
    """How to call us from here: by name where that works, else by path."""
    ours = Path(sys.executable).with_name("kernelbot")
    found = shutil.which("kernelbot")
    if found is not None and Path(found).samefile(ours):
        return "kernelbot"
    return os.path.relpath(ours) if ours.is_relative_to(Path.cwd()) else str(ours)
