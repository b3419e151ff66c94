// expect: passed
#include <cstdint>
#include <vector>

extern "C" int custom_kernel(const _Float16* a, const _Float16* b, _Float16* out, int64_t m,
                             int64_t n, int64_t k) {
    const std::vector<float> wide(b, b + k * n);  // converted once, not once for each row of a
#pragma omp parallel for
    for (int64_t row = 0; row < m; row++) {
        std::vector<float> totals(n, 0.0f);
        for (int64_t at = 0; at < k; at++) {
            const float factor = a[row * k + at];
            for (int64_t column = 0; column < n; column++) {
                totals[column] += factor * wide[at * n + column];
            }
        }
        for (int64_t column = 0; column < n; column++) {
            out[row * n + column] = (_Float16)totals[column];
        }
    }
    return 0;
}
