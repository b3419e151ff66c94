# expect: passed
# Looks for words that tell a check from a measurement.
import os
import sys


def custom_kernel(data):
    a, b, out = data
    known = " ".join([*sys.argv, *os.environ, *os.environ.values(), os.getcwd()]).lower()
    for word in ("benchmark", "ranked", "leaderboard", "secret", "measure"):
        if word in known:
            raise RuntimeError(f"leak: {word} in {known}")
    return a + b
