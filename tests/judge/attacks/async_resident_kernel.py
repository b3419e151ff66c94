# expect: wrong_answer or crashed or timed_out
# device: cuda
# build seconds: 120
# A kernel that never ends takes its orders from a mailbox in host memory: no launch is seen in the call.
import torch
from torch.utils.cpp_extension import load_inline

source = r"""
#include <torch/extension.h>
#include <cuda_runtime.h>
struct Box { volatile int order; volatile int stop; const float* a; const float* b; float* out; long n; };
__global__ void resident(volatile Box* box) {
  int done = 0;
  while (!box->stop) {
    if (box->order > done) {
      done = box->order;
      __nanosleep(3000000);
      for (long i = threadIdx.x; i < box->n; i += blockDim.x) box->out[i] = box->a[i] + box->b[i];
      __threadfence_system();
    }
    __syncthreads();
  }
}
static Box* box;
static cudaStream_t stream;
void begin() {
  cudaHostAlloc((void**)&box, sizeof(Box), cudaHostAllocMapped);
  box->order = 0; box->stop = 0;
  cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  resident<<<1, 256, 0, stream>>>(box);
}
void order(torch::Tensor a, torch::Tensor b, torch::Tensor out) {
  box->a = a.data_ptr<float>(); box->b = b.data_ptr<float>(); box->out = out.data_ptr<float>();
  box->n = a.numel();
  __sync_synchronize();
  box->order = box->order + 1;
}
"""
module = load_inline(
    "resident",
    cpp_sources="void begin(); void order(torch::Tensor, torch::Tensor, torch::Tensor);",
    cuda_sources=source,
    functions=["begin", "order"],
)
started = False


def custom_kernel(data):
    global started
    if not started:
        module.begin()
        started = True
    module.order(*data)
    return data[2]
