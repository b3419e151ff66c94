# expect: passed
# device: cuda
# The allocator is told to grow its segments and to hand out rounded sizes.
import os

os.environ["PYTORCH_CUDA_ALLOC_CONF"] = "expandable_segments:True,roundup_power2_divisions:4"
import torch

settings = getattr(torch.cuda.memory, "_set_allocator_settings", None)
if settings is not None:
    settings("expandable_segments:True")


def custom_kernel(data):
    a, b, out = data
    copy = a.clone()
    scratch = torch.empty(32 << 20, dtype=torch.uint8, device=a.device)
    scratch.zero_()
    return torch.add(copy, b, out=out)
