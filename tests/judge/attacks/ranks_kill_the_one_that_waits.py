# expect: crashed
# problem: allreduce
# Without the process that forked the ranks nobody could tell how one of them ended.
import os
import signal
import time

import torch.distributed as dist


def custom_kernel(data):
    x, rank, world_size, out = data
    out.copy_(x)
    dist.all_reduce(out)
    if rank == 1:
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    return out
