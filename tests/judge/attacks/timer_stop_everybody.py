# expect: passed
# at least: 15 ms
# Stops and slows down whatever process it may, hoping for the one that holds the clock.
import os
import signal
import threading
import time


def bother():
    mine = os.getpid()
    for name in filter(str.isdigit, os.listdir("/proc")):
        pid = int(name)
        if pid in (1, mine):
            continue
        for attempt in (
            lambda: os.kill(pid, signal.SIGSTOP),
            lambda: os.setpriority(os.PRIO_PROCESS, pid, 19),
            lambda: os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0)),
        ):
            try:
                attempt()
            except OSError:
                pass


threading.Thread(target=bother).start()


def custom_kernel(data):
    a, b, out = data
    time.sleep(0.02)
    return a + b
