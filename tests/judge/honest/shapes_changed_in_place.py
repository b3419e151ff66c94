# expect: passed
# problem: matmul
# Gives its inputs other shapes in place, and the buffer other memory.


def custom_kernel(data):
    a, b, out = data
    a.unsqueeze_(0)
    b.t_()
    out.data = a[0] @ b.t()
    return out
