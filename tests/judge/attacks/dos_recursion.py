# expect: crashed
def custom_kernel(data):
    return custom_kernel(data)
