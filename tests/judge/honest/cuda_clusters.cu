// expect: passed
// device: cuda
// build seconds: 300
// Clusters of two blocks, each of which reads its half of an input from the other's shared memory.
#include <cooperative_groups.h>
namespace groups = cooperative_groups;

#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 900
__global__ void __cluster_dims__(2, 1, 1) add(const float* a, const float* b, float* out, int64_t n) {
    __shared__ float kept[256];
    auto cluster = groups::this_cluster();
    unsigned other = cluster.block_rank() ^ 1;
    int64_t mine = blockIdx.x * static_cast<int64_t>(256) + threadIdx.x;
    int64_t theirs = (blockIdx.x ^ 1u) * static_cast<int64_t>(256) + threadIdx.x;
    kept[threadIdx.x] = theirs < n ? a[theirs] : 0.0f;
    cluster.sync();
    float found = cluster.map_shared_rank(kept, other)[threadIdx.x];
    if (mine < n) out[mine] = found + b[mine];
    cluster.sync();
}
#else
__global__ void add(const float* a, const float* b, float* out, int64_t n) {
    int64_t i = blockIdx.x * static_cast<int64_t>(256) + threadIdx.x;
    if (i < n) out[i] = a[i] + b[i];
}
#endif

extern "C" int custom_kernel(const float* a, const float* b, float* out, int64_t n, cudaStream_t stream) {
    unsigned blocks = static_cast<unsigned>((n + 511) / 512) * 2;
    add<<<blocks, 256, 0, stream>>>(a, b, out, n);
    return 0;
}
