# expect: passed
# device: cuda
# problem: matmul
# A product as a convolution, whose algorithm the library chooses by measuring at the first call of a size.
import torch

torch.backends.cudnn.benchmark = True
torch.backends.cudnn.allow_tf32 = False


def custom_kernel(data):
    a, b, out = data
    n = len(a)
    image = b.reshape(1, n, 1, n).to(memory_format=torch.channels_last)
    return torch.nn.functional.conv2d(image, a.reshape(n, n, 1, 1)).reshape(n, n)
