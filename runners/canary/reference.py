"""What a canary computes: a stream through memory and a matrix product, on numbers that are exact in fp16."""

from __future__ import annotations

import torch

OUTPUTS = 1  # the last entry of data is the output buffer


def generate_input(
    *, seed: int, device: str, size: int, product: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Two matrices [size, size] of -1, 0 and 1, and an output buffer of the same shape."""
    source = torch.Generator(device=device).manual_seed(seed)
    shape = (size, size)
    dtype = torch.float16 if product and device != "cpu" else torch.float32
    a, b = (
        torch.randint(-1, 2, shape, generator=source, device=device, dtype=torch.int8).to(dtype)
        for _ in range(2)
    )
    return a, b, torch.empty(shape, dtype=dtype, device=device)


def reference(data: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """a @ b, or a + b: told apart by the type on a GPU, by the size on a processor."""
    a, b, _ = data
    return a @ b if is_product(a) else a + b


def is_product(a: torch.Tensor) -> bool:
    return bool(a.dtype == torch.float16 or a.shape[0] <= 512)
