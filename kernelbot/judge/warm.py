"""Processes that come in milliseconds: forked from one that has imported torch and knows nothing.

``template``  imports torch and Triton, makes no CUDA context, and forks a referee for every job
``nursery``   forked by a referee before it reads a word about its job, or started afresh where there
              is no template; forks the contestants
``contestant``  forked twice: the process in between ends at once, so that the referee, which adopts
              orphans, becomes its parent. It waits until the referee has noted its number, puts up
              its fence around itself and becomes the runtime in ``inside/``.

No contestant is forked from a process that has seen a seed, a job or another contestant, and none
can reach the process that it was forked from: that one has another uid or another Landlock domain,
is not dumpable, and shares neither descriptors nor memory with it. What all processes of a template
have in common is the layout of their address space, as after any fork.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import io
import json
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import time
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

from kernelbot.judge import sandbox

START_S = 180.0
"""Importing torch on a cold, busy machine."""
MODULES = {"cpu": ("torch",), "cuda": ("torch", "triton")}
"""What is imported beforehand: nothing that asks CUDA's driver for anything, which a fork would not
survive (torch.utils.cpp_extension does). On a CPU Triton must first be told that it is to interpret."""
CHANNEL = 3
MAX_MESSAGE = 128 << 10
PR_SET_PDEATHSIG, PR_SET_DUMPABLE = 1, 4
TREE = str(Path(__file__).resolve().parents[2])


class NotForked(Exception):
    """The nursery could not make a process."""


@dataclass(frozen=True)
class Order:
    """What a contestant is to be. Nothing in it is secret."""

    plan: sandbox.Plan
    runtime: str  # the folder ``inside``, as the contestant sees it
    bubblewrap: Sequence[str] = ()  # the command line that builds its sandbox
    command: Sequence[str] = ()  # start the runtime afresh by this line instead of being it


@dataclass(frozen=True)
class Task:
    """What a referee is forked for."""

    directory: Path
    isolation: str
    cache: str
    events: int  # descriptor


# --- the referee's side --------------------------------------------------------------------------


class Nursery:
    """Where a referee gets its contestants from. Made before the job is read."""

    def __init__(self, end: socket.socket, pid: int, modules: tuple[str, ...] = ()) -> None:
        self._end = end
        self._pid = pid
        self._imported = modules

    @staticmethod
    def started() -> Nursery:
        """A fresh interpreter with an environment of its own; imports while the referee does."""
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = subprocess.Popen(
                _command("warm", "warm.main()", "nurse", str(theirs.fileno()), str(os.getpid())),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=clean(os.environ),
            )
        # Not waited for through this object: the number is all that is needed of it.
        process.returncode = 0
        return Nursery(mine, process.pid)

    def prepare(self, device: str) -> None:
        """Say what will be needed. Returns at once; the nursery imports it meanwhile."""
        modules = MODULES["cpu" if device == "cpu" else "cuda"]
        if device == "cpu" and set(self._imported) - set(modules):
            self.close()  # it holds a Triton that does not interpret
            fresh = Nursery.started()
            self._end, self._pid, self._imported = fresh._end, fresh._pid, ()
        self._send({"modules": modules})

    def start(self, order: Order, channel: int, output: int, adopt: Callable[[int], None]) -> int:
        """The number of a new contestant, our child. ``adopt`` is called while it still waits."""
        self._send(asdict(order), [channel, output])
        answer = self._receive()
        pid = answer.get("pid")
        if not isinstance(pid, int):
            raise NotForked(str(answer.get("error", "the nursery is gone")))
        try:
            adopt(pid)
        finally:
            self._send({})
        return pid

    def close(self) -> None:
        self._end.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        reap(self._pid, 10.0)

    def _send(self, message: dict[str, Any], descriptors: list[int] | None = None) -> None:
        with contextlib.suppress(OSError):  # what is missing then is the answer
            socket.send_fds(self._end, [json.dumps(message).encode()], descriptors or [])

    def _receive(self) -> dict[str, Any]:
        self._end.settimeout(START_S)
        try:
            packet = self._end.recv(MAX_MESSAGE)
        except OSError as error:
            raise NotForked(f"the nursery does not answer: {error!r}") from error
        found: dict[str, Any] = json.loads(packet) if packet else {}
        return found


def command_line(runtime: str) -> list[str]:
    """The runtime in an interpreter of its own, with what an order's processes have open."""
    return [sys.executable, "-I", "-u", runtime, str(CHANNEL)]


