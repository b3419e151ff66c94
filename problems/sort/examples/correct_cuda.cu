// expect: passed
#include <cub/device/device_radix_sort.cuh>

// CUB's radix sort. It wants memory of its own, taken on the stream and given back on it.
extern "C" int custom_kernel(const float* values, float* out, int64_t size, cudaStream_t stream) {
    size_t bytes = 0;
    const int bits = 8 * sizeof(float);
    cudaError_t status =
        cub::DeviceRadixSort::SortKeys(nullptr, bytes, values, out, size, 0, bits, stream);
    if (status != cudaSuccess) {
        return status;
    }
    void* memory = nullptr;
    status = cudaMallocAsync(&memory, bytes, stream);
    if (status != cudaSuccess) {
        return status;
    }
    status = cub::DeviceRadixSort::SortKeys(memory, bytes, values, out, size, 0, bits, stream);
    const cudaError_t freed = cudaFreeAsync(memory, stream);
    return status != cudaSuccess ? status : freed;
}
