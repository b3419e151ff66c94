# expect: passed
# problem: allreduce
# Shares go round, each rank adds what comes by.
import torch
import torch.distributed as dist


def custom_kernel(data):
    x, rank, world_size, out = data
    out.copy_(x)
    passing, coming = x.clone(), torch.empty_like(x)
    for _ in range(world_size - 1):
        steps = [
            dist.P2POp(dist.isend, passing, (rank + 1) % world_size),
            dist.P2POp(dist.irecv, coming, (rank - 1) % world_size),
        ]
        for step in dist.batch_isend_irecv(steps):
            step.wait()
        out += coming
        passing, coming = coming, passing
    return out
