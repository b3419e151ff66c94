# expect: passed
# Threads, timers and signals that go on in the background for good.
import faulthandler
import signal
import threading
import time

faulthandler.dump_traceback_later(300, repeat=True)
beats = []


def beat():
    while True:
        beats.append(time.monotonic())
        time.sleep(0.001)


def again():
    timer = threading.Timer(0.01, again)
    timer.daemon = True
    timer.start()


threading.Thread(target=beat, daemon=True).start()
again()
signal.signal(signal.SIGALRM, lambda *args: None)
signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)


def custom_kernel(data):
    a, b, _ = data
    return a + b
