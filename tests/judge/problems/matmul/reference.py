"""Product of two square matrices of normal numbers, into a preallocated third."""

import torch

OUTPUTS = 1


def generate_input(*, seed: int, device: str, n: int) -> tuple:
    generator = torch.Generator(device=device).manual_seed(seed)
    a = torch.randn(n, n, device=device, generator=generator)
    b = torch.randn(n, n, device=device, generator=generator)
    return a, b, torch.empty_like(a)


def reference(data: tuple) -> torch.Tensor:
    a, b, _ = data
    return (a.double() @ b.double()).float()
