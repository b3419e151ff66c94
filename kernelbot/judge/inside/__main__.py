"""The folder as a program: the referee starts a copy of it with the descriptor of the channel.

Only the package is importable while it starts, and nothing of it afterwards: a submission's own
modules may be called ``data`` or ``cuda``. Imports inside are relative because the copy has no parent.
"""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)
from inside.contestant import main  # type: ignore[import-not-found]  # noqa: E402  after the path

del sys.path[0]
main()
