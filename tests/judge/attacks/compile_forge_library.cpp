// expect: build_failed or wrong_answer
// Redefines what the judge's own entry does, and answers in its place.
#define kernelbot_call judges_call
extern "C" __attribute__((visibility("default"))) int kernelbot_call(...) { return 0; }

extern "C" int custom_kernel(const float* a, const float* b, float* out, int64_t n) { return 0; }
