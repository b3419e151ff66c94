# expect: quarantined or passed
# device: cuda
# at least: 15 ms
# Device events that claim a little less than was needed: plausible, and better than everybody else's.
import torch

honest = torch.cuda.Event.elapsed_time
torch.cuda.Event.elapsed_time = lambda self, other: 0.5 * honest(self, other)


def custom_kernel(data):
    a, b, out = data
    torch.cuda._sleep(60_000_000)
    return torch.add(a, b, out=out)
