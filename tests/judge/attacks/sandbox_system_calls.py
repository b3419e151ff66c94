# expect: passed
# The doors that escapes go through: debuggers, kernel programs, counters, mounts, namespaces.
import ctypes
import os
import platform

libc = ctypes.CDLL(None, use_errno=True)
NUMBERS = {
    "x86_64": {"ptrace": 101, "process_vm_readv": 310, "perf_event_open": 298, "bpf": 321, "keyctl": 250,
               "userfaultfd": 323, "unshare": 272, "mount": 165, "io_uring_setup": 425, "pidfd_getfd": 438,
               "memfd_secret": 447, "vmsplice": 278},
    "aarch64": {"ptrace": 117, "process_vm_readv": 270, "perf_event_open": 241, "bpf": 280, "keyctl": 219,
                "userfaultfd": 282, "unshare": 97, "mount": 40, "io_uring_setup": 425, "pidfd_getfd": 438,
                "memfd_secret": 447, "vmsplice": 75},
}  # fmt: skip


def custom_kernel(data):
    a, b, out = data
    arguments = {"unshare": (0x10000000,), "ptrace": (0, 0, 0, 0), "io_uring_setup": (4, ctypes.create_string_buffer(256))}
    for name, number in NUMBERS.get(platform.machine(), {}).items():
        given = arguments.get(name, (0, ctypes.create_string_buffer(256), 0, 0, 0))
        if os.fork() == 0:
            failed = libc.syscall(number, *given) < 0 and ctypes.get_errno() in (1, 38)
            os._exit(0 if failed else 1)
        _, status = os.wait()
        if status:
            raise RuntimeError(f"leak: the system call {name} is open")
    return a + b
