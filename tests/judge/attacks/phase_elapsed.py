# expect: wrong_answer
# Measuring calls come in quick succession, checks do not.
import time

last = [0.0]


def custom_kernel(data):
    a, b, out = data
    now = time.monotonic()
    quick, last[0] = now - last[0] < 1.0, now
    return a if quick else a + b
