"""``python -m kernelbot``: the command line."""

from kernelbot.cli.main import main

main()
