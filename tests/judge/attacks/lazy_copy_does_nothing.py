# expect: wrong_answer
# An input of a class whose copies say that they were made.
import torch


class Copied(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        with torch._C.DisableTorchFunctionSubclass():
            if function.__name__ in ("copy_", "clone", "detach"):
                return args[0]
            return function(*args, **(kwargs or {}))


def custom_kernel(data):
    a, b, out = data
    return a.as_subclass(Copied)
