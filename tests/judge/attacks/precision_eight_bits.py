# expect: wrong_answer
# problem: matmul
# Operands rounded to eight-bit integers.
def custom_kernel(data):
    a, b, out = data
    s, t = a.abs().max() / 127, b.abs().max() / 127
    return ((a / s).round() @ (b / t).round()) * (s * t)
