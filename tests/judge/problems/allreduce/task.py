from typing import TypeAlias

import torch

input_t: TypeAlias = tuple[torch.Tensor, int, int, torch.Tensor]
output_t: TypeAlias = torch.Tensor
