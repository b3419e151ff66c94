#!kernelbot leaderboard moe
import torch
from torch.nn.functional import silu

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, router, gate, up, down, top, out = data
    shares, chosen = (x.float() @ router.float().t()).softmax(dim=1).topk(top, dim=1)
    total = expert(x, gate[-1], up[-1], down[-1]).float()
    for number in range(len(gate) - 1):
        rows, place = (chosen == number).nonzero(as_tuple=True)
        if len(rows):
            answer = expert(x[rows], gate[number], up[number], down[number])
            total[rows] += shares[rows, place, None] * answer
    return out.copy_(total)


def expert(x: torch.Tensor, gate: torch.Tensor, up: torch.Tensor, down: torch.Tensor) -> torch.Tensor:
    return (silu(x @ gate.t()) * (x @ up.t())) @ down.t()
