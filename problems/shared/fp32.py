"""Products in all 24 bits, whatever the process has allowed before."""

from __future__ import annotations

import torch


def product(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """left times right in the type they have; fp32 stays fp32, never TF32."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        return left @ right
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
