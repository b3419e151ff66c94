# expect: wrong_answer
# One element is off by a little.
def custom_kernel(data):
    out = data[0] + data[1]
    out[len(out) // 2] += 0.01
    return out
