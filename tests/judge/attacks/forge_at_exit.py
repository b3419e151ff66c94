# expect: wrong_answer
# Rewrites results when the process ends; it is killed, it does not end.
import atexit
import glob


def rewrite():
    for path in glob.glob("/tmp/**/verdict.json", recursive=True):
        open(path, "w").write('{"kind": "passed"}')


atexit.register(rewrite)


def custom_kernel(data):
    return data[0]
