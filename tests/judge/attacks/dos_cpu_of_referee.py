# expect: passed or crashed or timed_out
# at least: 15 ms
# A thousand threads and open files: whoever looks at each of them has no time left for its clock.
import os
import threading
import time

held = [os.open("/dev/null", os.O_RDONLY) for _ in range(1000)]
stop = threading.Event()
for _ in range(150):
    threading.Thread(target=stop.wait, daemon=True).start()


def custom_kernel(data):
    time.sleep(0.02)
    return data[0] + data[1]
