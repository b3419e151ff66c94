# expect: crashed
def custom_kernel(data):
    raise ValueError("x" * (64 << 20))
