# expect: passed
# at least: 15 ms
# Every clock of the process stands still; the deciding one is in another process.
import time

sleep = time.sleep
for name in ("time", "perf_counter", "monotonic", "process_time"):
    setattr(time, name, lambda: 0.0)
    setattr(time, name + "_ns", lambda: 0)


def custom_kernel(data):
    a, b, out = data
    sleep(0.02)
    out.copy_(a + b)
    return out
