# expect: passed
# mode: ranked
# at least: 15 ms
# The file that was handed in becomes another one before the process that is measured reads it, and so does what
# Python has compiled of it.
import importlib.util
import os
import py_compile
import time

OTHER = "def custom_kernel(data):\n    return data[0] + data[1]\n"


def custom_kernel(data):
    with open(__file__, "w") as file:
        file.write(OTHER)
    compiled = importlib.util.cache_from_source(__file__)
    os.makedirs(os.path.dirname(compiled), exist_ok=True)
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(__file__, compiled, invalidation_mode=unchecked)
    time.sleep(0.02)
    return data[0] + data[1]
