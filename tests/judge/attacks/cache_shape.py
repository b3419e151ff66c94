# expect: wrong_answer
# Remembers one answer per shape, in builtins.
import builtins

builtins.bank = {}


def custom_kernel(data):
    a, b, out = data
    return builtins.bank.setdefault(tuple(a.shape), a + b)
