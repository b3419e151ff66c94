# expect: wrong_answer
# problem: matmul
# Eight bits of mantissa instead of twenty-four.
def custom_kernel(data):
    a, b, out = data
    return (a.bfloat16() @ b.bfloat16()).float()
