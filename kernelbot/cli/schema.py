"""``kernelbot schema``: what editors need to complete and check definition files."""

from __future__ import annotations

from typing import Any

from kernelbot.config import ROOT
from kernelbot.services import schema


def of(kind: str) -> dict[str, Any]:
    """The JSON schema of ``problem`` or ``competition`` files, as this version reads them."""
    read = {"problem": schema.problem, "competition": schema.competition}
    return read[kind](ROOT / "problems")
