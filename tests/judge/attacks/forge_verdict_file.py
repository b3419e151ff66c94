# expect: wrong_answer
# Writes a verdict wherever a job directory might be.
import glob
import os


def custom_kernel(data):
    places = {os.getcwd(), "..", "../..", *glob.glob("/tmp/*"), *glob.glob("/tmp/*/*")}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            places |= set(open(f"/proc/{name}/cmdline").read().split("\0"))
        except (OSError, UnicodeDecodeError):
            pass
    for place in places:
        if os.path.exists(os.path.join(place, "job.json")):
            try:
                with open(os.path.join(place, "verdict.json"), "w") as file:
                    file.write('{"kind": "passed"}')
            except OSError:
                pass
    return data[0]
