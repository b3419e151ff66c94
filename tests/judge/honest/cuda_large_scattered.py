# expect: passed
# device: cuda
# problem: large
# The sum by a random order that is kept for each size: few pages stay in any buffer, so that calls after a decoy, which
# come from another context, are as cold as they can be.
import torch

orders = {}


def custom_kernel(data):
    a, b, out = data
    n = a.numel()
    if n not in orders:
        orders[n] = torch.randperm(n // 512 or 1, device=a.device), torch.empty_like(a)
    order, spare = orders[n]
    if n % 512:
        return torch.add(a, b, out=out)
    rows = a.view(-1, 512)[order]
    spare.view(-1, 512)[order] = rows
    return torch.add(spare, b, out=out)
