"""What is pasted on a machine that is let in: Python, packages and PyTorch for its devices, the program, and go."""

from __future__ import annotations

from collections.abc import Collection

from kernelbot.domain.target import Target

PLACE = "kernelbot-agent"
PACKAGES = {"httpx2": ">=2.16,<3", "structlog": ">=26.1,<27"}
"""What an agent needs beside its program and torch."""
TORCH = {"torch": "==2.13.0", "triton": "==3.7.1", "numpy": "==2.4.6"}
"""As scripts/setup has them: times on one leaderboard are to be of one torch. Numpy is what torch asks for where a tensor
becomes an array and does not bring along."""
PYTHON = (3, 11)

_NEW_ENOUGH = (
    f"import sys; v = sys.version_info; v[:2] < {PYTHON} and sys.exit("
    '"kernelbot-agent needs Python {0}.{1} or later, this is %d.%d: install it '
    "(apt-get install python{0}.{1} python{0}.{1}-venv, or dnf install python{0}.{1}), then "
    'export KERNELBOT_PYTHON=python{0}.{1} and paste again" % v[:2])'
).replace("{0}.{1}", "{}.{}".format(*PYTHON))
_FOR_AMD = "import torch; raise SystemExit(not torch.version.hip)"
_NO_INDEX = (
    "no PyTorch for ROCm here: export KERNELBOT_TORCH_INDEX=ADDRESS, the index that PyTorch names for its ROCm builds, "
    "or KERNELBOT_PYTHON=INTERPRETER, one that has such a build, and paste again"
)


def lines(url: str, secret: str, targets: Collection[Target]) -> str:
    """The three lines: what the machine needs and the token, the program, and go; the second and the third do nothing
    where the one before has failed. The program comes from this server, not from whoever has its name in a package
    registry; the token lies beside the interpreter's folder, which submissions can read."""
    gpus = [target for target in targets if target.device != "cpu"]
    amd = bool(gpus) and all(target.amd for target in gpus)
    return (
        f"P=${{KERNELBOT_PYTHON:-python3}}; \"$P\" -c '{_NEW_ENOUGH}' && {_rocm() if amd else _usual()} && "
        f"(umask 077; echo {secret} > {PLACE}.token)\n"
        f'test -f {PLACE}.token && curl -fsS -H "Authorization: Bearer $(cat {PLACE}.token)" '
        f"{url}/v1/runner/program | tar -xz -C {PLACE}\n"
        f"test -d {PLACE}/program && PYTHONPATH={PLACE}/program {PLACE}/bin/python -m runners.agent --url {url} "
        f"--token-file {PLACE}.token"
    )


def _usual() -> str:
    """From the usual index, which has PyTorch for CUDA; another one may be named, such as that for processors."""
    another = '${KERNELBOT_TORCH_INDEX:+--extra-index-url "$KERNELBOT_TORCH_INDEX"}'
    return f'"$P" -m venv --clear {PLACE} && {_install({**PACKAGES, **TORCH}, another)}'


def _rocm() -> str:
    """The PyTorch that the interpreter has, as in AMD's images, or one from the index that is named: the usual one has
    builds for CUDA alone. Triton comes with the build."""
    pinned = {name: version for name, version in TORCH.items() if name != "triton"}
    there = f'"$P" -m venv --clear --system-site-packages {PLACE} && {_install({**PACKAGES, "numpy": ""})}'
    fetched = (
        f'X="${{KERNELBOT_TORCH_INDEX:?{_NO_INDEX}}}" && "$P" -m venv --clear {PLACE} && '
        + _install({**PACKAGES, **pinned}, '--extra-index-url "$X"')
    )
    return f"if \"$P\" -c '{_FOR_AMD}' 2>/dev/null; then {there}; else {fetched}; fi"


def _install(packages: dict[str, str], options: str = "") -> str:
    wanted = " ".join(f"'{name}{version}'" for name, version in packages.items())
    return " ".join(f"{PLACE}/bin/pip install {options} {wanted}".split())
