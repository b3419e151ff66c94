# expect: crashed
# Bytes that a database refuses to store, printed and raised.
def custom_kernel(data):
    print("a\0b\ud800".encode("utf-8", "surrogatepass"), "c\0d", flush=True)
    raise ValueError("e\0f")
