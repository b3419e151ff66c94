# expect: passed
# Another default type, no gradients, and inference from here on, for all that runs in the process.
import torch

torch.set_default_dtype(torch.float64)
torch.set_grad_enabled(False)
torch.inference_mode(True).__enter__()


def custom_kernel(data):
    a, b, _ = data
    scratch = torch.empty(a.shape, dtype=a.dtype, device=a.device)
    return torch.add(a, b, out=scratch)