def reap(pid: int, timeout_s: float) -> int | None:
    """Wait for a child; its status, or None when it has not ended in time or is none."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            found, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            return None
        if found:
            return status
        if time.monotonic() > deadline:
            return None
        time.sleep(0.002)


# --- the template and the nursery ----------------------------------------------------------------


def clean(environment: Mapping[str, str]) -> dict[str, str]:
    """What of an environment a template may hold."""
    passed = {name: environment[name] for name in sandbox.JUDGES_KNOW if name in environment}
    return passed | {"LANG": "C.UTF-8", "CUDA_MODULE_LOADING": "LAZY"}


def _command(modules: str, start: str, *arguments: str) -> list[str]:
    """A fresh interpreter that imports nothing but this tree, whatever the environment says."""
    ready = f"import sys; sys.path.insert(0, {TREE!r}); from kernelbot.judge import {modules}"
    return [sys.executable, "-I", "-c", f"{ready}; del sys.path[0]; {start}", *arguments]


def become_template(descriptor: int, device: str) -> NoReturn:
    """Start over as a template: with a clean environment and no module that it does not need."""
    os.set_inheritable(descriptor, True)
    arguments = ("template", str(descriptor), str(os.getppid()), device)
    line = _command("__main__ as judge, warm", "warm.main(judge.judge_task)", *arguments)
    os.execve(line[0], line, clean(os.environ))  # noqa: S606


def main(judge: Callable[[Task, Nursery], None] | None = None) -> None:
    """The program of :func:`_command`; ``judge`` is what a referee forked from a template does.

    Every role returns what its forks are to do next, so that nothing of the role is on their stack.
    """
    role, descriptor, parent, *rest = sys.argv[1:]
    end = socket.socket(fileno=int(descriptor))
    end.set_inheritable(False)
    _die_with(int(parent), signal.SIGTERM if role == "template" else signal.SIGKILL)
    _hide()
    sys.argv = ["kernelbot"]
    begin = tend(end) if judge is None else tend_after(serve(end, rest[0], judge), rest[0])
    begin()


def tend_after(judge: Callable[[Nursery], None], device: str) -> Callable[[], None]:
    """In a fork of the template: fork the nursery, then be the referee; the nursery tends on."""
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    parent = os.getpid()
    nurse = os.fork()
    if nurse:
        theirs.close()
        return lambda: judge(Nursery(mine, nurse, MODULES[device]))
    mine.close()
    _die_with(parent, signal.SIGKILL)
    _keep_only(theirs.fileno())
    return tend(theirs)


def tend(end: socket.socket) -> Callable[[], None]:
    """Fork contestants until the referee is gone. Returns in a contestant, with what it is."""
    while True:
        packet, descriptors, _, _ = socket.recv_fds(end, MAX_MESSAGE, 2)
        if not packet:
            os._exit(0)
        message = json.loads(packet)
        if "modules" in message:
            _import(message["modules"])
        elif descriptors:
            order = Order(**{**message, "plan": sandbox.Plan(**message["plan"])})
            if begin := _fork(end, order, descriptors):
                return begin


def _fork(end: socket.socket, order: Order, descriptors: list[int]) -> Callable[[], None] | None:
    """One contestant. In it: what it is to do; in the nursery: None, once the referee knows it."""
    go, ready = os.pipe(), os.pipe()
    middle = os.fork()
    if not middle:
        try:
            child = os.fork()
        except OSError:
            os._exit(1)
        if child:
            os.write(ready[1], str(child).encode())
            os._exit(0)
        end.detach()
        os.close(go[1])
        channel, output = descriptors
        return lambda: _become(order, channel, output, go[0])
    os.close(ready[1])
    os.waitpid(middle, 0)
    number = os.read(ready[0], 32)
    answer = {"pid": int(number)} if number else {"error": "no process could be forked"}
    end.send(json.dumps(answer).encode())
    if number:
        end.recv(MAX_MESSAGE)
    for descriptor in (*descriptors, *go, ready[0]):  # closing is the word to go
        os.close(descriptor)
    return None


def serve(
    end: socket.socket, device: str, judge: Callable[[Task, Nursery], None]
) -> Callable[[Nursery], None]:
    """Fork a referee for every job until the launcher is gone. Returns in a referee.

    What is said is in ``template.py``.
    """
    _import(MODULES[device])
    gc.collect()
    gc.freeze()
    running: dict[int, int] = {}  # descriptor of the process: its number
    poll = select.poll()
    poll.register(end, select.POLLIN)
    hears = True
    while hears or running:
        for descriptor, _ in poll.poll():
            if descriptor != end.fileno():
                pid = running.pop(descriptor)
                poll.unregister(descriptor)
                os.close(descriptor)
                _, status = os.waitpid(pid, 0)
                _tell(end, {"ended": pid, "status": os.waitstatus_to_exitcode(status)})
                continue
            packet, descriptors, _, _ = socket.recv_fds(end, MAX_MESSAGE, 2)
            if not packet:
                hears = False  # what still runs may end
                poll.unregister(end)
                continue
            template = os.getpid()
            try:
                pid = os.fork()
            except OSError as error:
                # Of this job only: the referees of the others go on.
                _tell(end, {"error": str(error)})
                for sent in descriptors:
                    os.close(sent)
                continue
            if not pid:
                end.detach()
                task = _referee(json.loads(packet), descriptors, template)
                return lambda nursery: judge(task, nursery)
            for sent in descriptors:
                os.close(sent)
            watched = os.pidfd_open(pid)
            running[watched] = pid
            poll.register(watched, select.POLLIN)
            _tell(end, {"pid": pid}, [watched])
    sys.exit(0)


def _tell(end: socket.socket, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
    with contextlib.suppress(OSError):
        socket.send_fds(end, [json.dumps(message).encode()], list(descriptors))


def _referee(message: dict[str, Any], descriptors: list[int], template: int) -> Task:
    """In the fork: put descriptors and names in order; what it is to judge is returned."""
    os.setsid()
    _die_with(template, signal.SIGTERM)
    events, errors = _out_of_the_way(descriptors)
    os.dup2(errors, 1, inheritable=False)
    os.dup2(errors, 2, inheritable=False)
    os.dup2(events, CHANNEL, inheritable=False)
    os.closerange(CHANNEL + 1, os.sysconf("SC_OPEN_MAX"))
    os.chdir(message["directory"])
    _retitle(f"python -m kernelbot.judge run {message['directory']}")
    _stir()
    return Task(Path(message["directory"]), message["isolation"], message["cache"], CHANNEL)


def _import(modules: Sequence[str]) -> None:
    # cpp_extension asks for a device when it is imported: the driver itself must not be woken for
    # that, because CUDA cannot be used in processes that are forked afterwards.
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"
    for name in modules:
        # What is missing is noticed by whoever needs it.
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    if "triton" in modules:
        _digest_triton()
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/self/fd/{number}").startswith(("/dev/nvidia", "/dev/kfd")):
                sys.exit("importing has opened the device: forks of this process could not use it")


def _digest_triton() -> None:
    """Triton hashes all of itself before a process's first compilation: once is enough for all forks."""
    for place in ("triton.runtime.cache", "triton.compiler.compiler"):  # where it is depends
        with contextlib.suppress(ImportError, AttributeError):
            importlib.import_module(place).triton_key()
            return


