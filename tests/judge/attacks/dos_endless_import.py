# expect: timed_out
# build seconds: 4
import time

while True:
    time.sleep(1)
