"""Captured output: bounded, decoded whatever it is, and nobody waits for its end."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

from hypothesis import given
from hypothesis import strategies as st

from kernelbot.judge.output import Capture, Drain


@given(st.lists(st.binary(max_size=200)), st.integers(min_value=2, max_value=300))
def test_whatever_is_fed_the_text_is_bounded_and_decodes(chunks: list[bytes], limit: int) -> None:
    capture = Capture(limit)
    for chunk in chunks:
        capture.feed(chunk)
    text = capture.text()
    assert len(text) <= limit + 60
    if sum(map(len, chunks)) <= limit // 2:
        assert text == b"".join(chunks).decode("utf-8", "replace").replace("\0", "\ufffd")


def test_head_and_tail_are_kept_and_the_middle_is_counted() -> None:
    capture = Capture(20)
    for part in (b"begin-----", b"x" * 1000, b"-------end"):
        capture.feed(part)
    text = capture.text()
    assert text.startswith("begin-----")
    assert text.endswith("-------end")
    assert "1000 bytes left out" in text


def test_a_writer_that_never_closes_does_not_hold_the_reader() -> None:
    read, write = os.pipe()
    drain = Drain(read, 1000)
    os.write(write, b"hello")
    assert drain.close() == "hello"
    os.close(write)


def test_a_flood_does_not_block_the_writer_or_the_end() -> None:
    line = "import os\nwhile True: os.write(1, b'y' * 65536)"
    process = subprocess.Popen([sys.executable, "-c", line], stdout=subprocess.PIPE)
    assert process.stdout is not None
    drain = Drain(os.dup(process.stdout.fileno()), 1000)
    process.stdout.close()
    closer = threading.Thread(target=drain.close)
    closer.start()
    closer.join(timeout=20)
    assert not closer.is_alive()
    process.kill()
    process.wait()
