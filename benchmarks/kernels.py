"""Compiles the judge's own kernels to PTX and writes the module that carries it (needs nvcc).

python -m benchmarks.kernels
"""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path

from kernelbot.judge import inside

FOLDER = Path(inside.__file__).parent
SOURCE, MODULE = FOLDER / "kernels.cu", FOLDER / "kernels.py"
VERSION = ".version 7.0"  # what they need, so that drivers older than the compiler read it

TEXT = '''"""kernels.cu as PTX, which every driver compiles for its device. Made by benchmarks/kernels.py."""

SOURCE = "{digest}"
"""sha256 of the kernels.cu that this was made from."""

PTX = b"""{ptx}"""
'''


def main() -> None:
    command = ["nvcc", "--ptx", "-arch=compute_75", "-o", "-", str(SOURCE)]
    made = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    lines = [re.sub(r"^\.version .*", VERSION, line) for line in made.splitlines()]
    ptx = "\n".join(line for line in lines if line and not line.startswith("//"))
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()
    MODULE.write_text(TEXT.format(digest=digest, ptx=ptx + "\n"))
    print(f"{MODULE.name}: {len(ptx)} bytes of PTX")


if __name__ == "__main__":
    main()
