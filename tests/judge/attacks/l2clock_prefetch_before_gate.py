# expect: passed or quarantined or wrong_answer or crashed
# device: cuda
# at least: 15 ms
# Reads its inputs on a stream that does not wait for the gate: flushed lines are back in the cache.
import torch

side = torch.cuda.Stream()


def custom_kernel(data):
    a, b, out = data
    with torch.cuda.stream(side):
        for _ in range(4):
            (a.sum() + b.sum()).item()
    torch.cuda._sleep(60_000_000)
    return torch.add(a, b, out=out)
