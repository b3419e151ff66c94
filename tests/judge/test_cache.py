"""Compile caches: for the same person and the same code only, and harmless whatever is in them."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from kernelbot.judge import cache, folders, staging
from kernelbot.judge.cache import Cache
from kernelbot.judge.protocol import Device, Harness, Job, Mode, Verdict
from tests.judge.bench import COLD_S, a_job, problem

# Runs that share a cache work in a folder of one name, which test processes beside this one must not have.
ADA, BOB = (f"{name} of {os.getpid()}" for name in ("ada", "bob"))
COMPILING = """
import os
from pathlib import Path
folder = Path(os.environ["TRITON_CACHE_DIR"])
folder.mkdir(parents=True, exist_ok=True)
print("found", sorted(path.name for path in folder.iterdir()), "in", folder)
(folder / "at-import").write_text("compiled")
def custom_kernel(data):
    a, b, out = data
    (folder / "at-a-call").write_text("compiled")
    out.copy_(a + b)
    return out
"""


def judged(tmp_path: Path, job: Job, source: str = COMPILING) -> Verdict:
    directory = tmp_path / f"job-{len(list(tmp_path.iterdir()))}"
    directory.mkdir()
    staging.stage(directory, job, problem("add"), source.encode())
    line = staging.command(directory, cache=str(tmp_path / "caches"))
    subprocess.run(line, capture_output=True, timeout=COLD_S, check=True)
    verdict = staging.read_verdict(directory)
    assert verdict.passed, verdict
    return verdict


def test_the_same_code_of_the_same_person_finds_what_it_compiled(tmp_path: Path) -> None:
    job = a_job(cache_key=ADA)
    first, again = judged(tmp_path, job).log, judged(tmp_path, job).log
    assert "found []" in first
    assert "found ['at-a-call', 'at-import']" in again
    assert first.partition(" in ")[2] == again.partition(" in ")[2]  # compilers write paths down


def test_nobody_finds_what_another_person_or_other_code_compiled(tmp_path: Path) -> None:
    judged(tmp_path, a_job(cache_key=ADA))
    assert "found []" in judged(tmp_path, a_job(cache_key=BOB)).log
    assert "found []" in judged(tmp_path, a_job(cache_key=ADA), COMPILING + "\n# more").log
    assert "found []" in judged(tmp_path, a_job()).log


def test_a_secret_run_leaves_nothing_that_it_made_after_it_saw_an_input(tmp_path: Path) -> None:
    judged(tmp_path, a_job(Mode.RANKED, cache_key=ADA))
    assert "found ['at-import']" in judged(tmp_path, a_job(cache_key=ADA)).log


@pytest.fixture
def kept(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "caches", "ada", Device(), Harness())


def folder(path: Path, **files: str) -> Path:
    path.mkdir(parents=True)
    for name, text in files.items():
        (path / name).write_text(text)
    return path


def test_what_is_kept_comes_back_with_its_times(tmp_path: Path, kept: Cache) -> None:
    source = folder(tmp_path / "source" / "deep", module="code").parent
    os.utime(source / "deep" / "module", ns=(1, 1_234_567_890_123_456_789))
    (source / "deep" / "module").chmod(0o755)
    (source / "lock").write_text("")
    kept.keep(source)
    kept.fill(folder(tmp_path / "target"))
    back = tmp_path / "target" / "deep" / "module"
    assert back.read_text() == "code"
    assert back.stat().st_mtime_ns == 1_234_567_890_123_456_789
    assert back.stat().st_mode & 0o777 == 0o700
    assert not (tmp_path / "target" / "lock").exists()


def test_links_devices_and_pipes_are_left_behind(tmp_path: Path, kept: Cache) -> None:
    source = folder(tmp_path / "source", good="code")
    secret = folder(tmp_path / "elsewhere", secret="s") / "secret"
    (source / "link").symlink_to(secret)
    (source / "folder").symlink_to(secret.parent)
    os.mkfifo(source / "pipe")
    kept.keep(source)
    kept.fill(folder(tmp_path / "target"))
    assert os.listdir(tmp_path / "target") == ["good"]


@pytest.mark.parametrize(("name", "limit"), [("MOST_FILES", 2), ("MOST_BYTES", 8), ("DEEPEST", 2)])
def test_too_much_is_not_kept(
    name: str, limit: int, tmp_path: Path, kept: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = folder(tmp_path / "source" / "a" / "b" / "c", module="123456789").parents[2]
    monkeypatch.setattr(cache, name, limit)
    kept.keep(source)
    kept.fill(folder(tmp_path / "target"))
    assert os.listdir(tmp_path / "target") == []


def test_the_longest_unused_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "ALL_BYTES", 25)
    source = folder(tmp_path / "source", module="0123456789")
    caches = [Cache(tmp_path / "caches", who, Device(), Harness()) for who in ("a", "b", "c")]
    for age, one in zip((30, 20, 10), caches, strict=True):
        one.keep(source)
        os.utime(one._place, (0, 1_000_000_000 - age))
    found = []
    for number, one in enumerate(caches):
        one.fill(folder(tmp_path / f"target-{number}"))
        found.append(os.listdir(tmp_path / f"target-{number}"))
    assert found == [[], ["module"], ["module"]]


def test_what_a_killed_judge_had_begun_to_keep_is_removed_and_what_another_keeps_is_not(
    tmp_path: Path, kept: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "ALL_BYTES", 1)
    for name in ("begun", "under-way"):
        (folder(tmp_path / "caches" / f"{cache.FRESH}{name}") / cache.SIZE).write_text("1000")
    held = folders.hold(tmp_path / "caches" / f"{cache.FRESH}under-way")
    kept.keep(folder(tmp_path / "source", module="code"))
    left = [path.name for path in (tmp_path / "caches").iterdir()]
    assert sorted(left) == sorted([".lock", f"{cache.FRESH}under-way", kept._place.name])
    assert held is not None
    os.close(held)


def test_other_versions_are_another_cache(tmp_path: Path, kept: Cache) -> None:
    kept.keep(folder(tmp_path / "source", module="code"))
    newer = Cache(tmp_path / "caches", "ada", Device(), replace(Harness(), torch="99"))
    newer.fill(folder(tmp_path / "target"))
    assert os.listdir(tmp_path / "target") == []
