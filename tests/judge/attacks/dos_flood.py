# expect: passed
# Prints far more than anybody wants to keep.
import os


def custom_kernel(data):
    a, b, out = data
    for _ in range(64):
        os.write(1, b"x" * (1 << 18))
    return a + b
