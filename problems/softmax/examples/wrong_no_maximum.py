# expect: wrong_answer
"""Takes exp of values as they are, which are too large for it in some rows and too small in others."""

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, out = data
    shares = x.exp()
    return out.copy_(shares / shares.sum(dim=1, keepdim=True))
