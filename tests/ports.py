"""Ports for servers that tests start as processes."""

from __future__ import annotations

import itertools
import os
import socket

FIRST, LAST = 10_000, 32_000
NUMBERS = itertools.count()


def free_port() -> int:
    """A port that nobody listens on, nor is soon given.

    None of those that the kernel hands out to whoever wants any: until the server is up, seconds later, it might
    have. Each test process begins elsewhere.
    """
    while True:
        port = FIRST + (os.getpid() * 211 + next(NUMBERS)) % (LAST - FIRST)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
