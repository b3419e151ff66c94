# expect: passed or disqualified or crashed
# at least: 15 ms
# A timer of the kernel's continues the process whenever it is stopped: it works on the next input as soon as that is
# written, before anybody has told it to begin.
import ctypes
import signal
import threading
import time

SIGCONT, CLOCK_MONOTONIC = 18, 1
libc = ctypes.CDLL(None, use_errno=True)
event = (ctypes.c_int * 16)()
signal.signal(SIGCONT, lambda *args: None)
event[2], event[3] = SIGCONT, 0  # sigev_signo, SIGEV_SIGNAL
timer = ctypes.c_void_p()
made = libc.timer_create(CLOCK_MONOTONIC, event, ctypes.byref(timer)) == 0
once = (ctypes.c_long * 4)(0, 0, 0, 15_000_000)
begun = {}
case = []


def early():
    seen = None
    while True:
        if case and (first := case[0][0][0].item()) != seen and first not in begun:
            seen = first
            begun[first] = time.perf_counter()
        time.sleep(0.0002)


threading.Thread(target=early, daemon=True).start()


def custom_kernel(data):
    case[:] = [data]
    a, b, out = data
    first = a[0].item()
    while time.perf_counter() - begun.get(first, time.perf_counter()) < 0.02:
        time.sleep(0.0001)
    out.copy_(a + b)
    if made:
        libc.timer_settime(timer, 0, once, None)
    return out
