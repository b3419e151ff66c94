// expect: build_failed or timed_out or out_of_memory or crashed
// build seconds: 8
// A source that never ends takes the compiler's memory, and the machine's if nobody limits it.
#include "/dev/zero"
