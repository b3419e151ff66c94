# expect: passed
# problem: matmul
# A result whose strides are not the buffer's: (b^T a^T)^T.
def custom_kernel(data):
    a, b, out = data
    return (b.t() @ a.t()).t()
