// expect: quarantined or passed or crashed
// device: cuda
// build seconds: 300
// at least: 15 ms
// Overwrites the driver's own code when the library is loaded: every pair of events is a microsecond apart.
#include <cstring>
#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

__attribute__((constructor)) static void patch() {
    void* driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
    char* code = driver ? static_cast<char*>(dlsym(driver, "cuEventElapsedTime")) : nullptr;
    if (!code) return;
    // mov dword [rdi], 0.001f; xor eax, eax; ret
    const unsigned char stub[] = {0xc7, 0x07, 0x6f, 0x12, 0x83, 0x3a, 0x31, 0xc0, 0xc3};
    size_t page = sysconf(_SC_PAGESIZE);
    char* begin = reinterpret_cast<char*>(reinterpret_cast<size_t>(code) & ~(page - 1));
    if (mprotect(begin, 2 * page, PROT_READ | PROT_WRITE | PROT_EXEC)) return;
    memcpy(code, stub, sizeof stub);
}

__global__ void slow_add(const float* a, const float* b, float* out, int64_t n) {
    long long began = clock64();
    while (clock64() - began < 60000000) {
    }
    int64_t i = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x;
    if (i < n) out[i] = a[i] + b[i];
}

extern "C" int custom_kernel(const float* a, const float* b, float* out, int64_t n, cudaStream_t stream) {
    slow_add<<<static_cast<unsigned>((n + 255) / 256), 256, 0, stream>>>(a, b, out, n);
    return 0;
}
