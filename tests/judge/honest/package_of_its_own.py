# expect: passed
# mode: ranked
# Unpacks a package beside itself and imports it, as bundlers do.
import importlib
import os

FILES = {
    "__init__.py": "from .inner import add\n",
    "inner/__init__.py": "from .deepest import add\n",
    "inner/deepest.py": "def add(a, b, out):\n    out.copy_(a).add_(b)\n    return out\n",
}
here = os.path.join(os.getcwd(), "mypackage")
for name, content in FILES.items():
    os.makedirs(os.path.dirname(os.path.join(here, name)), exist_ok=True)
    with open(os.path.join(here, name), "w") as file:
        file.write(content)
importlib.invalidate_caches()
mypackage = importlib.import_module("mypackage")


def custom_kernel(data):
    return mypackage.add(*data)
