// expect: passed
extern "C" int custom_kernel(const float* values, float* out, int64_t size) {
    double total = 0.0;
    for (int64_t at = 0; at < size; at++) {
        total += values[at];
        out[at] = (float)total;
    }
    return 0;
}
