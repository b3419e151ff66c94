# expect: passed
# device: cuda
# packages: jax
# build seconds: 300
# check seconds: 300
# Compiled by XLA, tensors handed over and back without a copy; XLA works on streams of its own.
import os

os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
import jax
import torch

add = jax.jit(lambda x, y: x + y)


def custom_kernel(data):
    a, b, out = data
    torch.cuda.current_stream().synchronize()
    result = add(jax.dlpack.from_dlpack(a), jax.dlpack.from_dlpack(b))
    return torch.from_dlpack(result.block_until_ready())
