"""Types of the data a submission gets and gives."""

from __future__ import annotations

import torch

input_t = tuple[torch.Tensor, torch.Tensor]
"""(image, out): fp32 [height, width, 3], and the fp32 [height, width] to be filled."""

output_t = torch.Tensor
"""fp32 [height, width]"""
