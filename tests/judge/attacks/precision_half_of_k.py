# expect: wrong_answer
# problem: matmul
# Half of the sum, doubled.
def custom_kernel(data):
    a, b, out = data
    half = a.shape[1] // 2
    return 2 * (a[:, :half] @ b[:half])