# --- becoming a contestant -----------------------------------------------------------------------


def _become(order: Order, channel: int, output: int, go: int) -> None:
    """Wait for the word, put up the fence around this process, and be the runtime."""
    try:
        os.read(go, 1)
        os.setsid()
        _settle(order, channel, output)
        sandbox.enter(order.plan)
        if order.bubblewrap and order.command:
            sandbox.start_inside(order.bubblewrap, order.command, order.plan)
        if order.bubblewrap:
            sandbox.move_inside(order.bubblewrap, order.plan.workdir, CHANNEL)
        sandbox.filter_system_calls(order.plan)
        if order.command:
            os.execvpe(order.command[0], list(order.command), order.plan.environment)  # noqa: S606
        _prctl(PR_SET_DUMPABLE, 1)  # its own files in /proc are its own; nothing secret is in it
        run = _runtime(order.runtime)
    except BaseException as error:
        # Said on its standard error: the referee quotes it when the process does not come up.
        os.write(2, f"{type(error).__name__}: {error}\n".encode("utf-8", "replace"))
        os._exit(1)
    run()


def _settle(order: Order, channel: int, output: int) -> None:
    """Descriptors, environment, modules and names as a fresh process would have them."""
    _prctl(PR_SET_DUMPABLE, 1)
    channel, output = _out_of_the_way([channel, output])
    null = os.open("/dev/null", os.O_RDONLY)
    for wanted, descriptor in ((0, null), (1, output), (2, output), (CHANNEL, channel)):
        os.dup2(descriptor, wanted)
    os.closerange(CHANNEL + 1, os.sysconf("SC_OPEN_MAX"))
    os.environ.clear()
    _retitle(f"contestant {order.runtime}", wipe_environment=True)
    os.environ.update(order.plan.environment)
    os.chdir(os.path.dirname(order.plan.workdir))
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)  # type: ignore[misc]  # noqa: SIM115
    sys.stdout = sys.__stdout__ = _stream(1, "surrogateescape")  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _stream(2, "backslashreplace")  # type: ignore[misc]
    sys.orig_argv[:] = []
    for name in [name for name in sys.modules if name.partition(".")[0] == "kernelbot"]:
        del sys.modules[name]
    sys.modules["__main__"] = types.ModuleType("__main__")
    gc.unfreeze()
    _stir()


