# expect: quarantined or passed or crashed
# device: cuda
# at least: 15 ms
# Records the judge's own start event again when the work is done.
import gc

import torch


def custom_kernel(data):
    a, b, out = data
    torch.cuda._sleep(60_000_000)
    torch.add(a, b, out=out)
    for event in gc.get_objects():
        if isinstance(event, torch.cuda.Event):
            event.record()
    return out
