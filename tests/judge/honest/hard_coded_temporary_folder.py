# expect: passed
# behind: own-mounts
# Keeps its tuning under /tmp by that very name, where much code does.
import json
import pathlib

TABLE = pathlib.Path("/tmp/my_kernel_cache/tuning.json")
TABLE.parent.mkdir(parents=True, exist_ok=True)
TABLE.write_text(json.dumps({"chunk": 4096}))


def custom_kernel(data):
    a, b, out = data
    chunk = json.loads(TABLE.read_text())["chunk"]
    for start in range(0, out.numel(), chunk):
        part = slice(start, start + chunk)
        out[part] = a[part] + b[part]
    return out