def _runtime(folder: str) -> Callable[[], None]:
    """The runtime's main function. Its folder is importable for that only."""
    sys.argv = ["inside", str(CHANNEL)]
    sys.path.insert(0, os.path.dirname(folder))
    main: Callable[[], None] = importlib.import_module("inside.contestant").main
    del sys.path[0]
    return main


def _stream(descriptor: int, errors: str) -> io.TextIOWrapper:
    raw = io.FileIO(descriptor, "w", closefd=False)
    return io.TextIOWrapper(
        typing.cast("typing.BinaryIO", raw), encoding="utf-8", errors=errors, write_through=True
    )


def _stir() -> None:
    """Random generators that the template's copies would share; Python's own does it by itself."""
    if (numbers := sys.modules.get("numpy.random")) is not None:
        numbers.seed(secrets.randbits(32))


def _keep_only(descriptor: int) -> None:
    """Close everything above standard error but this one."""
    os.closerange(3, descriptor)
    os.closerange(descriptor + 1, os.sysconf("SC_OPEN_MAX"))


def _out_of_the_way(descriptors: list[int]) -> list[int]:
    """The same files under numbers that nothing will be moved to."""
    import fcntl

    return [fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 64) for number in descriptors]


def _die_with(parent: int, number: int) -> None:
    _prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os._exit(1)


def _hide() -> None:
    """Out of reach of other processes of this uid."""
    _prctl(PR_SET_DUMPABLE, 0)


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _retitle(title: str, *, wipe_environment: bool = False) -> None:
    """Write another command line over the one that was inherited, for ``ps``."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end, environment, last = map(int, (fields[45:49] + ["0"] * 4)[:4])
    if not start or not environment:
        return  # a kernel that does not say
    text = title.encode("utf-8", "surrogateescape")[: end - start - 1]
    ctypes.memmove(start, text.ljust(end - start, b"\0"), end - start)
    if wipe_environment:
        ctypes.memset(environment, 0, last - environment)
