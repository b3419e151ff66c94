import torch
import torch.nn as nn
import torch.nn.functional as F

CHANNELS = (3, 8)


class Model(nn.Module):
    """A convolution, batch normalisation in training mode, a rectifier and two pooled outputs."""

    def __init__(self, channels, kernel):
        super().__init__()
        self.conv = nn.Conv2d(channels[0], channels[1], kernel, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(channels[1])

    def forward(self, x):
        y = F.relu(self.norm(self.conv(x)))
        return y.mean(dim=(2, 3)), y.amax(dim=(2, 3))


batch = 4
side = 17
kernel = 3


def get_inputs():
    return [torch.randn(batch, CHANNELS[0], side, side)]


def get_init_inputs():
    return [CHANNELS, kernel]
