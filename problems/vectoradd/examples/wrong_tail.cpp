// expect: wrong_answer
// Right for whole blocks only: what is left over at the end is never written.
#include <cstdint>

extern "C" int custom_kernel(const _Float16* a, const _Float16* b, _Float16* out, int64_t size) {
    const int64_t whole = size * size / 1024 * 1024;
    for (int64_t at = 0; at < whole; at++) {
        out[at] = a[at] + b[at];
    }
    return 0;
}
