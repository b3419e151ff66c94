# expect: passed
# device: cuda
# Allocates and frees through the caching allocator in every call, and empties its cache.
import torch


def custom_kernel(data):
    a, b, out = data
    parts = [x + y for x, y in zip(a.split(1000), b.split(1000), strict=True)]
    result = torch.cat(parts)
    torch.cuda.empty_cache()
    return result
