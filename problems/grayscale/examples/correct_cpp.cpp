// expect: passed
extern "C" int custom_kernel(const float* image, float* out, int64_t height, int64_t width) {
    const int64_t pixels = height * width;
#pragma omp parallel for simd
    for (int64_t at = 0; at < pixels; at++) {
        out[at] = 0.2989f * image[3 * at] + 0.5870f * image[3 * at + 1] + 0.1140f * image[3 * at + 2];
    }
    return 0;
}
