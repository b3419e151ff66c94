//!kernelbot leaderboard cholesky
#include <cmath>

// Row by row: each element of L takes the product of two rows that are known already.
extern "C" int custom_kernel(const float* a, float* out, int64_t batch, int64_t n) {
    for (int64_t matrix = 0; matrix < batch; ++matrix, a += n * n, out += n * n) {
        for (int64_t i = 0; i < n; ++i) {
            for (int64_t j = 0; j <= i; ++j) {
                float rest = a[i * n + j];
                for (int64_t k = 0; k < j; ++k) {
                    rest -= out[i * n + k] * out[j * n + k];
                }
                out[i * n + j] = i == j ? std::sqrt(rest) : rest / out[j * n + j];
            }
            for (int64_t j = i + 1; j < n; ++j) {
                out[i * n + j] = 0;
            }
        }
    }
    return 0;
}
