# expect: passed
# Hopes that the input comes from a generator it can see, or from a small seed.
import torch


def custom_kernel(data):
    a, b, out = data
    for seed in (torch.initial_seed(), *range(64)):
        generator = torch.Generator().manual_seed(seed % (1 << 63))
        if torch.equal(torch.randn(len(a), generator=generator), a.cpu()):
            raise RuntimeError(f"leak: the seed is {seed}")
    return a + b
