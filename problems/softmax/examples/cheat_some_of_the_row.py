# expect: wrong_answer
"""Takes every fourth value for a sample of the sum; the largest is searched everywhere."""

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    x, out = data
    shares = (x - x.amax(dim=1, keepdim=True)).exp()
    return out.copy_(shares / shares[:, ::4].mean(dim=1, keepdim=True) / x.shape[1])
