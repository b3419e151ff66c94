# expect: passed
# Looks into memory that was freed before: an expected output computed in this process is often there.
import torch

OURS = []  # what it has answered before may lie about: inputs of tests come twice


def custom_kernel(data):
    a, b, out = data
    needle = a[:8] + b[:8]
    known = OURS == [needle.tolist()]
    OURS[:] = [needle.tolist()]
    for _ in range(16):
        found = torch.empty(len(a), device=a.device, dtype=a.dtype)
        if torch.equal(found[:8], needle) and not known:
            raise RuntimeError("leak: the expected output in uninitialised memory")
    found = out[:8].clone()
    if torch.equal(found, needle):
        raise RuntimeError("leak: the expected output in the output buffer")
    return torch.cat([a[:8] + b[:8], a[8:] + b[8:]])
