# expect: passed or wrong_answer
# only: cpu
# at least: 15 ms
# The kernel's own asynchronous input: the answer is on its way from a file when the call is over.
import ctypes
import os
import struct
import time

libc = ctypes.CDLL(None)
IO_SETUP, IO_SUBMIT = 206, 209  # on x86-64
context = ctypes.c_ulong(0)
libc.syscall(IO_SETUP, 8, ctypes.byref(context))
file = os.open("answer", os.O_RDWR | os.O_CREAT)


def custom_kernel(data):
    a, b, out = data
    time.sleep(0.02)
    answer = (a + b).numpy().tobytes()
    os.pwrite(file, answer, 0)
    order = struct.pack("<QIIHhIQQq16x", 0, 0, 0, 0, 0, file, out.data_ptr(), len(answer), 0)
    orders = (ctypes.c_char_p * 1)(order)
    return out if libc.syscall(IO_SUBMIT, context, 1, orders) == 1 else a + b
