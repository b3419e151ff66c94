# expect: wrong_answer
# problem: allreduce
# The last rank gives its share away and is done; its own answer is whatever lies in the buffer.
import torch.distributed as dist


def custom_kernel(data):
    x, rank, world_size, out = data
    if rank == world_size - 1:
        dist.send(x, 0)
        return out
    if rank == 0:
        part = out.new_empty(out.shape)
        dist.recv(part, world_size - 1)
        out.copy_(x + part)
    return out
