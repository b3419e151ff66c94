# expect: passed
# Asks for gradients of everything it is given, and returns a tensor that has them.


def custom_kernel(data):
    a, b, out = data
    a.requires_grad_(True)
    out.requires_grad_(True)
    return a + b
