# expect: wrong_answer
# Honest on small inputs only.
def custom_kernel(data):
    a, b, out = data
    return a + b if len(a) < 5000 else a
