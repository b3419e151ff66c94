# expect: passed or crashed or timed_out or wrong_answer
# at least: 15 ms
# only: cpu
# A timer continues the stopped process for the microseconds that it takes to make another one, which nobody has
# seen: that one works on the next input while the referee still writes it.
import ctypes
import os
import subprocess
import tempfile

SOURCE = r"""
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/wait.h>
static volatile int armed, done, back;
static volatile pid_t born, parent;
static const float *a, *b, *last_of_a; static float *out, last; static long n;
static char stack[1 << 16] __attribute__((aligned(64)));
static timer_t timer;
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + 1e-9 * t.tv_nsec; }
static void work(void) {
  for (double end = now() + 0.02; now() < end;);
  for (long i = 0; i < n; i++) out[i] = a[i] + b[i];
}
static int helper(void* nothing) {
  double end = now() + 0.3;
  while (*(volatile const float*)last_of_a == last && now() < end);
  work();
  done = 1;
  for (; !back; usleep(1000)) kill(parent, SIGCONT);  // where it was frozen nobody else does
  _exit(0);
}
static void continued(int number) {
  if (!armed) return;
  armed = back = 0;
  parent = getpid();
  born = clone(helper, stack + sizeof stack, CLONE_VM, 0);
  kill(parent, SIGSTOP);
}
void begin(void) {
  struct sigaction action = {.sa_handler = continued, .sa_flags = SA_RESTART};
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGCONT};
  sigaction(SIGCONT, &action, 0);
  timer_create(CLOCK_MONOTONIC, &event, &timer);
}
void call(const float* x, const float* y, float* z, long count) {
  struct itimerspec soon = {.it_value.tv_nsec = 15000000};
  armed = 0;
  back = 1;
  a = x; b = y; out = z; n = count; last_of_a = x + count - 1;
  if (born > 0) waitpid(born, 0, __WALL);
  if (!done) work();
  born = done = 0; last = *last_of_a;
  armed = 1;
  timer_settime(timer, 0, &soon, 0);
}
"""
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "go.c")
    with open(path, "w") as file:
        file.write(SOURCE)
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", path + ".so", path], check=True)
    library = ctypes.CDLL(path + ".so")
library.begin()


def custom_kernel(data):
    a, b, out = data
    library.call(*(ctypes.c_void_p(tensor.data_ptr()) for tensor in data), ctypes.c_long(a.numel()))
    return out
