# expect: crashed or wrong_answer
# device: cuda
# A fault on the device when the call is long over: it must end this program and nobody else's.
import threading
import time

import torch

side = torch.cuda.Stream()


def custom_kernel(data):
    a, b, out = data

    def later():
        time.sleep(0.002)
        with torch.cuda.stream(side):
            torch.zeros(4, device=a.device)[torch.full((4,), 1 << 40, device=a.device)]

    threading.Thread(target=later).start()
    return torch.add(a, b, out=out)
