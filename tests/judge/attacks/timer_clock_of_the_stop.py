# expect: passed
# at least: 15 ms
# Takes every core at the highest priority it can have when it has rung, so that the referee reads its clock late or not.
import os
import threading
import time

try:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
except OSError:
    pass
try:
    os.nice(-20)
except OSError:
    pass


def spin():
    end = time.perf_counter() + 0.01
    while time.perf_counter() < end:
        pass


def custom_kernel(data):
    time.sleep(0.02)
    for _ in range(4):
        threading.Thread(target=spin, daemon=True).start()
    return data[0] + data[1]
