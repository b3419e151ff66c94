"""The fences: each lets honest work through, and what it promises holds."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from kernelbot.judge import sandbox, staging
from kernelbot.judge.protocol import Mode, Tolerance, Verdict, VerdictKind
from tests.judge import bench
from tests.judge.bench import COLD_S, HERE, a_job, problem

PR_CAPBSET_DROP, CAP_SYS_ADMIN = 24, 21
HERE_AVAILABLE = sorted({fence.kind for fence in sandbox.fences()})


def judged(directory: Path, source: str, isolation: str, mode: Mode = Mode.TEST) -> Verdict:
    return bench.judge(directory, source, a_job(mode), isolation=isolation).verdict


@pytest.mark.parametrize("kind", HERE_AVAILABLE)
def test_honest_work_passes_behind_every_fence_of_this_machine(kind: str, tmp_path: Path) -> None:
    source = (HERE / "honest" / "writes_files.py").read_text()
    verdict = judged(tmp_path, source, kind, Mode.RANKED)
    assert verdict.passed, verdict
    assert verdict.harness.isolation == kind


@pytest.mark.parametrize("kind", HERE_AVAILABLE)
def test_whoever_has_temporary_folders_of_its_own_may_write_there(
    kind: str, tmp_path: Path
) -> None:
    source = (HERE / "honest" / "hard_coded_temporary_folder.py").read_text()
    verdict = judged(tmp_path, source, kind, Mode.RANKED)
    assert verdict.passed == ("own-mounts" in verdict.harness.fences), verdict


# Bubblewrap makes its namespace itself, and has no limit for it.
if "user" in HERE_AVAILABLE:

    def test_memory_of_system_v_is_bounded_where_the_fence_has_its_own(tmp_path: Path) -> None:
        source = f"""
import ctypes
size = ctypes.c_size_t({sandbox.SYSTEM_V_BYTES + 1})
if ctypes.CDLL(None).shmget(0, size, 0o1600) < 0:
    print("refused")
def custom_kernel(data):
    return data[0] + data[1]
"""
        verdict = judged(tmp_path, source, "user")
        assert verdict.passed
        assert ("refused" in verdict.log) == ("own-ipc" in verdict.harness.fences)

    def test_whether_other_processes_are_hidden_is_told_as_the_submission_finds_it(
        tmp_path: Path,
    ) -> None:
        source = """
import os
print("sees its parent:", os.path.exists(f"/proc/{os.getppid()}"))
def custom_kernel(data):
    return data[0] + data[1]
"""
        verdict = judged(tmp_path, source, "user")
        hidden = "hidden-processes" in verdict.harness.fences
        assert f"sees its parent: {not hidden}" in verdict.log, verdict

    def test_a_process_that_shares_everything_with_the_judge_hides_nothing() -> None:
        found = sandbox.observed(sandbox.Fence("user", 60_002), [os.getpid()])
        assert "hidden-processes" not in found


@pytest.mark.parametrize("kind", HERE_AVAILABLE)
@pytest.mark.parametrize(
    "attack", ["sandbox_write_judge", "precompute_ptrace", "dos_kill_parent", "patch_spare_process"]
)
def test_the_judge_is_out_of_reach_behind_every_fence_of_this_machine(
    kind: str, attack: str, tmp_path: Path
) -> None:
    source = (HERE / "attacks" / f"{attack}.py").read_text()
    verdict = judged(tmp_path, source, kind, Mode.RANKED)
    assert verdict.passed, verdict


def test_isolation_that_a_machine_lacks_is_refused_rather_than_weakened(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no bubblewrap on it
    staging.stage(tmp_path, a_job(), problem("add"), b"")
    line = staging.command(tmp_path, isolation="bubblewrap")
    subprocess.run(line, capture_output=True, timeout=COLD_S, check=True)
    verdict = staging.read_verdict(tmp_path)
    assert verdict.kind is VerdictKind.JUDGE_FAILED
    assert "bubblewrap isolation" in verdict.fault


def test_a_contestants_environment_holds_nothing_of_the_referees_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    monkeypatch.setenv("MODAL_TOKEN_SECRET", "secret")
    found = sandbox.environment(tmp_path, "cpu")
    assert "secret" not in " ".join(found.values())
    assert found["TRITON_INTERPRET"] == "1"
    assert found["HOME"].startswith(str(tmp_path))


if "bubblewrap" in HERE_AVAILABLE:

    def test_scratch_space_in_the_sandbox_is_empty_and_bounded(tmp_path: Path) -> None:
        source = """
import os, shutil
for place in ("/tmp", "/dev/shm"):
    found = [name for name in os.listdir(place) if not name.startswith(("kernelbot-", "pytest-"))]
    print(place, found, shutil.disk_usage(place).total)
from task import custom_kernel
"""
        verdict = judged(tmp_path, source, "bubblewrap")
        for place in ("/tmp", "/dev/shm"):
            assert f"{place} [] {sandbox.SCRATCH_BYTES}" in verdict.log, verdict


# Nobody else has the fence that gives the folder away.
if os.getuid() == 0:

    def test_a_run_whose_stronger_fences_fall_goes_on_behind_the_next(tmp_path: Path) -> None:
        """Ranks need a network of their own, so without the right to make one `user` is no fence."""
        job = a_job(
            world_size=2, tests=({"n": 100},), contestant_files=("task.py",),
            tolerances=(Tolerance(rtol=1e-4, atol=1e-4),),
        )  # fmt: skip
        source = (HERE / "honest" / "ranks_allreduce.py").read_bytes()
        staging.stage(tmp_path, job, problem("allreduce"), source)
        subprocess.run(
            staging.command(tmp_path), timeout=COLD_S, check=True,
            preexec_fn=lambda: sandbox._prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN),
        )  # fmt: skip
        verdict = staging.read_verdict(tmp_path)
        assert verdict.passed, verdict
        assert verdict.harness.isolation != "user"

    def test_a_fence_that_hides_the_interpreters_library_is_not_taken(tmp_path: Path) -> None:
        """Without namespaces a uid of its own cannot read an interpreter in somebody's closed folder."""
        library = "import getpass, cProfile, wave\nfrom torch.utils import dlpack\n"
        source = library + "def custom_kernel(data):\n    return data[0] + data[1]\n"
        staging.stage(tmp_path, a_job(Mode.TEST), problem("add"), source.encode())
        subprocess.run(
            staging.command(tmp_path), timeout=COLD_S, check=True,
            preexec_fn=lambda: sandbox._prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN),
        )  # fmt: skip
        verdict = staging.read_verdict(tmp_path)
        assert verdict.passed, verdict


def test_a_second_process_is_never_within_reach_of_the_first() -> None:
    assert sandbox.beside(sandbox.Fence("processes", landlock=False), lambda: 60_002) is None
    second = sandbox.beside(sandbox.Fence("user", uid=60_001), lambda: 60_002)
    assert second is not None
    assert second.uid == 60_002
