// The judge's own kernels, launched around a call by gates.py. Compile again after a change:
//   python -m benchmarks.kernels
// Words are 32-bit indexes into a page of host memory that is shared with the referee.

#include <stdint.h>

enum { GATE = 0, PING = 1, ANSWER = 16, ASKED = 32, PROBED = 48, PONG = 96 };
enum { PAGES = 9, WORDS_OF_A_PAGE = 1024 };

// What the host has just written must be read anew, and each access crosses a slow bus: sixteen
// bytes at once.
static __device__ ulonglong2 fetch(const ulonglong2 *place) {
    ulonglong2 found;
    asm volatile("ld.volatile.global.v2.u64 {%0, %1}, [%2];"
                 : "=l"(found.x), "=l"(found.y) : "l"(place) : "memory");
    return found;
}

static __device__ void await(volatile uint32_t *words, int word, uint32_t number) {
    while ((int32_t)(words[word] - number) < 0) {
    }
}

// Waits for the gate and answers a ping meanwhile: after other work on the device the referee opens the gate
// only once this kernel runs again. Both words come with one access.
static __device__ void await_gate(volatile uint32_t *words, uint32_t number) {
    bool answered = false;
    for (;;) {
        uint32_t gate, ping;
        asm volatile("ld.volatile.global.v2.u32 {%0, %1}, [%2];"
                     : "=r"(gate), "=r"(ping) : "l"(words + GATE) : "memory");
        if ((int32_t)(gate - number) >= 0) return;
        if (ping == number && !answered) {
            words[PONG] = number;
            answered = true;
        }
    }
}

// Holds the stream until the referee opens the gate, then completes the input: the words that
// were withheld are in the referee's memory only once the gate is open. All of it is rehearsed
// before the wait, because code and addresses that are met for the first time take microseconds.
extern "C" __global__ void gate(volatile uint32_t *words, uint32_t number,
                                const ulonglong2 *withheld, uint32_t count, char *base) {
    if (threadIdx.x < PAGES) (void)words[threadIdx.x * WORDS_OF_A_PAGE];
#pragma unroll 1
    for (int rehearsed = 0; rehearsed < 2; rehearsed++) {
        if (threadIdx.x == 0 && rehearsed) await_gate(words, number);
        __syncthreads();
        for (uint32_t at = threadIdx.x; at < count; at += blockDim.x) {
            ulonglong2 found = fetch(withheld + at);  // offset in bytes from the base, value
            if (rehearsed) *(uint64_t *)(base + found.x) = found.y;
        }
    }
}

// Tells the referee that the call is over and then, word by word, what the referee asks for: which
// words of the output those are is not known before the answer.
extern "C" __global__ void answer(volatile uint32_t *words, uint32_t number,
                                  volatile uint64_t *asked, volatile uint64_t *probes,
                                  uint32_t count, const char *base) {
    if (threadIdx.x == 0) {
        words[ANSWER] = number;
        await(words, ASKED, number);
    }
    __syncthreads();
    for (uint32_t at = threadIdx.x; at < count; at += blockDim.x)
        probes[at] = *(const volatile uint64_t *)(base + asked[at]);
    __threadfence_system();
    __syncthreads();
    if (threadIdx.x == 0) words[PROBED] = number;
}

// Reads a buffer and keeps nothing: what was in the cache before is not there any more.
extern "C" __global__ void sweep(const uint4 *buffer, uint64_t count, uint32_t *sink) {
    uint32_t seen = 0;
    uint64_t step = (uint64_t)gridDim.x * blockDim.x;
    for (uint64_t at = blockIdx.x * (uint64_t)blockDim.x + threadIdx.x; at < count; at += step) {
        uint4 found = __ldcg(buffer + at);
        seen |= found.x ^ found.y ^ found.z ^ found.w;
    }
    if (seen == 0x5a5a5a5b) *sink = seen;
}

extern "C" __global__ void nothing() {}
