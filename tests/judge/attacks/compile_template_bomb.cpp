// expect: build_failed or timed_out or out_of_memory or crashed
// build seconds: 8
// A few lines that keep a compiler busy for hours.
template <int N, int M> struct Bomb { static constexpr long value = Bomb<N - 1, 2 * M>::value + Bomb<N - 1, 2 * M + 1>::value; };
template <int M> struct Bomb<0, M> { static constexpr long value = M; };
static long fuse = Bomb<24, 1>::value;

extern "C" int custom_kernel(const float* a, const float* b, float* out, int64_t n) {
    return fuse == 0;
}
