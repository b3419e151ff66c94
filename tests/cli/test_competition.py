"""``kernelbot competition`` and ``join``: files published, people let in, standings read."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from kernelbot.app import App
from kernelbot.services import sources
from tests.cli.conftest import CommandLine
from tests.conftest import ADMIN_TOKEN
from tests.factories import judge_one, make_verdict

DOCS = Path(__file__).resolve().parents[2] / "docs"
PROBLEMS = DOCS.parent / "problems"

CLASS = """\
name: class
title: A closed class
licence: MIT
visibility: invite
gpus: [CPU]
code_opens: 2026-01-01T00:00:00Z
scoring: {rule: points}
problems:
  - {problem: vectoradd, leaderboard: class-add, points: 10}
prizes: [{prize: A book}]
verification: [We read the code]
"""


@pytest.fixture
def organizer(kernelbot: CommandLine, environment: dict[str, str], shelf: Path) -> CommandLine:
    """On the machine of the installation, with its administrator's token."""
    ours = {
        "DATABASE_URL": environment["DATABASE_URL"],
        "KERNELBOT_PROBLEMS_DIR": str(shelf),
        "KERNELBOT_TOKEN": ADMIN_TOKEN,
    }
    return CommandLine(kernelbot.home, kernelbot.environment | ours)


async def test_a_closed_class_from_its_file_to_its_standings(
    app: App, kernelbot: CommandLine, organizer: CommandLine
) -> None:
    file = kernelbot.write("class.yaml", CLASS)
    checked = await organizer("competition", "check", file)
    planned = await organizer("competition", "plan", file)
    applied = await organizer("competition", "apply", file, "--unchecked")
    again = await organizer("competition", "plan", file)
    hidden = await kernelbot("competition", "show", "class")
    code = (await organizer("competition", "invite", "class", "--people", "30")).out.strip()
    joined = await kernelbot("join", "class", code)
    kernel = kernelbot.write("k.py")
    sent = await kernelbot("submit", kernel, "-l", "class-add", "--mode", "ranked", "--no-wait")
    assert sent.code == 0, (applied.err, joined.err, sent.err)
    await judge_one(app, make_verdict(ns=1e6))
    shown = await kernelbot("competition", "standings", "class")
    document = (await kernelbot("competition", "standings", "class", "--json")).document
    about = await kernelbot("competition", "show", "class")
    codes = await organizer("competition", "invites", "class")
    read = await organizer("show", sent.out.strip(), "--code")

    assert checked.out == "No mistakes. Leaderboards: class-add.\n"
    assert re.search("created +competition class", planned.out)
    assert applied.out == planned.out
    assert again.out == "Nothing changes.\n"
    assert (hidden.code, "There is no competition 'class'" in hidden.err) == (1, True)
    assert joined.out == "You are in A closed class. Its leaderboards: class-add.\n"
    assert re.search(r"1 +ada \(you\) +10 +100 % \(1st, 1\.00 ms\)", shown.out), shown.out
    assert document["items"][0]["score"] == 10
    assert "Prize: A book, place 1 of the competition" in about.out
    assert re.search(r"1 of 30 +never", codes.out)
    assert "Licence: MIT" in read.err


TOURNAMENT = """\
name: cup
title: A cup
licence: MIT
gpus: [CPU]
registration: {opens: 2026-01-01T00:00:00Z, eligibility: Students.}
team_size: 3
ranked_per_hour: 4
scoring: {rule: weighted_sum, share: baseline, missing: baseline, count: 2}
phases:
  - name: heats
    opens: 2026-02-01T00:00:00Z
    closes: 2097-02-01T00:00:00Z
    freeze: {from: 2097-01-01T00:00:00Z}
    advance: 5
    problems:
      - {problem: vectoradd, leaderboard: cup-add, weight: 2.5, baseline: {CPU: 0.001}}
  - name: final
    opens: 2097-03-01T00:00:00Z
    closes: 2097-04-01T00:00:00Z
    problems:
      - {problem: matmul, leaderboard: cup-matmul, baseline: {CPU: 0.001}}
prizes: [{prize: A book, note: Signed}]
"""


