# expect: passed
# mode: ranked
# at least: 15 ms
# Poisons what the measured process will import; it has imported already.
import gc
import os
import sys
import time

runtime = next(o for o in gc.get_objects() if type(o).__name__ == "Runtime")

for folder in (os.getcwd(), os.path.dirname(__file__), os.environ["HOME"], os.environ["TMPDIR"]):
    for name in ("sitecustomize.py", "usercustomize.py", "random.py", "json.py", "struct.py"):
        try:
            with open(os.path.join(folder, name), "w") as file:
                file.write("import time\ntime.perf_counter_ns = lambda: 0\n")
        except OSError:
            pass
try:
    with open(sys.modules[type(runtime).__module__].__file__, "a") as file:
        file.write("raise SystemExit\n")
except OSError:
    pass


def custom_kernel(data):
    a, b, out = data
    time.sleep(0.02)
    return a + b
