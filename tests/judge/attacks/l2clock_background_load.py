# expect: passed or quarantined or wrong_answer or timed_out or crashed
# device: cuda
# at least: 15 ms
# A background stream keeps the clocks high and the caches warm between the calls.
import torch

side = torch.cuda.Stream()
x = torch.randn(2048, 2048, device="cuda")


def custom_kernel(data):
    a, b, out = data
    torch.cuda._sleep(60_000_000)
    torch.add(a, b, out=out)
    with torch.cuda.stream(side):
        for _ in range(20):
            torch.mm(x, x)
    return out
