# expect: passed
# only: cpu
# at least: 15 ms
# A thread is inside one long read when the call returns. Signals and freezers let system calls end
# first, so the kernel would bring the answer after the clock has stopped.
import ctypes
import os
import threading
import time

libc = ctypes.CDLL(None)
SCRATCH = 16 << 20
ROUNDS = 100
source = os.memfd_create("source")
os.ftruncate(source, SCRATCH * ROUNDS + (1 << 20))
for round in range(ROUNDS):
    os.pwrite(source, b"\1", round * SCRATCH)
scratch = ctypes.create_string_buffer(SCRATCH)


class Part(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


def custom_kernel(data):
    a, b, out = data
    os.pwrite(source, (a + b).numpy().tobytes(), SCRATCH * ROUNDS)
    parts = (Part * (ROUNDS + 1))(*[Part(ctypes.addressof(scratch), SCRATCH)] * ROUNDS)
    parts[ROUNDS] = Part(out.data_ptr(), out.numel() * out.element_size())
    scratch[0] = b"\0"
    threading.Thread(target=libc.preadv, args=(source, parts, ROUNDS + 1, ctypes.c_long(0)), daemon=True).start()
    while scratch[0] == b"\0":  # until the kernel is at it
        time.sleep(0.0001)
    return out
