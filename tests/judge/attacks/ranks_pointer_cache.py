# expect: wrong_answer or timed_out
# problem: allreduce
# Sums kept by the address of each rank's share: addresses do repeat, contents never do.
import torch.distributed as dist

bank = {}


def custom_kernel(data):
    x, rank, world_size, out = data
    if x.data_ptr() not in bank:
        out.copy_(x)
        dist.all_reduce(out)
        bank[x.data_ptr()] = out.clone()
    return bank[x.data_ptr()]
