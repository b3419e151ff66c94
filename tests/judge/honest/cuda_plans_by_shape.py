# expect: passed
# device: cuda
# problem: matmul
# Plans, workspaces and index tables kept by shape; a first call that tunes by the host's clock.
import functools
import time

import torch

torch.backends.cuda.matmul.allow_tf32 = False


@functools.lru_cache
def plan(n, device):
    x = torch.randn(n, n, device=device)
    times = {}
    for pieces in (1, 2, 4):
        torch.cuda.synchronize()
        began = time.perf_counter()
        for rows in x.chunk(pieces):
            rows @ x
        torch.cuda.synchronize()
        times[pieces] = time.perf_counter() - began
    return min(times, key=times.get), torch.empty(n, n, device=device)


def custom_kernel(data):
    a, b, out = data
    pieces, work = plan(len(a), a.device)
    work.copy_(b)
    for rows, places in zip(a.chunk(pieces), out.chunk(pieces)):
        torch.mm(rows, work, out=places)
    return out
