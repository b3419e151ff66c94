# expect: passed
# device: cuda
# packages: helion
# build seconds: 300
import helion
import helion.language as hl
import torch


@helion.kernel(config=helion.Config(block_sizes=[1024], num_warps=4), static_shapes=True)
def add(a: torch.Tensor, b: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    for tile in hl.tile(out.size(0)):
        out[tile] = a[tile] + b[tile]
    return out


def custom_kernel(data):
    return add(*data)
