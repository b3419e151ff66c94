"""The filter of system calls: what it refuses, and that honest work does not notice."""

from __future__ import annotations

import errno
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from kernelbot.judge import syscalls

NUMBER = {"x86_64": 0, "aarch64": 1}[platform.machine()]

BEHIND = """
import ctypes, sys
program = bytes.fromhex(sys.argv[1])
content = ctypes.create_string_buffer(program, len(program))
class Header(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))
libc = ctypes.CDLL(None, use_errno=True)
header = Header(len(program) // 8, ctypes.addressof(content))
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(header), 0, 0) == 0
"""


def behind(source: str, program: bytes) -> str:
    done = subprocess.run(
        [sys.executable, "-c", BEHIND + source, program.hex()],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return done.stdout.strip()


def errno_of(number: int, program: bytes, arguments: str = "0, 0, 0, 0, 0") -> int:
    source = (
        f"code = libc.syscall({number}, {arguments})\nprint(ctypes.get_errno() if code < 0 else 0)"
    )
    return int(behind(source, program))


@pytest.mark.parametrize(
    "name",
    [
        "ptrace",
        "process_vm_readv",
        "bpf",
        "userfaultfd",
        "mount",
        "setns",
        "memfd_secret",
        "vmsplice",
    ],
)
def test_what_no_kernel_needs_is_refused(name: str) -> None:
    number = syscalls.REFUSED[name][NUMBER]
    assert errno_of(number, syscalls.filter_program()) == errno.EPERM


def test_namespaces_are_refused_and_threads_and_processes_are_not() -> None:
    program = syscalls.filter_program()
    assert errno_of(syscalls.CLONE3, program) == errno.ENOSYS
    assert (
        errno_of(syscalls.CLONE[NUMBER], program, "ctypes.c_long(0x10000011), 0, 0, 0, 0")
        == errno.EPERM
    )
    source = (
        "import subprocess, threading, multiprocessing, socket\n"
        "thread = threading.Thread(target=print, args=('thread',)); thread.start(); thread.join()\n"
        "print(subprocess.run(['echo', 'child'], capture_output=True, text=True).stdout.strip(), flush=True)\n"
        "a, b = socket.socketpair(); a.send(b'x'); print(b.recv(1).decode())"
    )
    assert behind(source, program).split() == ["thread", "child", "x"]


@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6", "AF_PACKET", "AF_VSOCK", "AF_ALG"])
def test_only_families_that_stay_on_the_machine_are_left(family: str) -> None:
    script = (
        "import socket\n"
        f"try: socket.socket(socket.{family}, socket.SOCK_DGRAM)\n"
        "except PermissionError: print('refused')\n"
        "print(socket.socket(socket.AF_UNIX).family.name)\n"
    )
    assert behind(script, syscalls.filter_program()).split() == ["refused", "AF_UNIX"]


def test_sockets_to_other_machines_are_refused_unless_processes_of_a_run_need_them() -> None:
    source = (
        "import socket\n"
        "for family in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_VSOCK):\n"
        "    try: socket.socket(family).close(); print('open')\n"
        "    except PermissionError: print('refused')"
    )
    assert behind(source, syscalls.filter_program()).split() == ["open"] + ["refused"] * 3
    ranks = syscalls.filter_program(loopback=True)
    assert behind(source, ranks).split() == ["open", "open", "refused", "refused"]
    assert "refused" not in behind(source, syscalls.filter_program(network=True))


def test_disk_space_is_written_and_reserved_only_where_shared_memory_needs_it(
    tmp_path: Path,
) -> None:
    source = (
        "import errno, fcntl, os, struct\n"
        f"file = os.open({str(tmp_path / 'file')!r}, os.O_RDWR | os.O_CREAT)\n"
        "space = struct.pack('hhqqIIQQ', 0, 0, 0, 4096, 0, 0, 0, 0)\n"
        f"for command in {syscalls.RESERVATIONS}:\n"
        "    try: fcntl.ioctl(file, command, space); print('reserved')\n"
        "    except OSError as error: print(errno.errorcode[error.errno])\n"
        f"code = libc.syscall({syscalls.FALLOCATE[NUMBER]}, file, 0, 0, 4096)\n"
        "print(errno.errorcode[ctypes.get_errno()] if code else 'reserved')\n"
        "os.posix_fallocate(file, 0, 1 << 20)\n"
        "print(struct.unpack('i', fcntl.ioctl(file, 0x541B, bytes(4)))[0])"  # FIONREAD: left to read
    )
    found = behind(source, syscalls.filter_program()).split()
    assert found == ["ENOTSUP"] * 4 + [str(1 << 20)]
    for program in (syscalls.filter_program(loopback=True), syscalls.filter_program(network=True)):
        assert "ENOTSUP" not in behind(source, program)


def test_a_profiler_keeps_what_it_needs() -> None:
    number = syscalls.REFUSED["process_vm_readv"][NUMBER]
    itself = "__import__('os').getpid(), None, 0, None, 0, 0"
    assert errno_of(number, syscalls.filter_program(), itself) == errno.EPERM
    assert errno_of(number, syscalls.filter_program(profiling=True), itself) == 0


def test_no_filter_is_made_for_a_processor_whose_numbers_are_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert syscalls.filter_program() == b""


def test_a_thread_has_no_open_files_of_its_own() -> None:
    program = syscalls.filter_program()
    thread = "ctypes.c_long(0x10f00 & ~0x400), 0, 0, 0, 0"
    assert errno_of(syscalls.CLONE[NUMBER], program, thread) == errno.EPERM
    nothing = "ctypes.c_long(1 << 20), ctypes.c_long(1 << 20), ctypes.c_long({})"
    assert errno_of(syscalls.CLOSE_RANGE, program, nothing.format(2)) == errno.EPERM
    assert errno_of(syscalls.CLOSE_RANGE, program, nothing.format(0)) == 0
