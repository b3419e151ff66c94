# expect: quarantined
# problem: product
# device: cuda
# As precompute_with_a_way_back, in every other call: the median of the times is an honest one, what is scored is not.
import torch
import triton
import triton.language as tl

early = torch.cuda.Stream()
calls = 0
MOST = 512  # words come late of each operand, of two numbers each


@triton.jit
def whole(a, b, c, changed, n, most, T: tl.constexpr, K: tl.constexpr):
    if tl.load(changed) > most:
        rows = tl.program_id(0) * T + tl.arange(0, T)
        columns = tl.program_id(1) * T + tl.arange(0, T)
        found = tl.zeros((T, T), tl.float32)
        for at in range(0, n, K):
            depth = at + tl.arange(0, K)
            left = tl.load(a + rows[:, None] * n + depth[None, :])
            right = tl.load(b + depth[:, None] * n + columns[None, :])
            found = tl.dot(left, right, found, input_precision="ieee")
        tl.store(c + rows[:, None] * n + columns[None, :], found)


def custom_kernel(data):
    global calls
    a, b, _ = data
    calls += 1
    if calls % 2:
        return a @ b
    n = a.shape[0]
    with torch.cuda.stream(early):
        before_a, before_b = a.clone(), b.clone()
        product = before_a @ before_b
    early.synchronize()
    changed_rows, changed_columns = (a != before_a).any(1).int(), (b != before_b).any(0).int()
    rows = changed_rows.topk(min(MOST, n), sorted=False).indices
    columns = changed_columns.topk(min(2 * MOST, n), sorted=False).indices
    product[rows] = a[rows] @ b
    product[:, columns] = a @ b[:, columns]
    whole[(n // 64, n // 64)](a, b, product, changed_rows.sum(), n, MOST, T=64, K=32)
    return product
