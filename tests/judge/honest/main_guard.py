# expect: passed
# Code for trying it at home does not run when judged.
def custom_kernel(data):
    a, b, _ = data
    return a + b


if __name__ == "__main__":
    raise SystemExit("only when run by hand")
