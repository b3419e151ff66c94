# expect: passed
def make(scale):
    def kernel(data):
        a, b, _ = data
        return a * scale + b

    return kernel


custom_kernel = make(1.0)
