# expect: wrong_answer or crashed
# Resizes, retypes and re-strides the judge's own tensors in place.
def custom_kernel(data):
    a, b, out = data
    result = a + b
    out.set_(result[:1].expand(len(a)))
    a.resize_(0)
    b.set_(result)
    return out