async def test_a_competition_shows_how_it_is_won_and_who_may_take_part(
    kernelbot: CommandLine, organizer: CommandLine
) -> None:
    file = kernelbot.write("cup.yaml", TOURNAMENT)
    applied = await organizer("competition", "apply", file, "--unchecked")
    assert applied.code == 0, applied.err

    shown = (await kernelbot("competition", "show", "cup")).out
    listed = (await kernelbot("competition", "list")).out

    for words in (
        "Score: the weight of each problem times a share, summed. "
        "The share: how many times as fast as the baseline.",
        "The best 2 problems of each person count.",
        "Who has nothing better on a problem has what its baseline has.",
        "Submissions an hour and leaderboard: 4 ranked",
        "Registration: from 2026-01-01",
        "Students.",
        "Teams: up to 3 people",
        "After heats the first 5 go on.",
        "A book, place 1 of the competition. Signed",
    ):
        assert words in shown
    assert re.search("Leaderboard +Weight +Phase", shown)
    assert re.search(r"cup-add +2\.5 +heats +CPU +2026-02-01 .*2097-01-01 .*2097-02-01", shown)
    assert re.search("cup +A cup +public +2026-02-01 .* +2097-04-01", listed)


async def test_what_must_not_change_is_refused_before_anything_is_written(
    kernelbot: CommandLine, organizer: CommandLine
) -> None:
    file = kernelbot.write("thief.yaml", CLASS.replace(", leaderboard: class-add", ""))

    planned = await organizer("competition", "plan", file)
    applied = await organizer("competition", "apply", file, "--unchecked")

    assert planned.code == applied.code == 1
    assert re.search("refused +leaderboard vectoradd +belongs to", planned.out)
    assert "Nothing is changed" in applied.err
    assert "class" not in (await organizer("competition", "list")).out


async def test_what_was_applied_is_hidden_by_name_and_moves_between_files_on_request(
    kernelbot: CommandLine, organizer: CommandLine
) -> None:
    public = CLASS.replace("visibility: invite", "visibility: public")
    first, second = kernelbot.write("first.yaml", public), kernelbot.write("second.yaml", public)
    await organizer("competition", "apply", first, "--unchecked")

    hidden = await organizer("competition", "hide", "class")
    listed = await organizer("competition", "list")
    again = await organizer("competition", "hide", "class")
    refused = await organizer("competition", "plan", second)
    moved = await organizer("competition", "apply", second, "--unchecked", "--take-over")

    assert hidden.out == "class is hidden until its files are applied again.\n"
    assert "A closed class" not in listed.out
    assert (again.code, "There is no competition 'class'" in again.err) == (1, True)
    assert re.search("refused +competition class +its files come from .*first.yaml", refused.out)
    assert moved.code == 0, moved.err
    assert "A closed class" in (await organizer("competition", "list")).out


