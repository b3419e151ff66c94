# expect: crashed
# A message that keeps a careless regular expression busy for minutes.
def custom_kernel(data):
    raise ValueError("1:" * 40_000 + "\n" + ("1:1 " * 90 + "\n") * 200)
