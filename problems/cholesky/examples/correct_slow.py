# expect: passed
"""Correct, and slow: column after column, each taken out of all that is left."""

from task import input_t, output_t


def custom_kernel(data: input_t) -> output_t:
    a, out = data
    out.copy_(a)
    for j in range(a.shape[-1]):
        out[:, j:, j] /= out[:, j, j].sqrt().unsqueeze(1)
        column = out[:, j + 1 :, j]
        out[:, j + 1 :, j + 1 :] -= column.unsqueeze(2) * column.unsqueeze(1)
    return out.tril_()
