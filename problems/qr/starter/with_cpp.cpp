//!kernelbot leaderboard qr
#include <algorithm>
#include <cmath>
#include <vector>

// One reflection after the other; the rest of the matrix is walked along its rows.
static void factorise(float* h, float* tau, int64_t n, std::vector<float>& sums) {
    for (int64_t j = 0; j < n; ++j) {
        float below = 0;
        for (int64_t i = j + 1; i < n; ++i) {
            below += h[i * n + j] * h[i * n + j];
        }
        tau[j] = 0;
        if (below == 0) {
            continue;
        }
        const float head = h[j * n + j];
        const float root = -std::copysign(std::sqrt(head * head + below), head);
        tau[j] = (root - head) / root;
        h[j * n + j] = root;
        for (int64_t i = j + 1; i < n; ++i) {
            h[i * n + j] /= head - root;
        }
        std::copy(h + j * n + j + 1, h + j * n + n, sums.begin() + j + 1);
        for (int64_t i = j + 1; i < n; ++i) {
            for (int64_t k = j + 1; k < n; ++k) {
                sums[k] += h[i * n + j] * h[i * n + k];
            }
        }
        for (int64_t i = j; i < n; ++i) {
            const float share = i == j ? tau[j] : tau[j] * h[i * n + j];
            for (int64_t k = j + 1; k < n; ++k) {
                h[i * n + k] -= share * sums[k];
            }
        }
    }
}

extern "C" int custom_kernel(const float* a, float* h, float* tau, int64_t batch, int64_t n) {
    std::copy(a, a + batch * n * n, h);
    std::vector<float> sums(n);
    for (int64_t matrix = 0; matrix < batch; ++matrix) {
        factorise(h + matrix * n * n, tau + matrix * n, n, sums);
    }
    return 0;
}
