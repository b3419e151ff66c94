# expect: passed
# only: cpu
import numpy as np


def custom_kernel(data):
    a, b, out = data
    np.add(a.numpy(), b.numpy(), out=out.numpy())
    return out
