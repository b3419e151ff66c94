# expect: passed
# problem: allreduce
# What launchers of several processes leave in the environment, and a device chosen by it.
import os

import torch
import torch.distributed as dist

RANK, WORLD_SIZE = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
if torch.cuda.is_available():
    torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))


def custom_kernel(data):
    x, rank, world_size, out = data
    assert (RANK, WORLD_SIZE) == (rank, world_size)
    work = dist.all_reduce(out.copy_(x), async_op=True)
    work.wait()
    return out
