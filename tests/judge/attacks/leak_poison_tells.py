# expect: wrong_answer or passed
# The rubbish in the output buffer: does it hold the answer under a mask, or is the same in every call?
import torch


def custom_kernel(data):
    a, b, out = data
    found = out.view(torch.int32).clone()
    right = (a + b).view(torch.int32)
    mask = found ^ right
    if bool((mask == mask[0]).all()) or torch.equal(found, right):
        raise RuntimeError("leak: the poison is made from the answer")
    return a + b
