# expect: wrong_answer
# Says that it lies in the caller's buffer already, so that nobody copies it; fills it when printed.
import torch


class There(torch.Tensor):
    def data_ptr(self):
        return self.target.data_ptr()

    def stride(self, *args):
        return self.target.stride(*args)

    def __repr__(self):
        self.target.copy_(self.parts[0] + self.parts[1])
        return "done"


def custom_kernel(data):
    a, b, out = data
    result = torch.empty_like(out).as_subclass(There)
    result.target, result.parts = out, (a, b)
    return result
