# expect: passed
# mode: ranked
# at least: 15 ms
# Leaves a sitecustomize, a .pth file and a shadow of a standard module for the next interpreter,
# which would slow down the empty call and so be paid for it.
import os
import site
import sys
import time

POISON = "import time\n_sleep = time.sleep\nimport threading\nthreading.Thread(target=lambda: [_sleep(0.001) or sum(range(9**6)) for _ in iter(int, 1)], daemon=True).start()\n"
places = {os.getcwd(), os.environ["HOME"], *sys.path, site.getusersitepackages()}
for place in filter(None, places):
    for name in ("sitecustomize.py", "usercustomize.py", "random.py", "evil.pth", "torch.py"):
        try:
            os.makedirs(place, exist_ok=True)
            with open(os.path.join(place, name), "x") as file:
                file.write(POISON)
        except OSError:
            pass


def custom_kernel(data):
    a, b, out = data
    time.sleep(0.02)
    return a + b
