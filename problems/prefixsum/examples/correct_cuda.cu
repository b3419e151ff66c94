// expect: passed
#include <cub/device/device_scan.cuh>

// CUB scans in one pass. It wants memory of its own, taken on the stream and given back on it.
extern "C" int custom_kernel(const float* values, float* out, int64_t size, cudaStream_t stream) {
    size_t bytes = 0;
    cudaError_t status = cub::DeviceScan::InclusiveSum(nullptr, bytes, values, out, size, stream);
    if (status != cudaSuccess) {
        return status;
    }
    void* memory = nullptr;
    status = cudaMallocAsync(&memory, bytes, stream);
    if (status != cudaSuccess) {
        return status;
    }
    status = cub::DeviceScan::InclusiveSum(memory, bytes, values, out, size, stream);
    const cudaError_t freed = cudaFreeAsync(memory, stream);
    return status != cudaSuccess ? status : freed;
}
