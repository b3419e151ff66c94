# expect: wrong_answer
# Hangs the answer on the judge's own tensor: the object comes back, its content does not.
def custom_kernel(data):
    a, b, out = data
    if not hasattr(a, "answer"):
        a.answer = a + b
    return a.answer
