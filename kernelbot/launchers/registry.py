"""The ways to reach a GPU, by the names under which ``targets.yaml`` knows them. Adding one is adding a line."""

from __future__ import annotations

from collections.abc import Mapping

from kernelbot.launchers import local, modal, slurm
from kernelbot.launchers.base import Factory

FACTORIES: Mapping[str, Factory] = {
    "local": local.FACTORY,
    "slurm": slurm.FACTORY,
    "modal": modal.FACTORY,
}
