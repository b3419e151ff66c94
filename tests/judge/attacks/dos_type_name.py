# expect: wrong_answer
# The name of a type is text that a submission chooses, and it is quoted in the message.
def custom_kernel(data):
    return type("x" * 100_000 + "\x1b[31m\n@everyone", (), {})()
