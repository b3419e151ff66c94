# expect: wrong_answer
# One value that claims to be all of them.
def custom_kernel(data):
    a, b, out = data
    return (a[:1] + b[:1]).expand(len(a))
