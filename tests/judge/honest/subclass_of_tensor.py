# expect: passed
# Its own kind of tensor, functional transforms, a module with hooks: what comes back is still the right numbers.
import torch
from torch.func import functional_call, grad, vmap


class Marked(torch.Tensor):
    pass


class Add(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.bias = torch.nn.Parameter(torch.zeros(1))

    def forward(self, a, b):
        return a + b + self.bias.to(a.device)


model = Add().eval().requires_grad_(False)
model.register_forward_hook(lambda module, given, result: result)


def custom_kernel(data):
    a, b, _ = data
    slopes = vmap(grad(lambda x: x * 2))(a[:8])
    assert bool((slopes == 2).all())
    return functional_call(model, dict(model.named_parameters()), (a, b)).as_subclass(Marked)
