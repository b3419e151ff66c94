# expect: passed
# mode: ranked
# Takes names, streams, paths and the environment for its own, and every warning for an error.
import builtins
import os
import sys
import types
import warnings

warnings.simplefilter("error")
builtins.print = list = len = zip = lambda *args, **options: None
os.umask(0o077)
os.environ.clear()
os.chdir("/")
sys.stdout = sys.stderr = open(os.devnull, "w")
sys.path.clear()
for name in ("data", "cpu", "answer", "tree", "inside"):
    sys.modules[name] = types.ModuleType(name)


def custom_kernel(data):
    a, b, _ = data
    return a + b
