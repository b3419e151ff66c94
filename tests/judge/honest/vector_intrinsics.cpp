// expect: passed
// Vector intrinsics behind a pragma, threads, exceptions, an object that lives as long as the library.
#pragma GCC optimize("O3,unroll-loops")
#pragma GCC target("avx2,fma")
#include <immintrin.h>
#include <cstdio>
#include <thread>
#include <vector>
#include <algorithm>
#include <stdexcept>
namespace {
template <typename F> void chunks(int64_t n, F f) {
  std::vector<std::thread> t; const int k = 2; int64_t step = (n / k + 7) / 8 * 8;
  for (int i = 0; i < k; ++i) t.emplace_back([=] { f(i * step, i + 1 == k ? n : std::min(n, (i + 1) * step)); });
  for (auto& x : t) x.join();
}
struct Init { Init() { std::fprintf(stderr, "loaded\n"); } ~Init() { std::fprintf(stderr, "bye\n"); } } init;
}
extern "C" int custom_kernel(const float* __restrict a, const float* __restrict b, float* __restrict out, int64_t n) {
  try {
    chunks(n, [=](int64_t lo, int64_t hi) {
      int64_t i = lo;
      for (; i + 8 <= hi; i += 8) _mm256_storeu_ps(out + i, _mm256_add_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i)));
      for (; i < hi; ++i) out[i] = a[i] + b[i];
    });
    if (n < 0) throw std::runtime_error("negative");
  } catch (const std::exception&) { return 1; }
  return 0;
}
