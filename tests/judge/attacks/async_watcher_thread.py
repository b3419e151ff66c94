# expect: passed
# at least: 15 ms
# A thread watches the input's memory to start before the clock does; it stands still till then.
import threading
import time

state = {"data": None, "for": None, "sum": None}


def watch():
    while True:
        data = state["data"]
        if data is None:
            time.sleep(0.001)
            continue
        a, b, _ = data
        key = float(a[0])
        if state["for"] == key:
            continue
        time.sleep(0.02)
        state["sum"] = a + b
        state["for"] = key


threading.Thread(target=watch, daemon=True).start()


def custom_kernel(data):
    a, b, out = data
    state["data"] = data
    while state["for"] != float(a[0]):
        time.sleep(0.0001)
    out.copy_(state["sum"])
    return out
