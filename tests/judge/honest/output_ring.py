# expect: passed
# Four buffers in turn, so that a result stays valid while the next ones are computed.
import torch

rings = {}
turn = 0


def custom_kernel(data):
    global turn
    a, b, out = data
    key = (a.shape, a.dtype, a.device)
    ring = rings.setdefault(key, [torch.empty_like(a) for _ in range(4)])
    turn = (turn + 1) % len(ring)
    return torch.add(a, b, out=ring[turn])
