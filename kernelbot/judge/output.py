"""What a contestant's process prints: opaque bytes, bounded, decoded so that nothing can fail.

Two invalid bytes on stdout used to end the original's runner, and a child that kept the pipe open
used to hold it for minutes; here the pipe is drained by a thread that owes nobody an end of file.
"""

from __future__ import annotations

import os
import select
import threading


def printable(content: bytes | bytearray) -> str:
    """Text of any bytes; no NUL, which databases refuse."""
    return content.decode("utf-8", "replace").replace("\0", "\ufffd")


class Capture:
    """Keeps the first and the last half of ``limit`` bytes and counts what fell between."""

    def __init__(self, limit: int) -> None:
        self._half = max(1, limit // 2)
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped = 0

    def feed(self, chunk: bytes) -> None:
        room = self._half - len(self._head)
        self._head += chunk[:room]
        self._tail += chunk[room:] if room > 0 else chunk
        excess = len(self._tail) - self._half
        if excess > 0:
            del self._tail[:excess]
            self._dropped += excess

    def text(self) -> str:
        """Everything kept, invalid bytes replaced, with a line that says how much is missing."""
        head = printable(self._head)
        tail = printable(self._tail)
        if self._dropped:
            return f"{head}\n... {self._dropped} bytes left out ...\n{tail}"
        return head + tail


class Drain:
    """Reads a pipe into a Capture on a thread, so that a flood neither blocks nor fills a disk."""

    def __init__(self, descriptor: int, limit: int) -> None:
        self._descriptor = descriptor
        self._capture = Capture(limit)
        self._lock = threading.Lock()
        self._stop_read, self._stop_write = os.pipe()
        self._thread = threading.Thread(target=self._run, name="drain", daemon=True)
        self._thread.start()

    def text(self) -> str:
        with self._lock:
            return self._capture.text()

    def close(self) -> str:
        """Take what is in the pipe now and stop, whoever still holds the other end."""
        os.write(self._stop_write, b"x")
        self._thread.join(timeout=5)
        for descriptor in (self._descriptor, self._stop_read, self._stop_write):
            os.close(descriptor)
        return self.text()

    def _run(self) -> None:
        os.set_blocking(self._descriptor, False)
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN | select.POLLHUP)
        poll.register(self._stop_read, select.POLLIN)
        while True:
            ready = [descriptor for descriptor, _ in poll.poll()]
            stopping = self._stop_read in ready
            # At the end at most one pipe's worth is taken: the writer may still be flooding.
            ended = not self._take(rounds=16 if stopping else 1)
            if stopping:
                return
            if ended:
                poll.unregister(self._descriptor)

    def _take(self, rounds: int) -> bool:
        """Read what is there; False when the other end is closed."""
        for _ in range(rounds):
            try:
                chunk = os.read(self._descriptor, 1 << 16)
            except BlockingIOError:
                return True
            except OSError:
                return False
            if not chunk:
                return False
            with self._lock:
                self._capture.feed(chunk)
        return True
