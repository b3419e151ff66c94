"""Reading ``devices.yaml``: what GPUs can do at most, as data."""

from __future__ import annotations

from pathlib import Path

from kernelbot.domain.definition import DefinitionErrors, Flaw
from kernelbot.domain.peaks import Peaks, read_peaks
from kernelbot.services.located_yaml import parse


def load_devices(path: Path) -> tuple[Peaks, ...]:
    """Every model in the file. Raises DefinitionErrors with everything wrong with it."""
    place = path.as_posix()
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = f"cannot be read: {(error.strerror or str(error)).lower()}"
        remedy = "Set KERNELBOT_DEVICES_FILE to the file of the peaks"
        raise DefinitionErrors([Flaw(file=place, reason=reason, remedy=remedy)]) from error
    document, flaws = parse(content, place)
    if document is None or flaws:
        raise DefinitionErrors(flaws)
    return read_peaks(document, place=place)
