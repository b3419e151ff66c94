"""How a contestant's process is fenced in: by itself, before anything submitted has run in it.

Three fences, strongest first, each tried until one lets the runtime start (nothing submitted has
run by then, so a contestant cannot choose):

``bubblewrap``  own user, PID, network, IPC and mount namespaces, read-only system, private /tmp
``user``        an unprivileged uid of its own and, where the kernel allows, private namespaces
``processes``   the caller's uid: limits and Landlock only; for one's own machine

All have: a new session, no new privileges, resource limits, a death signal, a clean environment, a
filter of system calls, Landlock where the kernel has it. Bubblewrap builds its sandbox round a
process that only waits; the contestant, which was forked with torch imported, moves in. Where the
kernel does not let it, a fresh interpreter is started inside.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import functools
import json
import os
import resource
import shutil
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

SYSTEM = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib64",
    "/lib32",
    "/etc",
    "/opt",
    "/nix",
    "/run/nvidia-persistenced",
)
FILE_BYTES = 4 << 30
"""Largest file a contestant may write: torch.compile's precompiled header alone is over 64 MB."""

SCRATCH_BYTES = 4 << 30
"""Of /tmp and of /dev/shm in the sandbox."""

SYSTEM_V_BYTES = 1 << 30
"""Of System V's shared memory, where the fence has its own."""

KINDS = ("bubblewrap", "user", "processes")
FENCED = "fenced"
"""Any of them but the last: what a server for strangers accepts when nothing else is said."""
MULTICAST = (
    "NCCL_NVLS_ENABLE", "TORCH_SYMM_MEM_DISABLE_MULTICAST", "NVSHMEM_DISABLE_NVLS",
)  # fmt: skip
"""Switches of NVLink's multicast: whoever runs a machine on which it must stay off sets them."""
CONTESTANTS_KNOW = (
    "PATH", "LD_LIBRARY_PATH", "CUDA_HOME", "CUDA_PATH", "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES", "ROCM_HOME", "ROCM_PATH",
    "HIP_VISIBLE_DEVICES", "TORCH_CUDA_ARCH_LIST", "CC", "CXX", "TRITON_INTERPRET",
    *MULTICAST,
)  # fmt: skip
"""Of the judge's environment."""
JUDGES_KNOW = (
    *CONTESTANTS_KNOW, "LANG", "HOME", "TMPDIR", "CUDA_MODULE_LOADING", "VIRTUAL_ENV",
    "XDG_RUNTIME_DIR", "KERNELBOT_INCLUDE_PATHS",
)  # fmt: skip
"""Of the worker's environment. Contestants inherit a template's memory, so no secret is in it."""
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2


@dataclass(frozen=True)
class Fence:
    """One way to start a contestant."""

    kind: str  # "bubblewrap" | "user" | "processes"
    uid: int = -1  # to become; -1: stay
    landlock: bool = True
    namespaces: bool = False
    join: bool = False  # bubblewrap: move into the sandbox instead of starting afresh in it


@dataclass(frozen=True)
class Plan:
    """What a process is to do to fence itself in. Nothing secret is in it."""

    uid: int
    parent: int
    landlock: bool
    namespaces: bool
    workdir: str
    read: list[str]
    memory_bytes: int  # address space; 0: unlimited (CUDA reserves far more than it uses)
    processes: int
    environment: dict[str, str] = field(default_factory=dict)
    look: bool = True  # whether the work folder is this uid's already, and must be within reach
    seccomp: str = ""  # the filter of system calls, in hexadecimal; "": none for this processor
    loopback: bool = False  # several ranks talk by TCP, in a network of their own
    outside: str = ""  # the network that this must not be


