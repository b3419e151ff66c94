#!kernelbot leaderboard layernorm
from torch.nn.functional import layer_norm

from task import EPS, input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, weight, bias, out = data
    return out.copy_(layer_norm(x.float(), x.shape[1:], weight, bias, EPS))
