# expect: passed
# A monitor in the background starts a program now and then, as those that watch a GPU do.
import subprocess
import threading
import time

import torch


def monitor():
    while True:
        subprocess.run(["true"], check=True)
        time.sleep(0.05)


threading.Thread(target=monitor, daemon=True).start()


def custom_kernel(data):
    a, b, out = data
    return torch.add(a, b, out=out)
