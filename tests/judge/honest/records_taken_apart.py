# expect: passed
# problem: records
# Takes its data apart and changes all of it: the next call has its own.
from task import Scale


def custom_kernel(data):
    tensors, scale, nothing = data
    assert isinstance(scale, Scale) and nothing is None
    weight = tensors.pop("weights")["w"]
    factor, scale.factor = scale.factor, 0.0
    parts = tensors["parts"]
    return tuple(parts.pop(0).mul_(weight.detach()).mul_(factor) for _ in range(3))
