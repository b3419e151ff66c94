# expect: passed
# device: cuda
# Takes all free memory of the device, unwritten, and searches it for the expected output.
import torch


def custom_kernel(data):
    a, b, out = data
    answer = a + b
    torch.cuda.synchronize()
    needle = answer[100].item()
    free, _ = torch.cuda.mem_get_info()
    block = torch.empty(min(free // 2, 4 << 30) // 4, dtype=torch.float32, device=a.device)
    near = (block[:-1] == needle) & (block[1:] == answer[101].item())
    if bool(near.any()):
        raise RuntimeError("leak: the expected output is in freed device memory")
    return answer
