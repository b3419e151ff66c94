"""``checked.json`` beside the problems: which of them passed ``kernelbot problem check``, and where.

An entry holds for exactly the files that it was made from. It lets a machine without torch publish
what another one has checked, and shows in a review that somebody did.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from kernelbot.checking.findings import VERSION
from kernelbot.domain.problem import PROBLEM_FILE, Problem, sealed

FILE = "checked.json"
DEVICES = {"cpu": "the processor", "cuda": "a GPU"}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One problem that passed."""

    seal: str
    devices: tuple[str, ...]  # "cpu", "cuda"
    null_solutions: int  # tried, over all cases
    left: str = ""  # of a task of the field: what was not tried, and why
    accepted: str = ""  # what its check takes without computing, as the organizer wants it

    @property
    def words(self) -> str:
        if not self.devices:
            return f"not checked: {self.left}"
        left = "".join(
            f"; not checked on {words}"
            for name, words in DEVICES.items()
            if name not in self.devices
        )
        found = f"{self.null_solutions} null solutions refused"
        if self.accepted:
            found = f"published on request although its check takes {self.accepted}"
        gap = f"; not tried: {self.left}" if self.left else ""
        return f"checked on {' and '.join(self.devices)}, {found}{gap}{left}"


def seal(problem: Problem) -> str:
    """sha256 over whatever the check depends on: the definition and the files the judge gets."""
    total = hashlib.sha256(f"checked {VERSION}".encode())
    # A task of the field does not hold its own task.yml; what that decides is in the digest. Its set
    # names it, and a folder checked by itself belongs to none.
    nameless = sealed(replace(problem, name="")) if problem.task else problem
    definition = problem.files.get(PROBLEM_FILE, nameless.digest.encode())
    files = {**problem.judge_files, PROBLEM_FILE: definition}
    for path, content in sorted(files.items()):
        total.update(f"\0{path}\0".encode() + hashlib.sha256(content).digest())
    return total.hexdigest()


def read(text: str) -> dict[str, Entry]:
    """The entries of a ``checked.json``; none for a text that is none."""
    try:
        items = json.loads(text)["checked"].items()
        return {
            str(name): Entry(
                seal=str(item["seal"]),
                devices=tuple(str(device) for device in item["devices"]),
                null_solutions=int(item["null_solutions"]),
                left=str(item.get("left", "")),
                accepted=str(item.get("accepted", "")),
            )
            for name, item in items
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def written(entries: Mapping[str, Entry]) -> str:
    checked = {
        name: {
            "seal": entry.seal,
            "devices": sorted(entry.devices),
            "null_solutions": entry.null_solutions,
            **({"left": entry.left} if entry.left else {}),
            **({"accepted": entry.accepted} if entry.accepted else {}),
        }
        for name, entry in sorted(entries.items())
    }
    return json.dumps({"checked": checked}, indent=2) + "\n"


def with_entry(
    entries: Mapping[str, Entry],
    problem: Problem,
    device: str,
    null_solutions: int,
    *,
    left: str = "",
    accepted: str = "",
) -> dict[str, Entry]:
    """The entries with one more pass; passes of other versions of the problem are forgotten."""
    now = seal(problem)
    before = entries.get(problem.name)
    devices = {device} if null_solutions or not left else set()
    if before is not None and before.seal == now:
        devices |= set(before.devices)
        null_solutions = max(null_solutions, before.null_solutions)
    entry = Entry(
        seal=now, devices=tuple(sorted(devices)), null_solutions=null_solutions, left=left,
        accepted=accepted,
    )  # fmt: skip
    return {**entries, problem.name: entry}


def holds(entries: Mapping[str, Entry], problem: Problem) -> Entry | None:
    """The entry of exactly this version of a problem; of a task of the field under any name."""
    if not entries:
        return None
    now = seal(problem)
    entry = entries.get(problem.name)
    if problem.task is not None and (entry is None or entry.seal != now):
        entry = next((other for other in entries.values() if other.seal == now), None)
    return entry if entry is not None and entry.seal == now else None
