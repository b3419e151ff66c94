"""Opening files that may come from a stranger: no waiting, no following, no more than so much.

What is wrong with a file is collected, so that its author is told everything at once.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from kernelbot.domain.definition import DefinitionErrors, Flaw, Node
from kernelbot.services.located_yaml import MAX_BYTES, parse


def read_document(path: Path, shown: str) -> tuple[Node, list[Flaw]]:
    """A file's YAML document with the flaws that leave it readable; DefinitionErrors for all others."""
    content = read_regular(path, shown, MAX_BYTES)
    if isinstance(content, Flaw):
        raise DefinitionErrors([content])
    document, flaws = parse(content, shown)
    if document is None:
        raise DefinitionErrors(flaws)
    return document, flaws


@contextmanager
def together_with(flaws: Sequence[Flaw]) -> Iterator[None]:
    """What the block finds wrong is raised together with these; they alone when it finds nothing."""
    try:
        yield
    except DefinitionErrors as errors:
        raise DefinitionErrors([*flaws, *errors.flaws]) from None
    if flaws:
        raise DefinitionErrors(flaws)


def read_regular(path: Path, shown: str, limit: int) -> bytes | Flaw:
    """At most ``limit`` bytes. O_NONBLOCK, because opening a FIFO would otherwise wait for a writer."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        reason = "is a link" if error.errno == errno.ELOOP else f"cannot be read: {why(error)}"
        return Flaw(file=shown, reason=reason, remedy="Put a readable file here")
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return Flaw(file=shown, reason="is not a regular file", remedy="Remove it")
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(limit + 1)
    finally:
        os.close(descriptor)
    if len(content) > limit:
        reason = f"is larger than {limit >> 10} KiB"
        return Flaw(file=shown, reason=reason, remedy="Shorten it")
    return content


def why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
