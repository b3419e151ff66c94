# expect: wrong_answer or crashed
# device: cuda
# at least: 15 ms
# Takes the joining of streams out of the runtime and works on a side stream.
import gc

import torch

runtime = next(o for o in gc.get_objects() if type(o).__name__ == "Runtime")
runtime.gates.driver._join = None
side = torch.cuda.Stream()


def custom_kernel(data):
    a, b, out = data
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        torch.cuda._sleep(60_000_000)
        torch.add(a, b, out=out)
    return out
