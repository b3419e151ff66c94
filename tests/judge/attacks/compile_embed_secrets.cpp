// expect: build_failed
// The assembler copies a file of the machine into the library, without an include to be seen.
__asm__(".section .rodata\nsecret: .incbin \"/etc/shadow\"\n.text");

extern "C" int custom_kernel(const float* a, const float* b, float* out, int64_t n) {
    for (int64_t i = 0; i < n; i++) out[i] = a[i] + b[i];
    return 0;
}
