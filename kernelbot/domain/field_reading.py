"""What reading the field's two kinds of file has in common."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field

from kernelbot.domain.definition import Flaw, Node, Reader, Section, shorten
from kernelbot.domain.field_task import TEXT

MAX_TEXT = 100_000


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What is not the files' to say."""

    arguments: str = TEXT  # TEXT: as the field does it; TYPED: what the file seems to say
    style: str = ""  # CHECK | EVALUATOR; "": this judge's own check where the folder allows it
    aliases: Mapping[str, str] = field(default_factory=dict)  # of GPU labels, whatever their case
    lenient: bool = False  # unknown keys are noted instead of refused, for forks of the format


class Reading:
    """A reader that also takes notes: on what is right and will surprise."""

    def __init__(
        self, reader: Reader, choices: Choices, known: Mapping[str, str] | None = None
    ) -> None:
        self.reader = reader
        self.choices = choices
        self.known = known  # GPUs of this site by their names in lower case
        self.notes: list[Flaw] = []

    def note(self, line: int, path: str, reason: str, remedy: str) -> None:
        self.notes.append(
            Flaw(file=self.reader.file, line=line, path=path, reason=reason, remedy=remedy)
        )

    def section(self, node: Node, path: str, keys: tuple[str, ...]) -> Section:
        """A map; what it must not have is a flaw, or a note for those who said so."""
        if not self.choices.lenient or not isinstance(node.value, dict):
            return self.reader.section(node, path, keys)
        for key in node.value:
            if key not in keys:
                reason = f"unknown key {shorten(key)!r}"
                self.note(node.key_lines.get(key, node.line), path, reason, "It has no effect")
        known = {key: value for key, value in node.value.items() if key in keys}
        return Section(self.reader, path, node.line, known)

    def labels(self, section: Section) -> tuple[str, ...]:
        """GPU labels, each replaced by what this site calls it."""
        node = section.get("gpus")
        if node is None:
            return ()
        path = section.at("gpus")
        also = {label.lower(): name for label, name in self.choices.aliases.items()}
        read: list[str] = []
        for at, item in enumerate(self.reader.items(node, path, limit=50, what="GPUs", empty=True)):
            label = self.reader.text(item, f"{path}[{at}]", limit=60) or ""
            name = also.get(label.lower(), label)
            if self.known is not None and name:
                if name.lower() not in self.known:
                    reason = f"this site has no GPU {shorten(name)!r}"
                    remedy = "Give it an alias, or add a target"
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
