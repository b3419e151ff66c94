# expect: passed
# Inputs belong to the submission once it has them.
def custom_kernel(data):
    a, b, _ = data
    return a.add_(b)
