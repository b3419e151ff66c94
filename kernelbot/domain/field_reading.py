"""What reading the field's two kinds of file has in common."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from kernelbot.domain.definition import Flaw, Reader, Section, shorten

MAX_TEXT = 100_000


class Reading:
    """A reader that also takes notes: on what is right and will surprise."""

    def __init__(self, reader: Reader, known: Mapping[str, str] | None = None) -> None:
        self.reader = reader
        self.known = known  # GPUs of this site by their names in lower case
        self.notes: list[Flaw] = []

    def note(self, line: int, path: str, reason: str, remedy: str) -> None:
        self.notes.append(
            Flaw(file=self.reader.file, line=line, path=path, reason=reason, remedy=remedy)
        )

    def labels(self, section: Section) -> tuple[str, ...]:
        """GPU labels, each as this site spells it."""
        node = section.get("gpus")
        if node is None:
            return ()
        path = section.at("gpus")
        read: list[str] = []
        for at, item in enumerate(self.reader.items(node, path, limit=50, what="GPUs", empty=True)):
            name = self.reader.text(item, f"{path}[{at}]", limit=60) or ""
            if self.known is not None and name:
                if name.lower() not in self.known:
                    reason = f"this site has no GPU {shorten(name)!r}"
                    remedy = "What is sent for it waits until there is a target of this name"
                    self.note(item.line, f"{path}[{at}]", reason, remedy)
                name = self.known.get(name.lower(), name)
            if name and name not in read:
                read.append(name)
        return tuple(read)


def outside(path: str) -> bool:
    """Whether a path is absolute or leads out of the folder it starts from."""
    clean = posixpath.normpath(path)
    return (
        clean.startswith(("/", "~", "../")) or clean in ("..", ".") or "\\" in path or ":" in path
    )
