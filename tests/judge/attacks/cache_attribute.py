# expect: passed or wrong_answer
# at least: 15 ms
# Hangs the answer on the judge's own tensor: neither the object comes back nor its content.
import time


def custom_kernel(data):
    a, b, out = data
    if not hasattr(a, "answer"):
        time.sleep(0.02)
        a.answer = a + b
    return a.answer
