# expect: wrong_answer
# problem: matmul
# An estimate from row and column sums: on uniform inputs almost within a percent.
def custom_kernel(data):
    a, b, out = data
    return a.sum(1, keepdim=True) * b.sum(0, keepdim=True) / a.shape[1]
