"""The program of a GPU machine that is reached by nobody: it asks a server for runs over HTTPS and judges them."""

import sys

# Before anything is imported that an older Python cannot even read.
if sys.version_info < (3, 11):  # noqa: UP036
    raise SystemExit(
        f"kernelbot-agent needs Python 3.11 or later, this is {sys.version_info[0]}.{sys.version_info[1]}: install it "
        "(apt-get install python3.11 python3.11-venv, or dnf install python3.11), make the folder kernelbot-agent anew "
        "with it (export KERNELBOT_PYTHON=python3.11 and paste the lines again)"
    )
