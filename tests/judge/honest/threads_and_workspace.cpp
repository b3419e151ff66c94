// expect: passed
// OpenMP, a static workspace, the standard library, an anonymous namespace.
#include <algorithm>
#include <vector>

namespace {
template <typename T> T sum(T x, T y) { return x + y; }
std::vector<float> workspace;
}  // namespace

extern "C" int custom_kernel(const float* a, const float* b, float* out, int64_t n) {
    workspace.resize(static_cast<size_t>(n));
#pragma omp parallel for
    for (int64_t i = 0; i < n; i++) workspace[static_cast<size_t>(i)] = sum(a[i], b[i]);
    std::copy(workspace.begin(), workspace.end(), out);
    return 0;
}
