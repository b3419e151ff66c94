# expect: passed
# device: cuda
# A part is done by numpy on the host, brought there and back by way of pinned memory.
import torch


def custom_kernel(data):
    a, b, out = data
    part = min(1000, a.numel())
    torch.add(a[part:], b[part:], out=out[part:])
    pinned = torch.empty(2, part, pin_memory=True)
    pinned[0].copy_(a[:part], non_blocking=True)
    pinned[1].copy_(b[:part], non_blocking=True)
    torch.cuda.current_stream().synchronize()
    total = pinned.numpy().sum(0)
    out[:part].copy_(torch.from_numpy(total))
    torch.cuda.synchronize()
    return out
