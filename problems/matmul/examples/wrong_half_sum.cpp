// expect: wrong_answer
// Sums in fp16, which loses what a long sum adds last.
#include <cstdint>

extern "C" int custom_kernel(const _Float16* a, const _Float16* b, _Float16* out, int64_t m,
                             int64_t n, int64_t k) {
    for (int64_t row = 0; row < m; row++) {
        for (int64_t column = 0; column < n; column++) {
            _Float16 total = 0;
            for (int64_t at = 0; at < k; at++) {
                total = total + a[row * k + at] * b[at * n + column];
            }
            out[row * n + column] = total;
        }
    }
    return 0;
}
