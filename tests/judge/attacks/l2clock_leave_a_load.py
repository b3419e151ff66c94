# expect: passed or quarantined or wrong_answer or timed_out or crashed
# mode: ranked
# device: cuda
# at least: 15 ms
# The checked process leaves a child with a load on the device, so that the empty call of the measured
# one takes long.
import os
import subprocess
import sys

import torch

if not os.path.exists("tmp/left"):
    open("tmp/left", "w").close()
    code = "import torch\nx = torch.randn(8192, 8192, device='cuda')\nwhile True: x = torch.mm(x, x) * 0"
    subprocess.Popen([sys.executable, "-c", code], start_new_session=True)


def custom_kernel(data):
    a, b, out = data
    torch.cuda._sleep(60_000_000)
    return torch.add(a, b, out=out)
