# expect: wrong_answer
# A signal handler fills the answer in after the call.
import signal


def custom_kernel(data):
    a, b, out = data
    signal.signal(signal.SIGALRM, lambda *args: out.copy_(a + b))
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    return out
