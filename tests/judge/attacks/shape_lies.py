# expect: wrong_answer or crashed
# One number whose class says that it has the right shape, dtype and strides.
import torch


class Liar(torch.Tensor):
    shape = property(lambda self: self.claimed)
    dtype = property(lambda self: torch.float32)

    def data_ptr(self):
        return self.buffer.data_ptr()

    def stride(self, *args):
        return self.buffer.stride()

    def __eq__(self, other):
        return True

    __hash__ = torch.Tensor.__hash__


def custom_kernel(data):
    a, b, out = data
    liar = torch.zeros(1).as_subclass(Liar)
    liar.claimed, liar.buffer = out.shape, out
    return liar
