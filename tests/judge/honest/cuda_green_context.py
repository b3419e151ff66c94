# expect: passed
# device: cuda
# Works on a part of the multiprocessors.
import torch

green = torch.cuda.green_contexts.GreenContext.create(num_sms=32, device_id=0)


def custom_kernel(data):
    a, b, out = data
    green.set_context()
    torch.add(a, b, out=out)
    green.pop_context()
    return out
