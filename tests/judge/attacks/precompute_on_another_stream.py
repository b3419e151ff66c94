# expect: wrong_answer
# problem: product
# device: cuda
# Multiplies what it sees on a stream that does not wait for the gate, and in the call only the rows and columns
# that the late words have changed since: a quarter of the work.
import torch

early = torch.cuda.Stream()
MOST = 512  # words come late of each operand, of two numbers each


def custom_kernel(data):
    a, b, _ = data
    with torch.cuda.stream(early):
        before_a, before_b = a.clone(), b.clone()
        product = before_a @ before_b
    early.synchronize()
    n = a.shape[0]
    rows = (a != before_a).any(1).int().topk(min(MOST, n), sorted=False).indices
    columns = (b != before_b).any(0).int().topk(min(2 * MOST, n), sorted=False).indices
    product[rows] = a[rows] @ b
    product[:, columns] = a @ b[:, columns]
    return product
