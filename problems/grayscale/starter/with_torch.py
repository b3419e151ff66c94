#!kernelbot leaderboard grayscale
import torch

from task import input_t, output_t

weights = {}


def custom_kernel(data: input_t) -> output_t:
    image, out = data
    if image.device not in weights:
        weights[image.device] = torch.tensor([0.2989, 0.5870, 0.1140], device=image.device)
    return torch.mv(image.view(-1, 3), weights[image.device], out=out.view(-1)).view_as(out)
