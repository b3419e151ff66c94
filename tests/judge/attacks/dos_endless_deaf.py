# expect: timed_out
# build seconds: 5
# Ignores whatever signal can be ignored.
import signal
import time

for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass


def custom_kernel(data):
    while True:
        time.sleep(1)