def fences(only: str = "", uid: int = -1) -> list[Fence]:
    """The fences worth trying here, strongest first; of one kind only when one is named.

    ``uid``: the one that was made for the process, where there is one.
    """
    root = os.getuid() == 0
    found = []
    if shutil.which("bwrap"):
        for join in (True, False):
            found.append(Fence("bubblewrap", uid, landlock=False, namespaces=root, join=join))
    if root:
        found.append(Fence("user", uid, namespaces=True))
        found.append(Fence("user", uid))
        found.append(Fence("user", uid, landlock=False))
    found.append(Fence("processes"))
    found.append(Fence("processes", landlock=False))
    if only == FENCED:
        return [fence for fence in found if fence.kind != "processes"]
    return [fence for fence in found if only in ("", fence.kind)]


def holds_groups(fence: Fence) -> bool:
    """Whether a process behind the fence is kept from moving itself to another control group."""
    return fence.kind != "processes" or fence.landlock


def network_to_leave(fence: Fence) -> str:
    """The network that processes which talk by TCP must not be in behind this fence; "" if any will do.

    Bubblewrap always makes a new one, and ``processes`` is for one's own machine.
    """
    return os.readlink("/proc/self/ns/net") if fence.kind == "user" else ""


def observed(fence: Fence, pids: list[int], ranks: int = 1) -> tuple[str, ...]:
    """What really holds the processes, by name, as far as the kernel tells.

    Several ``ranks`` talk over IPv4: in a network of their own, or in everybody's.
    """
    found = [fence.kind]
    fields = _innermost(pids)
    if fields.get("Uid", "").split()[:1] not in ([], [str(os.getuid())]):
        found.append("uid")
    if fields.get("NoNewPrivs") == "1":
        found.append("no-new-privileges")
    if fields.get("Seccomp") == "2":
        found.append("seccomp")
    if fence.landlock and landlock_version() > 0:
        found.append("landlock")
    for name, says in (
        ("net", "no-network" if ranks == 1 else "own-network"),
        ("pid", "own-pids"),
        ("mnt", "own-mounts"),
        ("ipc", "own-ipc"),
    ):
        with contextlib.suppress(OSError):
            if any(
                os.readlink(f"/proc/{pid}/ns/{name}") != os.readlink(f"/proc/self/ns/{name}")
                for pid in pids
            ):
                found.append(says)
    if "uid" in found and _hides_processes(pids):
        found.append("hidden-processes")
    if ranks > 1 and "own-network" not in found:
        found.append("open-network")
    return tuple(found)


def _hides_processes(pids: list[int]) -> bool:
    """Whether the /proc of the process that was started last shows it nobody else's. A kernel that has one /proc for
    everybody in a PID namespace takes the option and does not heed it; what it lists is what holds."""
    try:
        lines = Path(f"/proc/{max(pids)}/mountinfo").read_text(errors="replace").splitlines()
    except (OSError, ValueError):
        return False
    options = ""
    for line in lines:  # of several mounts on one place the last is seen
        mount, _, system = line.partition(" - ")
        if mount.split()[4:5] == ["/proc"]:
            options = system.split()[-1]
    return not {"hidepid=2", "hidepid=invisible"}.isdisjoint(options.split(","))


def _innermost(pids: list[int]) -> dict[str, str]:
    """The status of the process that was started last: the runtime, if others lead to it."""
    try:
        text = Path(f"/proc/{max(pids)}/status").read_text(errors="replace")
    except (OSError, ValueError):
        return {}
    return {
        name: value.strip()
        for name, _, value in (line.partition(":") for line in text.splitlines())
    }


