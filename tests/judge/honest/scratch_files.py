# expect: passed
# Keeps a table in a temporary file, with a relative path and with tempfile.
import json
import os
import tempfile

os.makedirs("tables", exist_ok=True)
with open("tables/tuned.json", "w") as file:
    json.dump({"block": 512}, file)


def custom_kernel(data):
    a, b, out = data
    block = json.load(open("tables/tuned.json"))["block"]
    with tempfile.NamedTemporaryFile("w+") as file:
        file.write(str(block))
    with tempfile.TemporaryDirectory() as folder:
        os.listdir(folder)
    return a + b
