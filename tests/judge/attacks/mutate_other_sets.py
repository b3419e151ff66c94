# expect: passed or wrong_answer
# device: cuda
# Writes over all the memory that other calls have had or will have.
import gc

import torch

runtime = next(o for o in gc.get_objects() if type(o).__name__ == "Runtime")


def custom_kernel(data):
    a, b, out = data
    torch.add(a, b, out=out)
    for at, slots in enumerate(runtime.case.slots):
        if at != runtime.case.at:
            for slot in slots:
                slot.fill_(7.0)
    return out