def landlock_version() -> int:
    """What this kernel has of it; below 1: nothing."""
    libc = ctypes.CDLL(None, use_errno=True)
    version: int = libc.syscall(CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    return version


def beside(fence: Fence, another_uid: Callable[[], int]) -> Fence | None:
    """The same fence for a second process that the first must not reach; None if there is none.

    In its own PID namespace a process sees no other, and another uid's it can do nothing to.
    Landlock alone keeps signals and debuggers away, but not a change of priority or of cores.
    """
    if fence.kind == "bubblewrap":
        return fence
    return replace(fence, uid=another_uid()) if fence.uid >= 0 else None


def read_paths() -> list[str]:
    """What a contestant must be able to read: the system, this interpreter and its packages."""
    paths = [*SYSTEM, sys.prefix, sys.base_prefix, sys.exec_prefix]
    paths += [entry for entry in sys.path if entry.endswith(("site-packages", "dist-packages"))]
    paths.append(os.path.dirname(os.path.realpath(sys.executable)))
    real = [str(Path(entry).resolve()) for entry in paths]
    found = {entry for entry in (*paths, *real) if entry != "/" and os.path.exists(entry)}
    return sorted(found)


def environment(workdir: Path, device: str) -> dict[str, str]:
    """Everything a contestant gets to know: nothing of the referee's own variables but these."""
    passed = {name: os.environ[name] for name in CONTESTANTS_KNOW if name in os.environ}
    caches = workdir / "cache"
    own = {
        "HOME": str(workdir / "home"),
        "TMPDIR": str(workdir / "tmp"),
        "LANG": "C.UTF-8",
        "USER": "contestant",  # the uid has no name, and getpass.getuser() would raise
        "XDG_CACHE_HOME": str(caches),
        "TRITON_CACHE_DIR": str(caches / "triton"),
        "TORCH_EXTENSIONS_DIR": str(caches / "torch_extensions"),
        "TORCHINDUCTOR_CACHE_DIR": str(caches / "inductor"),
        # The driver's own cache would hold the judge's gate kernels too, in a folder that the
        # submission writes to, for the next process of the run to load.
        "CUDA_CACHE_DISABLE": "1",
        "MAX_JOBS": str(max(1, len(os.sched_getaffinity(0)))),
    }
    if device == "cpu":
        own["TRITON_INTERPRET"] = "1"
    # Extensions need ninja, which lives beside the interpreter in a virtual environment.
    passed["PATH"] = os.pathsep.join(
        (os.path.dirname(sys.executable), passed.get("PATH", "/usr/bin:/bin"))
    )
    return passed | own


def bubblewrap(plan: Plan, runtime: Path) -> list[str]:
    """The command line that builds the sandbox; the command to run in it is to follow."""
    flags = [
        "bwrap", "--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc",
        "--unshare-uts", "--unshare-cgroup-try", "--uid", "65534", "--gid", "65534",
        "--die-with-parent", "--hostname", "sandbox", "--cap-drop", "ALL",
    ]  # fmt: skip
    flags += _scratch("/tmp")  # noqa: S108
    for path in plan.read:
        if any(path.startswith(shown + os.sep) for shown in plan.read if not os.path.islink(shown)):
            continue  # there already, with the folder that it is in
        if os.path.islink(path):
            flags += ["--symlink", os.readlink(path), path]
        else:
            flags += ["--ro-bind", path, path]
    # /proc/sys is writable for a sandbox started by root: core_pattern would be root on the host.
    flags += ["--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys", "--dev", "/dev"]
    flags += _scratch("/dev/shm")  # noqa: S108
    flags += _accelerator_binds()
    flags += ["--ro-bind", str(runtime.parent), str(runtime.parent)]
    flags += ["--bind", plan.workdir, plan.workdir]
    # Both are files in memory of no bounded size: what is mounted in them stays as it is.
    return [*flags, "--chdir", plan.workdir, "--remount-ro", "/dev", "--remount-ro", "/", "--"]


def _scratch(place: str) -> list[str]:
    """An empty place of bounded size; older bubblewraps cannot bound it, memory limits still do."""
    return [*(["--size", str(SCRATCH_BYTES)] if _knows_size() else []), "--tmpfs", place]


@functools.cache
def _knows_size() -> bool:
    return b"--size" in subprocess.run(["bwrap", "--help"], capture_output=True, check=False).stdout


def _accelerator_binds() -> list[str]:
    nodes = sorted(
        str(path) for pattern in ("nvidia*", "kfd", "dri") for path in Path("/dev").glob(pattern)
    )
    flags = [word for node in nodes for word in ("--dev-bind-try", node, node)]
    if nodes:
        for path in (
            "/sys/devices",
            "/sys/bus/pci",
            "/sys/module/nvidia",
            "/sys/class/kfd",
            "/sys/class/drm",
        ):
            flags += ["--ro-bind-try", path, path]
    return flags


# --- from here on in the contestant's process, before anything submitted runs --------------------


def enter(plan: Plan) -> None:
    """Put up the fence around this process. Raises OSError when a part that was asked for fails."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    private = _private_namespaces(plan) if plan.namespaces else []
    if plan.outside == os.readlink("/proc/self/ns/net"):
        raise OSError("several ranks need a network of their own, and none can be made here")
    os.chdir(plan.workdir)
    _limits(plan)
    if plan.uid >= 0:
        os.setgroups([])
        os.setresgid(plan.uid, plan.uid, plan.uid)
        os.setresuid(plan.uid, plan.uid, plan.uid)
    elif os.getuid() == 0:
        _drop_capabilities()
    _prctl(38, 1)  # PR_SET_NO_NEW_PRIVS
    if plan.landlock:
        _landlock(plan, private)
    # After the change of uid, which clears it.
    _prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != plan.parent:
        os._exit(1)
    # A fence behind which the submission cannot be read is ours to notice, before it is blamed.
    if plan.look:
        os.scandir(plan.workdir).close()
    # And so is one behind which the interpreter's own library or torch's cannot: what is not imported yet would be
    # missing in the submission's name.
    for module in ("os", "torch"):
        if file := getattr(sys.modules.get(module), "__file__", None):
            os.scandir(os.path.dirname(file)).close()


def filter_system_calls(plan: Plan) -> None:
    """Install the filter, the last thing: what it refuses was needed until now."""
    if not plan.seccomp:
        return
    program = bytes.fromhex(plan.seccomp)
    content = ctypes.create_string_buffer(program, len(program))
    header = _Program(len(program) // 8, ctypes.addressof(content))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(header), 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")


def start_inside(bubblewrap: Sequence[str], command: Sequence[str], plan: Plan) -> None:
    """Become bubblewrap, which builds the sandbox, installs the filter and starts the command."""
    line = list(bubblewrap)
    if plan.seccomp:
        descriptor = os.memfd_create("filter", 0)
        os.write(descriptor, bytes.fromhex(plan.seccomp))
        os.lseek(descriptor, 0, os.SEEK_SET)
        line[1:1] = ["--seccomp", str(descriptor)]
    os.execvpe(line[0], [*line, *command], plan.environment)  # noqa: S606


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


NAMESPACES = ("pid", "net", "ipc", "uts", "cgroup", "mnt")
NS_GET_USERNS = 0xB701


def move_inside(bubblewrap: Sequence[str], workdir: str, channel: int) -> None:
    """Have bubblewrap build a sandbox and move into it. Returns in a process that is inside.

    The caller stays outside: it ends as the one inside does, and takes the sandbox along.
    """
    hold, release = os.pipe()
    inner = _anchored(bubblewrap, hold, release, channel)
    os.close(hold)
    libc = ctypes.CDLL(None, use_errno=True)
    for space in _spaces(inner):
        if libc.setns(space, 0):
            raise OSError(ctypes.get_errno(), "setns")
        os.close(space)
    os.chdir(workdir)
    child = os.fork()
    if child:
        os.close(channel)
        _drop_capabilities()
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        os._exit(code if code >= 0 else 128 - code)
    os.close(release)
    _prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    _drop_capabilities()


def _anchored(bubblewrap: Sequence[str], hold: int, release: int, channel: int) -> int:
    """A process in a sandbox that only waits until ``release`` is closed; its number out here."""
    told, tell = os.pipe()
    standing, stand = os.pipe()
    if not os.fork():
        os.close(channel)
        os.dup2(hold, 0)
        os.dup2(stand, 1)
        os.set_inheritable(tell, True)
        waiting = ["sh", "-c", "echo; exec cat"]
        os.execvp(bubblewrap[0], [bubblewrap[0], "--info-fd", str(tell), *bubblewrap[1:], *waiting])  # noqa: S606
    os.close(tell)
    os.close(stand)
    if os.read(standing, 1) != b"\n":
        raise OSError("bubblewrap did not come up")
    init = json.loads(os.read(told, 4096))["child-pid"]
    os.close(standing)
    os.close(told)
    (inner,) = Path(f"/proc/{init}/task/{init}/children").read_text().split()
    return int(inner)


def _spaces(pid: int) -> list[int]:
    """The namespaces to enter, in order: the user's that owns the others, those, the process's own.

    Bubblewrap makes a second user namespace after the mounts are done.
    """
    found = {name: os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY) for name in (*NAMESPACES, "user")}
    own = found.pop("user")
    owner = fcntl.ioctl(found["mnt"], NS_GET_USERNS)
    spaces = [owner, *found.values()]
    return spaces if os.path.sameopenfile(owner, own) else [*spaces, own]


def _limits(plan: Plan) -> None:
    wanted = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: FILE_BYTES,
        resource.RLIMIT_NPROC: plan.processes,
        resource.RLIMIT_NOFILE: 4096,
    }
    if plan.memory_bytes:
        wanted[resource.RLIMIT_AS] = plan.memory_bytes
    for limit, value in wanted.items():
        _, hard = resource.getrlimit(limit)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (value, value))


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl {option}")


def _drop_capabilities() -> None:
    """Root in name only: without this CAP_PERFMON alone reads the referee's environment."""
    _prctl(28, 0b11)  # PR_SET_SECUREBITS: NOROOT, locked, so that exec gives nothing back
    with contextlib.suppress(OSError):  # ends at the first capability this kernel has no number for
        for capability in range(64):
            _prctl(24, capability)  # PR_CAPBSET_DROP
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    nothing = (ctypes.c_uint32 * 6)()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.capset(header, nothing):
        raise OSError(ctypes.get_errno(), "capset")


SIOCSIFFLAGS, IFF_UP = 0x8914, 1
NEWNS, NEWIPC, NEWNET = 0x00020000, 0x08000000, 0x40000000
MS_REC, MS_PRIVATE, MS_BIND, MS_NOSUID, MS_NODEV = 0x4000, 0x40000, 0x1000, 0x2, 0x4


def _private_namespaces(plan: Plan) -> list[str]:
    """No network, no shared memory or temporary files of anybody else's (needs root).

    Returns the folders for everybody's files that hold nobody else's now.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(NEWNS | NEWIPC | NEWNET):
        return []  # a container without the right to: uid, limits and Landlock remain
    if plan.loopback:
        _raise_loopback()
    with contextlib.suppress(OSError):  # no process's own figures show what none is attached to
        Path("/proc/sys/kernel/shmall").write_text(str(SYSTEM_V_BYTES // os.sysconf("SC_PAGESIZE")))
    _mount(libc, "none", "/", None, MS_REC | MS_PRIVATE)
    # An interpreter in somebody's home folder, a tree in /tmp, temporary files in a closed folder: show what is
    # needed without showing the folder.
    needed = [*plan.read, os.path.dirname(plan.workdir)]
    private = [place for place in ("/dev/shm", "/tmp") if os.path.isdir(place)]  # noqa: S108
    for place in private:
        _cover(libc, place, needed, "size=1g,mode=1777")
    for place in {closed for path in needed if (closed := _closed_ancestor(path))}:
        _cover(libc, place, needed, "size=1m,mode=0755")
    # Only one's own processes; refused where parts of /proc are covered, as in many containers.
    with contextlib.suppress(OSError):
        _mount(libc, "proc", "/proc", "proc", MS_NOSUID | MS_NODEV, "hidepid=2")
    return private


def _raise_loopback() -> None:
    """A new network's only interface is down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as some:
        fcntl.ioctl(some, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))


