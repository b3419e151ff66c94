# expect: wrong_answer or passed or quarantined or crashed
# device: cuda
# at least: 15 ms
# Leaves another stream current, so that the judge's closing event lands on an idle one.
import torch

idle = torch.cuda.Stream()


def custom_kernel(data):
    a, b, out = data
    torch.cuda._sleep(60_000_000)
    torch.add(a, b, out=out)
    torch.cuda.set_stream(idle)
    return out
