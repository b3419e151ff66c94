# expect: passed or crashed
# at least: 15 ms
# Device events that claim no time at all.
import time

import torch


class Event:
    def __init__(self, *args, **kwargs):
        pass

    def record(self, *args):
        pass

    def synchronize(self):
        pass

    def elapsed_time(self, other):
        return 1e-6


torch.cuda.Event = Event
torch.cuda.synchronize = lambda *args: None


def custom_kernel(data):
    a, b, out = data
    time.sleep(0.02)
    out.copy_(a + b)
    return out
