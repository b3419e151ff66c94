# expect: passed
# Has autograd do it: what is left in an input's gradient would be added to in the next call.


def custom_kernel(data):
    a, b, out = data
    a.requires_grad_()
    (a * b + a * a / 2).sum().backward()
    return a.grad
