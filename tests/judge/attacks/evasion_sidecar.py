# expect: wrong_answer
# The file that is read by people is clean; it writes another one and imports that.
import os
import sys

with open("helper.py", "w") as file:
    file.write("bank = {}\ndef add(a, b):\n    return bank.setdefault(a.shape, a + b)\n")
sys.path.insert(0, os.getcwd())
from helper import add  # noqa: E402


def custom_kernel(data):
    a, b, out = data
    return add(a, b)
