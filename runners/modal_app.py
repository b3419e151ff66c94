"""The app on Modal: a function for each target of ``targets.yaml`` that Modal can serve, all with one body.

    modal deploy -m runners.modal_app

Every container judges one run and is gone: it has no network, no access to anything of the account it runs in,
and nothing in it but the judge. The time limits of a run come with the job; those here only catch what hangs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import modal

APP = "kernelbot"
ROOT = Path(__file__).resolve().parents[1]
TREE = "/opt/kernelbot"
"""Where the judge lies in the image: readable for the user that a submission becomes."""

PYTHON = "3.12"
CUDA_IMAGE = "nvidia/cuda:13.0.2-devel-ubuntu24.04"  # nvcc of the CUDA that torch is built for
SYSTEM = ("bubblewrap", "cuda-nsight-compute-13-0", "g++", "git")
CUTLASS = "v4.5.2"
CUTLASS_URL = "https://github.com/NVIDIA/cutlass.git"

LONGEST_S = 3600
"""Of a call that names no time of its own; the launcher's do, by what their run may take."""
STARTUP_S = 900
CORES = 4.0
MEMORY_MIB = 32 << 10
"""Of each GPU's share: what a rank may have by default, as much again for the referee."""


@dataclass(frozen=True)
class Served:
    """A target and what it asks of Modal."""

    name: str
    gpu: str  # "H100!", "L4:4"
    gpus: int
    runs: int


def judge(parcel: bytes) -> bytes:
    """The body of every function: a packed job in, what came of it out (``kernelbot.judge.parcels``)."""
    from kernelbot.judge import parcels

    return parcels.judged(parcel)


def served(path: Path) -> Iterator[Served]:
    """The targets that name Modal. The worker is who checks the file."""
    import yaml

    for name, entry in yaml.safe_load(path.read_text(encoding="utf-8")).items():
        if "modal" in entry.get("launchers", ()):
            wanted, gpus = entry["modal"], entry.get("gpus", 1)
            gpu = wanted["gpu"] if gpus == 1 else f"{wanted['gpu']}:{gpus}"
            yield Served(name, gpu, gpus, wanted["runs"])


def image() -> modal.Image:
    """CUDA's compilers and profiler, PyTorch, Triton, CuTe DSL, Helion and CUTLASS; the judge comes last, so that
    a change of it builds nothing anew."""
    judge_files = ROOT / "kernelbot" / "judge"
    return (
        modal.Image.from_registry(CUDA_IMAGE, add_python=PYTHON)
        .entrypoint([])
        .apt_install(*SYSTEM)
        .run_commands(f"git clone -q --depth 1 --branch {CUTLASS} {CUTLASS_URL} /opt/cutlass")
        .pip_install_from_requirements(
            str(ROOT / "runners" / "modal-image.lock"), extra_options="--require-hashes"
        )
        .env({"PYTHONPATH": TREE, "KERNELBOT_INCLUDE_PATHS": "/opt/cutlass/include"})
        .add_local_file(
            ROOT / "kernelbot" / "__init__.py", remote_path=f"{TREE}/kernelbot/__init__.py"
        )
        .add_local_dir(
            judge_files, remote_path=f"{TREE}/kernelbot/judge", ignore=["**/__pycache__"]
        )
    )


def functions(targets: Path) -> modal.App:
    """The app with a function for each target."""
    made = modal.App(APP)
    common: dict[str, Any] = {
        "image": image(),
        "timeout": LONGEST_S,
        "startup_timeout": STARTUP_S,
        "single_use_containers": True,
        "block_network": True,
        "restrict_modal_access": True,
    }
    for item in served(targets):
        made.function(
            name=item.name,
            gpu=item.gpu,
            cpu=CORES * item.gpus,
            memory=MEMORY_MIB * item.gpus,
            max_containers=item.runs,
            **common,
        )(judge)
    return made


# In a container this module is imported for the body alone.
app = functions(ROOT / "runners" / "targets.yaml") if modal.is_local() else modal.App(APP)
