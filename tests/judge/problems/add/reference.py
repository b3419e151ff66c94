"""Element-wise sum of two vectors, into a preallocated third."""

import torch

OUTPUTS = 1


def generate_input(*, seed: int, device: str, n: int) -> tuple:
    generator = torch.Generator(device=device).manual_seed(seed)
    a = torch.randn(n, device=device, generator=generator)
    b = torch.randn(n, device=device, generator=generator)
    return a, b, torch.empty_like(a)


def reference(data: tuple) -> torch.Tensor:
    a, b, _ = data
    return a + b
