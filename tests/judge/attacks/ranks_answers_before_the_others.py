# expect: disqualified
# problem: allreduce
# The second rank answers the next call as well, before any rank has been told of it.
import gc
import struct

import torch.distributed as dist

runtime = next(o for o in gc.get_objects() if type(o).__name__ == "Runtime")


def custom_kernel(data):
    x, rank, world_size, out = data
    out.copy_(x)
    dist.all_reduce(out)
    if rank == 1:
        runtime.channel.send(struct.pack("<cQ", b"D", runtime.number))
        runtime.channel.send(struct.pack("<cQ", b"D", runtime.number + 1))
    return out
