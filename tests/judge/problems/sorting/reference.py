"""Sorts a vector where it lies, in the field's form: only the check knows what is right."""

import torch


def generate_input(size: int, seed: int) -> torch.Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed))


def ref_kernel(data: torch.Tensor) -> torch.Tensor:
    data.copy_(data.sort().values)
    return data


def check_implementation(data: torch.Tensor, output: torch.Tensor) -> tuple:
    right = torch.equal(output, data.sort().values)
    return right, "" if right else "not the input, sorted"
