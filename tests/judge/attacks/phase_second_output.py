# expect: wrong_answer
# problem: pair
# The second output is right where it was looked at last time, and is left as it is.
def custom_kernel(data):
    a, b, first, second = data
    first.copy_(a + b)
    second[0] = a[0] - b[0]
    return first, second
