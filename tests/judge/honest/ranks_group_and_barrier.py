# expect: passed
# problem: allreduce
# A group of its own, made at the first call, parts that are gathered and a barrier that nobody needs.
import torch
import torch.distributed as dist

made = {}


def custom_kernel(data):
    x, rank, world_size, out = data
    assert (dist.get_rank(), dist.get_world_size()) == (rank, world_size)
    if "group" not in made:
        made["group"] = dist.new_group(list(range(world_size)))
    parts = torch.empty(world_size * x.numel(), device=x.device)
    dist.all_gather_into_tensor(parts, x, group=made["group"])
    dist.barrier()
    torch.sum(parts.view(world_size, -1), 0, out=out)
    return out
