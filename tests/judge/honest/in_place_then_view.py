# expect: passed
# Works in place in the buffer and returns a view of it.
def custom_kernel(data):
    a, b, out = data
    out.copy_(a).add_(b)
    return out.view(-1, 1).squeeze(1)
