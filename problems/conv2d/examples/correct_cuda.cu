// expect: passed
constexpr int TILE = 16;  // output pixels of a block in each direction
constexpr int OUT = 8;    // output channels a thread sums at once, so that each input is used OUT times

__global__ void conv_kernel(const float* x, const float* weight, float* out, int channels, int size,
                            int kernel, int side) {
    const int column = blockIdx.x * TILE + threadIdx.x;
    const int row = blockIdx.y * TILE + threadIdx.y;
    const int groups = (channels + OUT - 1) / OUT;
    const int64_t image = blockIdx.z / groups;
    const int first = blockIdx.z % groups * OUT;
    if (column >= side || row >= side) {
        return;
    }
    float totals[OUT] = {};
    const int area = kernel * kernel;
    for (int channel = 0; channel < channels; channel++) {
        const float* plane = x + (image * channels + channel) * size * size;
        const float* weights = weight + ((int64_t)first * channels + channel) * area;
        for (int i = 0; i < kernel; i++) {
            for (int j = 0; j < kernel; j++) {
                const float value = plane[(row + i) * size + column + j];
#pragma unroll
                for (int at = 0; at < OUT; at++) {
                    if (first + at < channels) {
                        totals[at] += value * weights[(int64_t)at * channels * area + i * kernel + j];
                    }
                }
            }
        }
    }
    for (int at = 0; at < OUT && first + at < channels; at++) {
        out[((image * channels + first + at) * side + row) * side + column] = totals[at];
    }
}

extern "C" int custom_kernel(const float* x, const float* weight, float* out, int64_t batch,
                             int64_t channels, int64_t size, int64_t kernel, cudaStream_t stream) {
    const int64_t side = size - kernel + 1;
    const dim3 threads(TILE, TILE);
    const dim3 blocks((side + TILE - 1) / TILE, (side + TILE - 1) / TILE,
                      batch * ((channels + OUT - 1) / OUT));
    conv_kernel<<<blocks, threads, 0, stream>>>(x, weight, out, channels, size, kernel, side);
    return 0;
}
