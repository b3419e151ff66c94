// expect: passed
// device: cuda
// build seconds: 300
// A cooperative launch over the whole device, with a barrier between two passes.
#include <cooperative_groups.h>
namespace groups = cooperative_groups;

__global__ void add(const float* a, const float* b, float* out, int64_t n) {
    auto grid = groups::this_grid();
    for (int64_t i = grid.thread_rank(); i < n; i += grid.size()) out[n - 1 - i] = a[n - 1 - i];
    grid.sync();
    for (int64_t i = grid.thread_rank(); i < n; i += grid.size()) out[i] += b[i];
}

extern "C" int custom_kernel(const float* a, const float* b, float* out, int64_t n, cudaStream_t stream) {
    static int blocks = 0;
    if (!blocks) {
        int device = 0, each = 0, count = 0;
        cudaGetDevice(&device);
        cudaDeviceGetAttribute(&count, cudaDevAttrMultiProcessorCount, device);
        cudaOccupancyMaxActiveBlocksPerMultiprocessor(&each, add, 256, 0);
        blocks = each * count;
    }
    void* arguments[] = {&a, &b, &out, &n};
    return cudaLaunchCooperativeKernel(reinterpret_cast<void*>(add), dim3(blocks), dim3(256), arguments, 0, stream);
}
