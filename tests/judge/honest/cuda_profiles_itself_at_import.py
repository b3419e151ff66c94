# expect: passed
# device: cuda
# Chooses between variants by what torch's profiler says at import, on data of its own.
import torch

variants = {"add": lambda a, b, out: torch.add(a, b, out=out), "sub": lambda a, b, out: torch.sub(a, -b, out=out)}
best, least = "add", float("inf")
x, y, z = (torch.randn(20000, device="cuda") for _ in range(3))
for name, variant in variants.items():
    with torch.profiler.profile() as seen:
        for _ in range(5):
            variant(x, y, z)
        torch.cuda.synchronize()
    took = sum(getattr(event, "device_time_total", 0) for event in seen.key_averages())
    if took < least:
        best, least = name, took


def custom_kernel(data):
    return variants[best](*data)
