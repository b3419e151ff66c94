# expect: wrong_answer
# Works when the collector finds the cycle that the answer is in, some calls later.
import gc
import weakref

import torch

gc.set_threshold(10_000)


class Holder:
    pass


def work(data):
    a, b, out = data
    torch.add(a, b, out=out)


def custom_kernel(data):
    holder = Holder()
    holder.itself = holder
    weakref.finalize(holder, work, data)
    return data[2]
