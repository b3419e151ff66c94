# expect: passed
# Words that a pattern hunt would stumble over: stream, Event, elapsed_time, perf_counter, cache,
# seed, eval, exec, allclose, /proc, subprocess, __globals__, ctypes, gc.get_objects.
STREAM_WIDTH = 4  # elements a side stream would take


def custom_kernel(data):
    a, b, _ = data
    return a + b