def _cover(libc: ctypes.CDLL, place: str, keep: list[str], options: str) -> None:
    """An empty folder over ``place`` in which only ``keep`` is still there."""
    inside = [path for path in keep if path.startswith(place + os.sep)]
    kept = [(path, os.open(path, os.O_PATH | os.O_DIRECTORY)) for path in inside]
    _mount(libc, "tmpfs", place, "tmpfs", MS_NOSUID | MS_NODEV, options)
    for path, descriptor in kept:
        os.makedirs(path, exist_ok=True)
        _mount(libc, f"/proc/self/fd/{descriptor}", path, None, MS_BIND | MS_REC)
        os.close(descriptor)


def _closed_ancestor(path: str) -> str:
    """The topmost folder on the way to ``path`` that other users may not enter; "" if none."""
    for parent in reversed(Path(path).parents):
        if not parent.stat().st_mode & 0o001:
            return str(parent)
    return ""


def _mount(
    libc: ctypes.CDLL, source: str, target: str, kind: str | None, flags: int, data: str = ""
) -> None:
    status = libc.mount(
        source.encode(), target.encode(), kind.encode() if kind else None,
        ctypes.c_ulong(flags), data.encode() or None,
    )  # fmt: skip
    if status:
        raise OSError(ctypes.get_errno(), f"mount {target}")


