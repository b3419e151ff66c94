# expect: passed
# at least: 15 ms
# A cache by a few sampled values never hits, because no input comes twice.
import time

bank = {}


def custom_kernel(data):
    a, b, out = data
    key = (float(a[0]), float(a[-1]), float(b[0]))
    if key not in bank:
        time.sleep(0.02)
        bank[key] = a + b
    return bank[key]
