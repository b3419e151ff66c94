# expect: disqualified or wrong_answer
# As much text as the socket takes, of bytes that grow when they are decoded, escaped and stored.
import gc

runtime = next(o for o in gc.get_objects() if type(o).__name__ == "Runtime")


def custom_kernel(data):
    text = b"M" + runtime.number.to_bytes(8, "little") + b"\x00\xff\xed\xa0\x80\x1b" * 60_000
    for size in range(len(text), 0, -4096):
        try:
            runtime.channel.send(text[:size])
            break
        except OSError:
            continue
    return data[0] + data[1]
