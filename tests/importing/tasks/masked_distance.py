import torch
import torch.nn as nn

MARGIN = 0.5  # the class reads it too, so it is no argument of a case


class Model(nn.Module):
    """Mean distance of pairs beyond a margin, over those that a mask admits."""

    def __init__(self):
        super().__init__()

    def forward(self, left, right, mask, power: int):
        far = ((left - right).abs() - MARGIN).clamp(min=0) ** power
        return (far * mask).sum(-1) / mask.sum(-1).clamp(min=1)


pairs = 33
width = 70
power = 2


def get_inputs():
    mask = torch.rand(pairs, width) < 0.7
    return [torch.randn(pairs, width) + MARGIN, torch.randn(pairs, width), mask.float(), power]


def get_init_inputs():
    return []
