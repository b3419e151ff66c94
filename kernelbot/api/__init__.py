"""The HTTP API: parse, call one service, render. Start with ``python -m kernelbot.api``."""
