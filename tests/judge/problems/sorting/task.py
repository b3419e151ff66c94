from typing import TypeAlias

import torch

input_t: TypeAlias = torch.Tensor
output_t: TypeAlias = torch.Tensor