CREATE, ADD_RULE, RESTRICT = 444, 445, 446  # system calls, the same on x86-64 and arm64
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
TRUNCATE = 1 << 14


class _Ruleset(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("access", ctypes.c_uint64), ("parent", ctypes.c_int32))


def _landlock(plan: Plan, private: Sequence[str]) -> None:
    """Files outside the allowed folders, TCP, and signals to processes outside: all refused."""
    libc = ctypes.CDLL(None, use_errno=True)
    version = landlock_version()
    if version < 1:
        return  # a kernel without it; the other parts of the fence remain
    handled = (1 << (13 if version == 1 else 14 if version == 2 else 15)) - 1
    # Several ranks talk by TCP; what it leads to is the network's to say.
    ports = 0b11 if version >= 4 and not plan.loopback else 0
    rules = _Ruleset(handled, ports, 0b11 if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = libc.syscall(CREATE, ctypes.byref(rules), ctypes.c_size_t(size), ctypes.c_uint32(0))
    if ruleset < 0:
        raise OSError(ctypes.get_errno(), "landlock_create_ruleset")
    read = EXECUTE | READ_FILE | READ_DIR
    for path in (*plan.read, "/proc", "/sys"):
        _allow(libc, ruleset, path, read & handled)
    # CUDA names its threads, and does not start where it may not. A uid of its own can write to
    # nobody else's files in there.
    own = "/proc" if plan.uid >= 0 else "/proc/self/task"
    _allow(libc, ruleset, own, (read | WRITE_FILE) & handled)
    _allow(libc, ruleset, "/dev", (READ_FILE | READ_DIR | WRITE_FILE | TRUNCATE) & handled)
    # Plenty of code keeps something in /tmp by that name: it may where nobody else's files are.
    for path in (plan.workdir, "/dev/shm", *private):  # noqa: S108
        _allow(libc, ruleset, path, handled)
    if libc.syscall(RESTRICT, ctypes.c_int(ruleset), ctypes.c_uint32(0)):
        raise OSError(ctypes.get_errno(), "landlock_restrict_self")
    os.close(ruleset)


def _allow(libc: ctypes.CDLL, ruleset: int, path: str, access: int) -> None:
    if not os.path.exists(path):
        return
    parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    if not os.path.isdir(path):
        access &= EXECUTE | READ_FILE | WRITE_FILE | TRUNCATE
    rule = _Beneath(access, parent)
    try:
        if libc.syscall(ADD_RULE, ctypes.c_int(ruleset), 1, ctypes.byref(rule), ctypes.c_uint32(0)):
            raise OSError(ctypes.get_errno(), f"landlock_add_rule {path}")
    finally:
        os.close(parent)
