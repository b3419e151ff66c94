# expect: wrong_answer or passed or crashed
# device: cuda
# at least: 15 ms
# Tells the judge of an idle stream as the current one: its gate and its answer are there, the work is not.
import torch

idle = torch.cuda.Stream()
torch.cuda.current_stream = lambda device=None: idle


def custom_kernel(data):
    a, b, out = data
    torch.cuda._sleep(60_000_000)
    return torch.add(a, b, out=out)
