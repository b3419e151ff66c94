"""What is asked of every mistake in a definition file: that it is told, where it stands, and with a remedy."""

from __future__ import annotations

from collections.abc import Sequence

from kernelbot.domain.definition import Flaw


def assert_told(
    found: Sequence[Flaw], *, file: str, line: int, path: str, reason: str, remedy: str
) -> None:
    """``remedy``: words of it, or several in place of one another between bars."""
    told = [flaw for flaw in found if reason in flaw.reason]
    assert told, [str(flaw) for flaw in found]
    assert (told[0].file, told[0].line, told[0].path) == (file, line, path)
    assert any(words in told[0].remedy for words in remedy.split("|"))
