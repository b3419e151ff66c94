# expect: passed
# A cache of compiled variants, keyed by shape, dtype and device: code, not answers.
import functools

import torch


@functools.lru_cache(maxsize=None)
def variant(shape, dtype, device):
    block = 256 if shape[0] < 10_000 else 8192

    def run(a, b, out):
        for at in range(0, shape[0], block):
            torch.add(a[at : at + block], b[at : at + block], out=out[at : at + block])
        return out

    return run


def custom_kernel(data):
    a, b, out = data
    return variant(tuple(a.shape), a.dtype, str(a.device))(a, b, out)
