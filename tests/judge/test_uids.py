"""A uid that was made for one run is nobody else's, whatever becomes of the referee that took it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernelbot.judge import folders, staging, uids
from kernelbot.judge.protocol import Mode
from kernelbot.judge.uids import Exhausted, Uids
from tests.judge.bench import COLD_S, a_job, problem

LOOKING = """
import os
mine = os.getuid()
others = 0
for name in os.listdir("/proc"):
    if name.isdigit() and int(name) != os.getpid():
        try:
            others += os.stat(f"/proc/{name}").st_uid == mine
        except OSError:
            pass
print("uid", mine, "others", others)
def custom_kernel(data):
    return data[0] + data[1]
"""


PAIRS = [[uid, uid + 1] for uid in range(uids.LAST_UID + 1, 65_500, 2)]


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[int]]:
    """A machine with two uids for contestants, noted in a folder of its own: no judge and no test beside this one
    has them."""
    with socket.socket(socket.AF_UNIX) as held:
        found = next(pair for pair in PAIRS if taken(held, pair))
        monkeypatch.setattr(uids, "FIRST_UID", found[0])
        monkeypatch.setattr(uids, "LAST_UID", found[1])
        monkeypatch.setattr(uids, "PLACES", (tmp_path,))
        yield found


def taken(held: socket.socket, pair: list[int]) -> bool:
    """Whether these are nobody else's now, for as long as the socket is open."""
    try:
        held.bind(f"\0kernelbot-test-uids-{pair[0]}")
    except OSError:
        return False
    return True


def in_another_process(work: object) -> int:
    """Fork a referee that takes a uid, does something and waits for its end; its number."""
    told, tell = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            Uids().another()
            assert callable(work)
            work()
            os.write(tell, b"1")
            signal.pause()
        finally:
            os._exit(1)
    os.close(tell)
    assert os.read(told, 1) == b"1"
    os.close(told)
    return pid


def killed(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def test_a_user_who_cannot_change_uids_is_given_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    mine = Uids()
    assert (mine.another(), mine.another()) == (-1, -1)
    mine.leave()
    uids.end_abandoned()


# Ordinary users have no uids to give away, so there is nothing to show for them.
if os.getuid() == 0:

    def test_two_referees_never_have_the_same_uid(two: list[int]) -> None:
        mine = Uids()
        assert sorted((mine.another(), mine.another())) == two
        with pytest.raises(Exhausted, match="in use"):
            Uids().another()
        mine.leave()
        assert Uids().another() in two

    def test_a_uid_comes_back_when_its_referee_is_killed_and_not_before(two: list[int]) -> None:
        others = [in_another_process(lambda: None) for _ in two]
        uids.end_abandoned()
        with pytest.raises(Exhausted):
            Uids().another()
        killed(others.pop())
        uids.end_abandoned()
        mine = Uids()
        assert mine.another() in two
        with pytest.raises(Exhausted):
            mine.another()
        mine.leave()
        killed(others.pop())

    def test_what_outlived_a_killed_referee_is_ended_before_its_uid_is_given_away(
        two: list[int],
    ) -> None:
        mine = Uids()
        ours = mine.another()
        (theirs,) = set(two) - {ours}

        left = subprocess.Popen(["sleep", "600"], user=theirs, group=theirs, start_new_session=True)
        running = subprocess.Popen(["sleep", "600"], user=ours, group=ours)
        other = in_another_process(lambda: None)
        uids.end_abandoned()
        assert left.poll() is None
        killed(other)

        uids.end_abandoned()

        assert left.wait(60) == -9
        assert running.poll() is None
        running.kill()
        running.wait(10)
        mine.leave()

    def test_a_number_that_is_no_contestants_is_left_alone(two: list[int], tmp_path: Path) -> None:
        Uids().another()
        (tmp_path / uids.FOLDER / "65534").mkdir()  # nobody
        running = subprocess.Popen(["sleep", "600"], user=65534, group=65534)
        uids.end_abandoned()
        assert running.poll() is None
        running.kill()
        running.wait(10)

    def test_uids_are_not_noted_where_somebody_else_could_have_made_the_folder(
        monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        for name in ("foreign", "linked", "good"):
            (tmp_path / name).mkdir()
        (tmp_path / "foreign" / uids.FOLDER).mkdir()
        os.chown(tmp_path / "foreign" / uids.FOLDER, uids.LAST_UID, uids.LAST_UID)
        (tmp_path / "linked" / uids.FOLDER).symlink_to(tmp_path)
        places = tuple(tmp_path / name for name in ("foreign", "linked", "good"))
        monkeypatch.setattr(uids, "PLACES", places)
        mine = Uids()
        uid = mine.another()
        assert (tmp_path / "good" / uids.FOLDER / str(uid)).is_dir()
        mine.leave()

    def test_a_contestant_shares_its_uid_with_nobody(tmp_path: Path) -> None:
        staging.stage(tmp_path, a_job(Mode.TEST), problem("add"), LOOKING.encode())
        # In bubblewrap's namespaces everybody is nobody.
        subprocess.run(staging.command(tmp_path, isolation="user"), check=True, timeout=COLD_S)
        log = staging.read_verdict(tmp_path).log
        assert log.startswith("uid ")
        uid = int(log.split()[1])
        assert uids.FIRST_UID <= uid <= uids.LAST_UID
        assert "others 0" in log
        # It is gone or, by now, another run's: what was left behind could be held.
        assert folders.hold(uids._place() / str(uid)) is None


def test_a_folder_that_is_held_is_not_taken_for_abandoned(tmp_path: Path) -> None:
    for name in ("a-held", "a-left", "b-other"):
        (tmp_path / name).mkdir()
    held = folders.hold(tmp_path / "a-held")
    assert held is not None
    assert folders.hold(tmp_path / "a-held") is None

    folders.remove_abandoned(tmp_path, "a-*")

    assert sorted(os.listdir(tmp_path)) == ["a-held", "b-other"]
    os.close(held)
    folders.remove_abandoned(tmp_path, "a-*")
    assert os.listdir(tmp_path) == ["b-other"]
