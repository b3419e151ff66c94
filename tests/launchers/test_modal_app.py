"""The app on Modal: what ``modal deploy`` asks the service for."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from kernelbot.config import ROOT
from kernelbot.domain.problem_file import LONGEST_STAGE_S
from kernelbot.judge import parcels
from kernelbot.judge.protocol import Job, Limits, Mode
from kernelbot.launchers.modal import APP, TOKEN, _time_limit_s
from kernelbot.launchers.targets import load_targets
from kernelbot.services import canaries
from kernelbot.services.catalog import load_problem
from runners import modal_app
from tests.fakes import modal
from tests.fakes.modal import Servicer, serving

TARGETS = ROOT / "runners" / "targets.yaml"


@pytest_asyncio.fixture(scope="module")
async def deployed() -> AsyncIterator[Servicer]:
    """The service, after Modal's own command line has deployed the app there."""
    async with serving() as fake:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "modal", "deploy", "-m", "runners.modal_app",
            cwd=ROOT,
            env={
                **os.environ,
                **dict(zip(TOKEN, modal.TOKEN, strict=True)),
                "MODAL_SERVER_URL": fake.url,
                "MODAL_CONFIG_PATH": str(fake.folder / "none.toml"),
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await asyncio.wait_for(process.communicate(), 120)
        assert process.returncode == 0, said.decode()
        yield fake.servicer


async def test_every_target_that_names_modal_has_a_function_of_its_name_with_its_gpus(
    deployed: Servicer,
) -> None:
    targets = load_targets(TARGETS).values()
    wanted = {target.name: target for target in targets if "modal" in target.launchers}

    assert deployed.app == APP
    assert deployed.functions == wanted.keys() == deployed.created.keys()
    assert {"T4", "L4", "L4x4", "A100", "H100", "H200", "B200"} <= wanted.keys()
    assert deployed.created["H100"].resources.gpu_config.gpu_type == "H100!"
    for name, function in deployed.created.items():
        assert function.resources.gpu_config.count == wanted[name].gpus
        assert function.autoscaler_settings.max_containers == wanted[name].settings["modal"]["runs"]


async def test_a_container_is_closed_to_the_world_and_used_once(deployed: Servicer) -> None:
    for function in deployed.created.values():
        assert function.single_use_containers
        assert function.block_network
        assert function.untrusted  # no access to anything of the account
        assert not function.secret_ids
        assert not function.volume_mounts
        assert function.retry_policy.retries == 0  # a retry is the queue's, with a new lease
        assert function.timeout_secs == modal_app.LONGEST_S


async def test_the_body_is_found_by_its_name_and_the_image_holds_the_judge_and_nothing_else_of_ours(
    deployed: Servicer,
) -> None:
    function = deployed.created["H100"]
    files = {file for name in function.mount_ids for file in deployed.mounts[name]}

    assert (function.module_name, function.implementation_name) == (modal_app.__name__, "judge")
    assert not function.function_serialized
    ours = {Path(file) for file in files if "kernelbot/" in file}
    judge = Path(modal_app.TREE) / "kernelbot" / "judge"
    outside = {path for path in ours if judge not in path.parents}
    assert outside == {judge.parent / "__init__.py"}
    wanted = {
        judge / path.relative_to(ROOT / "kernelbot" / "judge")
        for path in (ROOT / "kernelbot" / "judge").rglob("*.py")
    }
    assert wanted <= ours


async def test_the_image_has_the_versions_that_this_tree_is_tested_with(deployed: Servicer) -> None:
    lock = (ROOT / "runners" / "modal-image.lock").read_text()
    setup = (ROOT / "scripts" / "setup").read_text()
    layers = list(deployed.images.values())
    lines = [line for layer in layers for line in layer.dockerfile_commands]

    assert any(file.data.decode() == lock for layer in layers for file in layer.context_files)
    assert any("--require-hashes" in line for line in lines)
    assert "://" not in lock
    for package in ("torch", "triton", "numpy"):
        version = setup.partition(f"{package}_version=")[2].split()[0]
        assert f"\n{package}=={version} " in lock
    for package in ("helion", "nvidia-cutlass-dsl"):
        assert f"\n{package}==" in lock
    assert "\nnvidia-cuda-runtime==13.0." in lock  # the nvcc beside it is of the same CUDA
    assert lines[0].startswith("FROM nvidia/cuda:13.0.")


def test_nothing_in_the_image_is_whatever_is_newest() -> None:
    lock = (ROOT / "runners" / "modal-image.lock").read_text()
    wanted = (ROOT / "runners" / "modal-image.in").read_text().splitlines()
    locked = [part for part in re.split(r"\n(?=\S)", lock) if not part.startswith("#")]

    assert all("--hash=sha256:" in part for part in locked)
    for line in (line for line in wanted if not line.startswith("#")):
        assert "==" in line
        assert [part for part in locked if part.startswith(f"{line} ")]
    assert re.fullmatch(r"nvidia/cuda:\d+\.\d+\.\d+-devel-ubuntu24\.04", modal_app.CUDA_IMAGE)
    assert re.fullmatch(r"v\d+\.\d+\.\d+", modal_app.CUTLASS)
    major, minor = re.findall(r"\d+", modal_app.CUDA_IMAGE)[:2]
    assert f"cuda-nsight-compute-{major}-{minor}" in modal_app.SYSTEM


def with_canary(job: Job, limits: Limits) -> list[Job]:
    return [dataclasses.replace(job, limits=item) for item in (limits, canaries.LIMITS)]


def test_no_run_can_take_longer_than_its_container_may() -> None:
    hours = Limits(build_s=LONGEST_STAGE_S, check_s=LONGEST_STAGE_S, measure_s=LONGEST_STAGE_S)
    for path in (ROOT / "problems").glob("*/problem.yaml"):
        job = load_problem(path.parent).job(run_id="1", mode=Mode.RANKED, device="cuda")
        for limits in (job.limits, hours):  # and the most that a problem may ask for
            jobs = with_canary(job, limits)
            wanted_s = sum(parcels.deadline_s(item.limits) for item in jobs)
            assert wanted_s < _time_limit_s(jobs) <= 24 * 3600, path
