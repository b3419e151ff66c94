# expect: passed
def custom_kernel(data):
    a, b, _ = data
    return a + b
