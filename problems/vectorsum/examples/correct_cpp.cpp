// expect: passed
extern "C" int custom_kernel(const float* values, float* out, int64_t size) {
    // Sixteen sums side by side fill the vector registers; fp64 takes care of the digits.
    double sums[16] = {};
    int64_t at = 0;
    for (; at + 16 <= size; at += 16) {
        for (int lane = 0; lane < 16; lane++) {
            sums[lane] += values[at + lane];
        }
    }
    for (; at < size; at++) {
        sums[0] += values[at];
    }
    double total = 0.0;
    for (double sum : sums) {
        total += sum;
    }
    out[0] = (float)total;
    return 0;
}
