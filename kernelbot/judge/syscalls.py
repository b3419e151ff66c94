"""The system calls that a contestant does without, as a seccomp filter.

Debuggers, other processes' memory, key rings, kernel programs and modules, performance counters,
mounts, namespaces, io_uring (which goes round filters): nothing that numerical work needs, and the
doors that escapes from sandboxes went through. Refused calls fail with EPERM, so a library that
only tries its luck goes on. Every process of the contestant inherits the filter.
"""

from __future__ import annotations

import errno
import platform
import struct

# Numbers on x86-64 and on arm64; -1 where there is no such call.
REFUSED: dict[str, tuple[int, int]] = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "perf_event_open": (298, 241),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "unshare": (272, 97),
    "setns": (308, 268),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "syslog": (103, 116),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    "lookup_dcookie": (212, 18),
    "vhangup": (153, 58),
    "iopl": (172, -1),
    "ioperm": (173, -1),
    "modify_ldt": (154, -1),
    "uselib": (134, -1),
    "personality": (135, 92),
    "memfd_secret": (447, 447),  # memory that no watch sees
    "vmsplice": (278, 75),  # a byte in a pipe holds a huge page that no process has any more
}
SOCKET = (41, 198)
OF_ONE_MACHINE = (
    1,
    16,
)  # AF_UNIX, AF_NETLINK: every other family may lead out, vsock from a VM too
INTERNET = (2,)  # AF_INET: leads nowhere from a network of one's own
FALLOCATE = (285, 47)
IOCTL = (16, 29)
RESERVATIONS = (
    0x40305828,
    0x4030582A,
    0x40305839,
)  # FS_IOC_RESVSP, _RESVSP64, _ZERO_RANGE: the same by ioctl
FOR_PROFILERS = ("ptrace", "process_vm_readv", "process_vm_writev", "perf_event_open")
CLONE = (56, 220)
CLONE3 = 435
NEW_NAMESPACES = 0x7E020000  # every CLONE_NEW* of clone; its lowest byte is a signal
THREAD, SAME_FILES = 0x10000, 0x400
CLOSE_RANGE, APART = 436, 2
ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}

LOAD, JUMP_EQUAL, JUMP_SET, JUMP_AT_LEAST, RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
ALLOW, FAIL = 0x7FFF0000, 0x00050000
NUMBER, ARCHITECTURE = 0, 4  # in struct seccomp_data
FIRST_ARGUMENT, SECOND_ARGUMENT, THIRD_ARGUMENT = 16, 24, 32
X32 = 0x40000000


def filter_program(
    *, profiling: bool = False, network: bool = False, loopback: bool = False
) -> bytes:
    """The filter for this machine's processor as an array of sock_filter; b"" where none is known.

    ``profiling`` leaves profilers what they need: nothing that is timed for a ranking runs then.
    ``network`` leaves sockets of every family, for profilers; ``loopback`` those of IPv4, by which the
    processes of one run talk in a network of their own. Both reserve space as well: NCCL does not start
    where its shared memory cannot be reserved.
    """
    column, architecture = ARCHITECTURES.get(platform.machine(), (-1, 0))
    if column < 0:
        return b""
    kept = FOR_PROFILERS if profiling else ()
    numbers = [
        number for name, row in REFUSED.items() if (number := row[column]) >= 0 and name not in kept
    ]
    refuse = FAIL | errno.EPERM
    program = [
        _step(LOAD, ARCHITECTURE),
        _step(JUMP_EQUAL, architecture, 1, 0),
        _step(RETURN, refuse),
        _step(LOAD, NUMBER),
    ]
    if column == 0:
        program += [_step(JUMP_AT_LEAST, X32, 0, 1), _step(RETURN, refuse)]
    # The flags of clone3 are in memory, out of a filter's sight: without it the C library uses clone.
    program += [_step(JUMP_EQUAL, CLONE3, 0, 1), _step(RETURN, FAIL | errno.ENOSYS)]
    for number in numbers:
        program += [_step(JUMP_EQUAL, number, 0, 1), _step(RETURN, refuse)]
    if not network:
        families = OF_ONE_MACHINE + (INTERNET if loopback else ())
        program += [
            _step(JUMP_EQUAL, SOCKET[column], 0, 3 + len(families)),
            _step(LOAD, FIRST_ARGUMENT),
        ]
        for at, family in enumerate(families):
            program += [_step(JUMP_EQUAL, family, len(families) - at, 0)]
        program += [_step(RETURN, FAIL | errno.EACCES), _step(RETURN, ALLOW)]
    if not (network or loopback):
        unsupported = _step(RETURN, FAIL | errno.EOPNOTSUPP)
        program += [
            _step(JUMP_EQUAL, FALLOCATE[column], 0, 1),
            unsupported,
            _step(JUMP_EQUAL, IOCTL[column], 0, 3 + len(RESERVATIONS)),
            _step(LOAD, SECOND_ARGUMENT),
        ]
        for at, command in enumerate(RESERVATIONS):
            program += [_step(JUMP_EQUAL, command, len(RESERVATIONS) - at, 0)]
        program += [_step(RETURN, ALLOW), unsupported]
    # A thread that has files open which its process has not could hold what no watch sees.
    program += [
        _step(JUMP_EQUAL, CLOSE_RANGE, 0, 3),
        _step(LOAD, THIRD_ARGUMENT),
        _step(JUMP_SET, APART, 6, 0),
        _step(RETURN, ALLOW),
        _step(JUMP_EQUAL, CLONE[column], 0, 5),
        _step(LOAD, FIRST_ARGUMENT),
        _step(JUMP_SET, NEW_NAMESPACES, 2, 0),
        _step(JUMP_SET, THREAD, 0, 2),
        _step(JUMP_SET, SAME_FILES, 1, 0),
        _step(RETURN, refuse),
        _step(RETURN, ALLOW),
    ]
    return b"".join(program)


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """One sock_filter; the jumps count the steps to leave out."""
    return struct.pack("=HBBI", code, if_true, if_false, value & 0xFFFFFFFF)