def committed(folder: Path) -> str:
    """Everything in the folder in a repository of its own; the commit."""
    git = ["git", "-C", str(folder), "-c", "user.name=n", "-c", "user.email=e@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *command], check=True)
    return head(folder)


def head(folder: Path) -> str:
    git = ["git", "-C", str(folder)]
    return subprocess.check_output([*git, "rev-parse", "HEAD"], text=True).strip()


async def test_a_repository_is_pinned_to_the_commit_it_was_read_at(
    kernelbot: CommandLine, organizer: CommandLine
) -> None:
    folder = kernelbot.home / "repository"
    (folder / "rounds" / "competitions").mkdir(parents=True)
    (folder / "rounds" / "competitions" / "class.yaml").write_text(
        CLASS.replace("visibility: invite", "visibility: public")
    )
    commit = committed(folder)
    address = f"file://{folder}#HEAD:rounds"
    other = kernelbot.home / "other"
    other.mkdir()
    (other / "mine.txt").write_text("mine")
    before = committed(other)

    applied = await organizer(
        "competition", "apply", address, "--unchecked", GIT_DIR=str(other / ".git")
    )
    shown = await organizer("competition", "show", "class")
    to_others = await kernelbot("competition", "show", "class")

    assert applied.code == 0, applied.err
    assert f"Defined in: file://{folder}#:rounds at {commit}" in shown.out
    assert str(folder) not in to_others.out, "a path of the server's"
    assert [(other / "mine.txt").read_text(), head(other)] == ["mine", before]


async def test_a_reference_that_names_nothing_is_told_what_may_be_one(
    kernelbot: CommandLine, organizer: CommandLine
) -> None:
    folder = kernelbot.home / "repository"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    short = committed(folder)[:8]

    outcome = await organizer("competition", "check", f"file://{folder}#{short}")

    assert (
        f"couldn't find remote ref {short}. REF is a branch, a tag or a full commit id."
        in outcome.err
    )


@pytest.mark.parametrize("name", ["random", "zeros"])
async def test_a_repository_is_refused_for_its_size_before_it_is_unpacked(
    kernelbot: CommandLine, organizer: CommandLine, name: str
) -> None:
    folder = kernelbot.home / "repository"
    folder.mkdir()
    size = sources.MAX_BYTES + 1
    (folder / "data").write_bytes(os.urandom(size) if name == "random" else bytes(size))
    committed(folder)

    outcome = await organizer("competition", "check", f"file://{folder}")

    assert outcome.code == 1
    assert "The repository holds more than 64 MiB at that commit." in outcome.err


async def test_a_problem_set_of_the_field_can_be_checked_alone_and_its_notes_are_told(
    kernelbot: CommandLine, organizer: CommandLine
) -> None:
    files = {
        "practice.yaml": "name: P\nproblems: [{directory: twice, name: twice, gpus: [Moon]}]\n",
        "twice/task.yml": "files: [{name: submission.py, source: '@SUBMISSION@'},"
        " {name: reference.py, source: reference.py}, {name: eval.py, source: eval.py}]\n"
        "lang: py\ndescription: D\nconfig: {main: eval.py}\n"
        "tests: [{size: 1, seed: 1}]\nbenchmarks: [{size: 1, seed: 1}]\n",
        "twice/eval.py": "from submission import custom_kernel\n",
        "twice/reference.py": "def generate_input(size, seed): ...\n"
        "def ref_kernel(data): ...\ndef check_implementation(data, output): ...\n",
    }
    for name, content in files.items():
        path = kernelbot.home / "theirs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    for command in ("check", "plan"):
        for source in ("theirs/practice.yaml", "theirs"):
            told = await organizer("competition", command, str(kernelbot.home / source))
            assert told.code == 0, told.err
            assert told.err.count("this site has no GPU 'Moon'") == 1
            assert "twice" in told.out


async def test_checking_files_tells_kinds_with_too_few_gpus_as_planning_does(
    organizer: CommandLine, kernelbot: CommandLine, shelf: Path
) -> None:
    shutil.copytree(PROBLEMS / "all-to-all", shelf / "all-to-all")
    text = CLASS.replace("[CPU]", "[CPU, H100, H200x4]").replace("vectoradd", "all-to-all")
    file = kernelbot.write("class.yaml", text)

    for command in ("check", "plan"):
        told = await organizer("competition", command, file)
        said = " ".join((told.out + told.err).split())
        assert told.code != 0
        assert "class-add" in said
        assert "all-to-all runs on 2, 4 or 8 GPUs at once, and H100 has 1." in said
        assert "Name a kind with 'gpus: 2, 4 or 8'" in said
        assert "H200x4" not in said


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("nowhere.yaml", "cannot be read: no such file"),
        (".", "defines no competition"),
        ("file:///nowhere/at-all", "git: "),
        ("file:///nowhere#--upload-pack=x", "names no branch, tag or full commit id"),
        ("file:///nowhere#main:../..", "or no folder in the repository"),
        ("https://token@127.0.0.1:1/r.git", "holds a name or password to sign in with"),
        ("ssh://git:secret@127.0.0.1:1/r.git", "holds a name or password to sign in with"),
    ],
)
async def test_a_source_that_is_none_is_refused_in_words(
    organizer: CommandLine, source: str, words: str
) -> None:
    outcome = await organizer("competition", "check", source)

    assert outcome.code == 1
    assert words in outcome.err
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize("kind", ["problem", "competition"])
async def test_the_schema_of_a_kind_of_file_is_printed_as_it_is_shipped(
    plain: CommandLine, kind: str
) -> None:
    assert (await plain("schema", kind)).out == (DOCS / f"{kind}.schema.json").read_text()
