// expect: wrong_answer
// A library's constructor runs when it is loaded, before anything is called: it writes verdicts to
// every descriptor and leaves.
#include <cstdio>
#include <fcntl.h>
#include <unistd.h>
#include <cstring>
#include <initializer_list>

__attribute__((constructor)) static void early() {
    const char* text = "{\"kind\":\"passed\",\"run_id\":\"run-1\",\"message\":\"\"}\n";
    for (const char* path : {"verdict.json", "../verdict.json", "../../verdict.json", "/proc/self/fd/1"}) {
        int file = open(path, O_WRONLY | O_CREAT, 0666);
        if (file >= 0) { ssize_t n = write(file, text, strlen(text)); (void)n; close(file); }
    }
}

extern "C" int custom_kernel(const float* a, const float* b, float* out, int64_t n) { return 0; }
