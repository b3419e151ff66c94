"""Folders that a contestant filled do not lead the referee astray, nor out of its way."""

from __future__ import annotations

import concurrent.futures
import contextlib
import ctypes
import fcntl
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from kernelbot.judge import folders, staging
from kernelbot.judge.build import PREFIX, Workshop
from kernelbot.judge.protocol import Mode
from tests.judge.bench import COLD_S, a_job, judge, problem

UID = 65_533  # no contestant's
RIGHT = "def custom_kernel(data):\n  return data[0] + data[1]\n"


def nest(place: Path, count: int, name: str = "d") -> None:
    """Folders inside each other, made without a path that names them all."""
    descriptor = os.open(place, os.O_RDONLY)
    for _ in range(count):
        os.mkdir(name, dir_fd=descriptor)
        below = os.open(name, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)


def owner(path: Path) -> int:
    return path.lstat().st_uid


def test_the_folder_itself_is_not_handed_over_when_it_is_a_link(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "work").symlink_to(tmp_path / "outside")
    with pytest.raises(OSError, match="work"):
        folders.give(tmp_path / "work", UID)
    assert owner(tmp_path / "outside") == os.getuid()


def test_a_deep_folder_is_removed(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    nest(tmp_path / "work", 1500)
    folders.remove(tmp_path / "work")
    assert not list(tmp_path.iterdir())


def test_folders_that_even_their_owner_may_not_look_into_are_removed(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    child = os.fork()
    if not child:
        try:
            os.chdir(tmp_path)
            if os.getuid() == 0:  # whom no mode stops
                os.setresuid(65534, 65534, 65534)
            os.makedirs("work/closed/inner")
            os.chmod("work/closed/inner", 0)
            os.chmod("work/closed", 0)
            folders.remove(Path("work"))
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert os.listdir(tmp_path) == []


def test_usage_counts_bytes_and_entries_and_stops_when_there_are_too_many(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").write_bytes(b"x" * 100_000)
    (tmp_path / "a" / "round").symlink_to(tmp_path)
    found = folders.usage(tmp_path, entries=100)
    assert found.entries == 4
    assert found.bytes >= 100_000
    for number in range(50):
        (tmp_path / str(number)).touch()
    assert folders.usage(tmp_path, entries=10).entries == 11


def test_usage_says_that_a_folder_is_too_deep_and_leaves_no_descriptor_open(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    nest(tmp_path / "work", 1500)
    before = set(os.listdir("/proc/self/fd"))
    with pytest.raises(folders.TooDeep):
        folders.usage(tmp_path / "work", entries=10_000)
    assert set(os.listdir("/proc/self/fd")) <= before
    folders.remove(tmp_path / "work")


def test_a_deep_folder_left_by_a_killed_judge_does_not_stop_the_next(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    left = scratch / f"{PREFIX}left"
    left.mkdir(parents=True)
    scratch.chmod(0o777)
    nest(left, 1500)
    job = tmp_path / "job"
    job.mkdir()
    staging.stage(job, a_job(), problem("add"), RIGHT.encode())
    environment = {**os.environ, "TMPDIR": str(scratch)}
    subprocess.run(staging.command(job), env=environment, timeout=COLD_S, check=True)
    assert staging.read_verdict(job).passed
    assert not list(scratch.iterdir())


def test_what_others_put_in_the_place_of_a_judges_folder_neither_stops_nor_misleads_it(
    tmp_path: Path,
) -> None:
    scratch, outside = tmp_path / "scratch", tmp_path / "outside"
    for folder in (scratch, outside, scratch / f"{PREFIX}pipe"):
        folder.mkdir()
    scratch.chmod(0o777)
    (outside / "file").touch()
    os.mkfifo(scratch / f"{PREFIX}pipe" / "owner")
    os.mkfifo(scratch / f"{PREFIX}fifo")
    (scratch / f"{PREFIX}link").symlink_to(outside)
    job = tmp_path / "job"
    job.mkdir()
    staging.stage(job, a_job(), problem("add"), RIGHT.encode())
    environment = {**os.environ, "TMPDIR": str(scratch)}
    subprocess.run(staging.command(job), env=environment, timeout=COLD_S, check=True)
    assert staging.read_verdict(job).passed
    assert sorted(os.listdir(scratch)) == [f"{PREFIX}fifo", f"{PREFIX}link"]
    assert os.listdir(outside) == ["file"]


def test_runs_that_start_at_once_over_one_abandoned_folder_all_get_one_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    directory = tmp_path / "job"
    directory.mkdir()
    staging.stage(directory, a_job(), problem("add"), RIGHT.encode())
    abandoned = tmp_path / f"{PREFIX}same"
    for _ in range(20):
        abandoned.mkdir()
        nest(abandoned, 50)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            made = list(pool.map(lambda _: Workshop(directory, a_job(), "same"), range(4)))
        assert len({workshop.base for workshop in made}) == 4
        assert all((workshop.work / "submission.py").exists() for workshop in made)
        assert not (abandoned / "d").exists()
        for workshop in made:
            workshop.remove()


def test_links_out_of_the_folder_change_nothing_on_the_machine(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as place:
        victim = Path(place) / "file"
        victim.touch()
        source = f"import os\nif not os.path.islink('x'): os.symlink({str(victim)!r}, 'x')\n"
        found = judge(tmp_path, source + RIGHT, a_job(Mode.RANKED))
        assert found.verdict.passed, found.explanation
        assert owner(victim) == os.getuid()


def test_a_file_is_put_in_place_of_another_and_makes_its_folders(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "file").write_text("an older one")
    place = os.open(tmp_path, folders.FOLDER)

    for name in ("sub/file", "sub/deeper/file", "file"):
        folders.put(place, name, b"new")

    os.close(place)
    assert {path.read_text() for path in tmp_path.rglob("file")} == {"new"}
    assert len(list(tmp_path.rglob("file"))) == 3


@pytest.mark.parametrize("name", ["link", "folder/file", "sub/link"])
def test_no_link_leads_what_is_put_out_of_the_folder(tmp_path: Path, name: str) -> None:
    work, outside = tmp_path / "work", tmp_path / "outside"
    (work / "sub").mkdir(parents=True)
    outside.mkdir()
    (outside / "file").write_text("another's")
    for link, target in (("link", "file"), ("sub/link", "file"), ("folder", ".")):
        (work / link).symlink_to(outside / target)
    place = os.open(work, folders.FOLDER)

    with contextlib.suppress(OSError):
        folders.put(place, name, b"new")

    os.close(place)
    assert (outside / "file").read_text() == "another's"


def test_a_folder_that_cannot_be_held_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError("this file system has no locks")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(OSError, match="can be held"):
        folders.make(tmp_path, "some-")
    assert not list(tmp_path.iterdir())


# An ordinary user cannot give files away, so there is nothing to show. Continuous integration runs as root.
if os.getuid() == 0:

    def test_a_folder_that_was_given_away_can_be_taken_back(tmp_path: Path) -> None:
        work = tmp_path / "work"
        (work / "sub").mkdir(parents=True)
        (work / "file").touch()
        folders.give(work, UID)
        folders.give(work, -1)
        assert {owner(path) for path in (work, *work.iterdir())} == {0}

    def test_what_a_link_points_to_keeps_its_owner(tmp_path: Path) -> None:
        work, outside = tmp_path / "work", tmp_path / "outside"
        (work / "sub").mkdir(parents=True)
        (outside / "folder").mkdir(parents=True)
        (outside / "file").touch()
        (work / "file").symlink_to(outside / "file")
        (work / "sub" / "folder").symlink_to(outside)
        (work / "dangling").symlink_to("/nonexistent")
        (work / "own").touch()
        folders.give(work, UID)
        assert {owner(path) for path in (work, work / "sub", work / "own")} == {UID}
        assert {owner(path) for path in (outside, *outside.iterdir())} == {0}

    def test_a_file_with_a_second_name_keeps_its_owner(tmp_path: Path) -> None:
        (tmp_path / "work").mkdir()
        (tmp_path / "outside").touch()
        os.link(tmp_path / "outside", tmp_path / "work" / "inside")
        folders.give(tmp_path / "work", UID)
        assert owner(tmp_path / "outside") == 0

    @pytest.mark.parametrize(("count", "name"), [(1500, "d"), (60, "d" * 200)])
    def test_a_folder_too_deep_to_walk_is_handed_over_as_far_as_it_goes(
        count: int, name: str, tmp_path: Path
    ) -> None:
        (tmp_path / "work").mkdir()
        nest(tmp_path / "work", count, name)
        folders.give(tmp_path / "work", UID)
        assert owner(tmp_path / "work" / name / name) == UID
        folders.remove(tmp_path / "work")

    @pytest.mark.parametrize(
        ("kind", "make"),
        [
            ("shm", lambda libc: libc.shmget(0, 4096, 0o1600)),
            ("msg", lambda libc: libc.msgget(0, 0o1600)),
            ("sem", lambda libc: libc.semget(0, 1, 0o1600)),
        ],
    )
    def test_what_outlives_a_runs_processes_in_the_kernel_is_swept(
        kind: str, make: Callable[[ctypes.CDLL], int]
    ) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                os.setresuid(UID, UID, UID)
                make(libc)
            os._exit(0)
        os.waitpid(child, 0)

        def left() -> bool:
            names, *rows = Path(f"/proc/sysvipc/{kind}").read_text().splitlines()
            return any(row.split()[names.split().index("uid")] == str(UID) for row in rows)

        assert left()
        folders.sweep({UID})
        assert not left()

    def test_a_queue_of_somebody_elses_is_left_alone() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        queue = libc.msgget(0, 0o1600)
        assert queue >= 0
        try:
            folders.sweep({UID})
            listed = Path("/proc/sysvipc/msg").read_text().split()
        finally:
            libc.msgctl(queue, folders.IPC_RMID, None)
        assert str(queue) in listed
