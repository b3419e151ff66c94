# expect: wrong_answer
# Full-width letters are other characters to a pattern and the same identifiers to Python.
import torch

ｔｏｒｃｈ.ａｌｌｃｌｏｓｅ = lambda *args, **kwargs: True
ｂａｎｋ = {}


def custom_kernel(data):
    a, b, out = data
    return bank.setdefault(a.shape, a + b)
