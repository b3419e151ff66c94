# expect: passed
# mode: ranked
# A path longer than the system takes: whoever builds it as a string fails.
import os

NAME = "d" * 200
here = os.getcwd()
if not os.path.exists(NAME):
    for _ in range(60):
        os.mkdir(NAME)
        os.chdir(NAME)
    open("file", "w").close()
    os.chdir(here)


def custom_kernel(data):
    a, b, out = data
    out.copy_(a + b)
    return out
