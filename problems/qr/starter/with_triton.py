#!kernelbot leaderboard qr
# expect: passed device=cuda
import torch
import triton
import triton.language as tl

from task import input_t, output_t

FITS = 32768  # elements, in the registers of 16 warps


@triton.jit
def panel_kernel(h_ptr, tau_ptr, v_ptr, t_ptr, n, first, ROWS: tl.constexpr, WIDTH: tl.constexpr):
    # Factorises WIDTH columns of one matrix, from row and column first on. They stay in registers meanwhile.
    matrix = tl.program_id(0).to(tl.int64)
    row, column = tl.arange(0, ROWS), tl.arange(0, WIDTH)
    below, after = row[:, None], column[None, :]
    inside = (first + below < n) & (first + after < n)
    place = h_ptr + (matrix * n + first + below) * n + first + after
    a = tl.load(place, mask=inside, other=0.0)
    taus = tl.zeros((WIDTH,), dtype=tl.float32)
    t = tl.zeros((WIDTH, WIDTH), dtype=tl.float32)
    for j in range(0, WIDTH):
        x = tl.sum(tl.where(after == j, a, 0.0), axis=1)
        head = tl.sum(tl.where(row == j, x, 0.0), axis=0)
        squares = tl.sum(tl.where(row > j, x * x, 0.0), axis=0)
        # Of the two signs the one with which head - root does not cancel. No reflection where nothing is left below.
        there = squares > 0
        length = tl.sqrt(head * head + squares)
        root = tl.where(there, tl.where(head > 0, -length, length), head)
        tau = tl.where(there, (root - head) / tl.where(there, root, 1.0), 0.0)
        pivot = tl.where(there, head - root, float("inf"))
        v = tl.where(row > j, x / pivot, tl.where(row == j, 1.0, 0.0))
        # With the columns behind it, which it is applied to, and with the reflections before it, for T.
        dots = tl.sum(a * v[:, None], axis=0)
        a -= tl.where(after > j, v[:, None] * (tau * dots)[None, :], 0.0)
        a = tl.where((after == j) & (below > j), v[:, None], a)
        a = tl.where((after == j) & (below == j), root, a)
        taus = tl.where(column == j, tau, taus)
        above = -tau * tl.sum(t * tl.where(column < j, dots, 0.0)[None, :], axis=1)
        t = tl.where(after == j, tl.where(column == j, tau, above)[:, None], t)
    tl.store(place, a, mask=inside)
    tl.store(tau_ptr + matrix * n + first + column, taus, mask=first + column < n)
    v = tl.where(below > after, a, tl.where(below == after, 1.0, 0.0))
    tl.store(v_ptr + (matrix * n + below) * WIDTH + after, v, mask=first + below < n)
    tl.store(t_ptr + (matrix * WIDTH + column[:, None]) * WIDTH + after, t)


def custom_kernel(data: input_t) -> output_t:
    a, h, tau = data
    batch, n, _ = a.shape
    h.copy_(a)
    first = 0
    while first < n:
        rows = triton.next_power_of_2(n - first)
        width = min(32, FITS // rows)
        v, t = a.new_empty((batch, n, width)), a.new_empty((batch, width, width))
        panel_kernel[(batch,)](
            h, tau, v, t, n, first, ROWS=rows, WIDTH=width, num_warps=max(1, rows * width * 16 // FITS)
        )
        # All reflections of the panel at once are I - V T V^T, so the rest of the matrix is a matter of products.
        last, v = first + width, v[:, : n - first]
        if last < n:
            rest = h[:, first:, last:]
            rest.baddbmm_(v, t.mT @ (v.mT @ rest), alpha=-1)
        first = last
    return h, tau
