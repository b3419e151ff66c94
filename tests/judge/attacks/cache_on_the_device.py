# expect: passed or quarantined
# device: cuda
# at least: 15 ms
# Keeps answers in device memory under a few values of their inputs: right for the second call on the same
# input, of no use in a measured one.
import torch

answers = {}


def custom_kernel(data):
    a, b, out = data
    key = (a[:3].tolist(), b[-3:].tolist())
    key = (a.numel(), *map(tuple, key))
    if key in answers:
        return out.copy_(answers[key])
    torch.cuda._sleep(60_000_000)
    torch.add(a, b, out=out)
    answers[key] = out.clone()
    return out
