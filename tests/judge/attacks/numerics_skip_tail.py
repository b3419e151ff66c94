# expect: wrong_answer
# Leaves the last element to luck.
def custom_kernel(data):
    a, b, out = data
    out[:-1] = a[:-1] + b[:-1]
    return out
