# expect: passed
# build seconds: 60
# Batches out of a loader's worker process, new in every call.
from torch.utils.data import DataLoader, TensorDataset


def custom_kernel(data):
    a, b, out = data
    size = -(-a.numel() // 3)
    at = 0
    for x, y in DataLoader(TensorDataset(a.cpu(), b.cpu()), batch_size=size, num_workers=1):
        out[at : at + x.numel()] = (x + y).to(out.device)
        at += x.numel()
    return out
