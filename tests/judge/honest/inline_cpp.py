# expect: passed
# only: cpu
# build seconds: 300
# slow
# An extension that is compiled when the file is imported.
from torch.utils.cpp_extension import load_inline

source = """
#include <torch/extension.h>
torch::Tensor add(torch::Tensor a, torch::Tensor b, torch::Tensor out) {
  const float *x = a.data_ptr<float>(), *y = b.data_ptr<float>();
  float *z = out.data_ptr<float>();
  for (int64_t i = 0; i < a.numel(); i++) z[i] = x[i] + y[i];
  return out;
}
"""
extension = load_inline(name="add", cpp_sources=source, functions=["add"])


def custom_kernel(data):
    return extension.add(*data)
