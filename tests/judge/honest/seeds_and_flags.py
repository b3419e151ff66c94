# expect: passed
# Sets whatever switches of torch it thinks right.
import random

import torch

torch.manual_seed(0)
random.seed(0)
torch.set_float32_matmul_precision("highest")
torch.backends.cudnn.benchmark = True
torch.use_deterministic_algorithms(True)
torch.set_grad_enabled(False)
torch.set_default_dtype(torch.float32)


def custom_kernel(data):
    a, b, out = data
    return torch.add(a, b, out=out)
