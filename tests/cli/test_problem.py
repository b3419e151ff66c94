"""``kernelbot problem``: a skeleton that is fit, and problems that must not be published."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kernelbot.checking import ledger, skeleton
from kernelbot.cli import problem_check, publication
from kernelbot.config import Settings
from kernelbot.errors import InvalidInput
from kernelbot.services.catalog import load_catalog
from tests.checking.test_ledger import TASK
from tests.cli.conftest import CommandLine

YAML = """\
name: {name}
title: Double
languages: [python]
tests: [{{size: 5}}, {{size: 300}}]
benchmarks: [{{size: 1000}}]
tolerance: {{rtol: {rtol}, atol: {atol}}}
limits: {{build: 60, check: {limit}, measure: {limit}}}
"""

REFERENCE = """\
import torch
OUTPUTS = 1


def generate_input(*, seed, device, size):
    source = torch.Generator(device=device).manual_seed(seed)
    x = torch.randn(size, generator=source, device=device) * 0.01
    return x, torch.empty_like(x)


def reference(data):
    return 2 * data[0]
"""


ONE_GPU = """\
{name}:
  devices: [{name}]
  peaks: [{{source: made up, bandwidth: {at}, cache: 1e6}}]
"""


def write_problem(
    folder: Path,
    *,
    rtol: str = "1.0e-6",
    atol: str = "0",
    limit: int = 60,
    reference: str = REFERENCE,
) -> Path:
    (folder / "examples").mkdir(parents=True)
    (folder / "problem.yaml").write_text(
        YAML.format(name=folder.name, rtol=rtol, atol=atol, limit=limit)
    )
    (folder / "reference.py").write_text(reference)
    (folder / "statement.md").write_text("Double it.")
    right = "# expect: passed\ndef custom_kernel(data):\n    return 2 * data[0]\n"
    (folder / "examples" / "correct.py").write_text(right)
    return folder


async def test_a_new_problem_is_fit_as_it_is_and_can_be_noted(plain: CommandLine) -> None:
    made = await plain("problem", "new", "row-norm")
    assert made.code == 0, made.err

    outcome = await plain("problem", "check", made.out.strip(), "--record")

    assert outcome.code == 0, outcome.out + outcome.err
    assert "all refused" in outcome.out
    assert re.search(
        r"Noise floor: right answers are up to 0\.\d+ tolerances apart, \d\.\de-0\d as", outcome.out
    )
    assert "row-norm is fit to be published." in outcome.out
    assert "Checked on the processor only: none of its cases for GPUs was tried" in outcome.out
    assert not re.search("warning|Traceback", outcome.out + outcome.err)
    entries = ledger.read((plain.home / "problems" / ledger.FILE).read_text())
    assert entries["row-norm"].devices == ("cpu",)


async def test_a_package_that_submissions_may_rely_on_and_is_not_here_is_told(
    plain: CommandLine, tmp_path: Path
) -> None:
    folder = write_problem(tmp_path / "double")
    with (folder / "problem.yaml").open("a") as file:
        file.write("packages: [nowhere_at_all, pytest]\n")
    (folder / "examples" / "correct.py").write_text(
        "# expect: passed\nimport scipy, pytest\n\n\ndef custom_kernel(data):\n    return 2 * data[0]\n"
    )

    file = str(folder / "problem.yaml")
    outcome = await plain("problem", "check", file, "--no-examples", "--json")

    assert outcome.code == 0, outcome.err
    (item,) = outcome.document["items"]
    found, other = [found for found in item["findings"] if "package" in found["text"]]
    assert found["level"] == "warning"
    assert "examples/correct.py, line 2: imports 'scipy'" in other["text"]
    assert "'nowhere_at_all', and it cannot be imported here" in found["text"]


async def test_nothing_is_noted_of_a_problem_whose_examples_were_left_out(
    plain: CommandLine, tmp_path: Path
) -> None:
    folder = write_problem(tmp_path / "double")

    outcome = await plain("problem", "check", str(folder), "--no-examples", "--record")

    assert outcome.code == 1
    assert "Leave one of the two out. Nothing was checked." in outcome.err
    assert not (tmp_path / ledger.FILE).exists()


async def test_the_speed_of_light_is_shown_on_every_gpu_of_the_file_and_what_it_lacks_is_told(
    plain: CommandLine, tmp_path: Path
) -> None:
    folder = write_problem(tmp_path / "double")
    with (folder / "problem.yaml").open("a") as file:
        file.write("speed_of_light: {bytes: 8 * size}\n")
    devices = tmp_path / "devices.yaml"
    devices.write_text(
        ONE_GPU.format(name="Q9 SXM", at=2e12) + ONE_GPU.format(name="Q9 PCIe", at=1e12)
    )

    outcome = await plain(
        "problem", "check", str(folder), "--no-examples", KERNELBOT_DEVICES_FILE=str(devices)
    )

    assert outcome.code == 0, outcome.err
    assert re.search(
        r"Benchmark, at the speed of light on +Q9\nsize: 1000 +4\.00 ns\n", outcome.out
    )
    assert "Where reference and starters stand under it is left out" in outcome.out
    assert "`--device cuda` on a machine with a GPU tells it." in outcome.out


async def test_checking_on_a_gpu_is_declined_once_where_there_is_none(
    plain: CommandLine, tmp_path: Path
) -> None:
    folder = str(write_problem(tmp_path / "double"))
    none = CommandLine(plain.home, {**plain.environment, "CUDA_VISIBLE_DEVICES": ""})

    outcome = await none("problem", "check", folder, "--device", "cuda")

    assert outcome.code == 1
    assert outcome.err.count("torch sees none on this machine") == 1
    assert "must not be published" not in outcome.out + outcome.err


async def test_what_is_there_is_not_written_over(plain: CommandLine) -> None:
    (plain.home / "problems" / "mine").mkdir(parents=True)

    outcome = await plain("problem", "new", "mine")

    assert outcome.code == 1
    assert "is there already" in outcome.err
    assert os.listdir(plain.home / "problems") == ["mine"]


@pytest.mark.parametrize("name", ["", "Scale", "../x", "-x", "a b", "competitions", "x" * 64])
def test_a_name_that_no_problem_can_have_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be the name"):
        skeleton.files(name)


BROKEN = {
    "vacuous": {"atol": "0.5"},
    "unseeded": {"reference": REFERENCE.replace(", generator=source", "")},
    "restless": {
        "reference": REFERENCE.replace("2 * data[0]", "2 * data[0] + torch.rand_like(data[0])")
    },
    "greedy": {"reference": REFERENCE.replace("2 * data[0]", "data[0].mul_(2)")},
    "failing": {"reference": REFERENCE.replace("2 * data[0]", "data[0] @ data[0].reshape(7, -1)")},
    "dying": {"reference": REFERENCE.replace("2 * data[0]", "__import__('os')._exit(3)")},
}
"""Problems with one thing wrong each."""

WORDS = {
    "vacuous": "“zeros” is accepted on tests[0] (size: 5)",
    "unseeded": "one seed gave two different inputs",
    "restless": "the reference gave two answers to one input",
    "greedy": "the reference changes its input",
    "failing": "reference.py failed: RuntimeError",
    "dying": "ended without a word",
}


@pytest.fixture
def broken(tmp_path: Path) -> dict[str, Path]:
    return {name: write_problem(tmp_path / name, **more) for name, more in BROKEN.items()}  # type: ignore[arg-type]


async def test_each_problem_that_must_not_be_published_is_refused_with_its_reason(
    plain: CommandLine, broken: dict[str, Path]
) -> None:
    folders = [str(path) for path in broken.values()]

    outcome = await plain("problem", "check", *folders, "--no-examples", "--json")

    assert outcome.code == 1, outcome.err
    assert outcome.document["fit"] is False
    for item in outcome.document["items"]:
        refusals = [found["text"] for found in item["findings"] if found["level"] == "refused"]
        assert any(WORDS[item["problem"]] in text for text in refusals), (item["problem"], refusals)
    (vacuous,) = [item for item in outcome.document["items"] if item["problem"] == "vacuous"]
    assert vacuous["noise_floor"]["error"] > 0
    assert vacuous["noise_floor"]["distance"] < vacuous["margin_tolerances"]


HANGING = REFERENCE.replace("2 * data[0]", "__import__('time').sleep(1e6)")


async def test_a_reference_that_hangs_is_killed_named_with_its_limit_and_holds_up_no_other(
    plain: CommandLine, tmp_path: Path
) -> None:
    hanging = write_problem(tmp_path / "hanging", reference=HANGING, limit=1)
    sound = write_problem(tmp_path / "sound")

    outcome = await plain(
        "problem", "check", str(hanging), str(sound), "--no-examples", "--json",
        KERNELBOT_CHECK_PATIENCE_S="4",
    )  # fmt: skip

    refused, fit = outcome.document["items"]
    assert (refused["fit"], fit["fit"]) == (False, True)
    (finding,) = refused["findings"]
    assert finding["text"].startswith("tests[0]: nothing came back within 6 s (limits.check 1 +")
    assert "the audit was killed" in finding["text"]


async def test_what_cannot_be_checked_is_told_and_not_noted_as_checked(
    plain: CommandLine, tmp_path: Path
) -> None:
    for name, content in TASK.items():
        (tmp_path / name).write_text(content)
    (tmp_path / "eval.py").write_text("from submission import forward\n")

    outcome = await plain("problem", "check", str(tmp_path), "--record")

    assert outcome.code == 0, outcome.out + outcome.err
    assert "note: " in outcome.out
    assert "is evaluated by its own program" in outcome.out
    assert "Nothing of it was tried." in outcome.out
    assert "may be published, unaudited." in outcome.out
    assert "is not noted: it was not checked, the folder's own program decides" in outcome.err
    assert not (tmp_path.parent / ledger.FILE).exists()


async def test_a_null_solution_accepted_by_a_check_of_its_own_is_found_too(
    plain: CommandLine, tmp_path: Path
) -> None:
    check = "\ndef check(data, output):\n    return None if output.isfinite().all() else 'no'\n"
    folder = write_problem(tmp_path / "own", reference=REFERENCE + check)

    outcome = await plain("problem", "check", str(folder), "--no-examples")

    assert outcome.code == 1
    assert "“zeros” is accepted" in outcome.out
    assert "own must not be published" in outcome.out


async def test_a_broken_example_and_a_folder_that_does_not_load_are_told(
    plain: CommandLine, tmp_path: Path
) -> None:
    folder = write_problem(tmp_path / "double")
    (folder / "examples" / "wrong.py").write_text(
        "# expect: passed\ndef custom_kernel(data):\n    return 3 * data[0]\n"
    )

    outcome = await plain("problem", "check", str(folder), str(tmp_path / "nothing"), "--record")

    assert outcome.code == 1
    assert not (tmp_path / ledger.FILE).exists()
    assert "examples/wrong.py must get passed, it got wrong answer" in outcome.out
    assert "double must not be published" in outcome.out
    assert "is no problem that can be loaded" in outcome.out


# --- publication -------------------------------------------------------------------------------


COMPETITION = """\
name: round
title: A round
licence: Apache-2.0
gpus: [CPU]
problems: [{problem: double}]
"""


@pytest.fixture
def tree(tmp_path: Path) -> Settings:
    root = tmp_path / "problems"
    (root / "competitions").mkdir(parents=True)
    (root / "competitions" / "round.yaml").write_text(COMPETITION)
    return Settings(problems_dir=root, data_dir=tmp_path / "data")


def demanded(
    tree: Settings,
    *,
    root: Path | None = None,
    unchecked: bool = False,
    accepted: Sequence[str] = (),
    without_hanging: bool = False,
) -> dict[str, str]:
    return publication.demand_checked(
        tree,
        load_catalog(root or tree.problems_dir, ["CPU"]),
        unchecked=unchecked,
        accepted=accepted,
        without_hanging=without_hanging,
    )


def test_what_nobody_has_checked_is_checked_once_before_it_is_published(
    tree: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_problem(tree.problems_dir / "double")

    words = demanded(tree, unchecked=False)

    assert words["double"].startswith("checked on cpu, ")

    def never(*arguments: Any) -> None:
        raise AssertionError("it is known")

    monkeypatch.setattr(problem_check, "audited", never)
    assert demanded(tree, unchecked=False) == words


def test_a_vacuous_problem_is_not_published_unless_asked_for(tree: Settings) -> None:
    write_problem(tree.problems_dir / "double", atol="0.5")

    with pytest.raises(InvalidInput, match="double: The check is vacuous"):
        demanded(tree, unchecked=False)

    assert "on request" in demanded(tree, unchecked=True)["double"]


@pytest.mark.slow
def test_a_problem_that_hangs_is_left_out_and_the_others_are_published(
    tree: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tree.problems_dir / "competitions" / "round.yaml"
    file.write_text(COMPETITION.replace("}]", "}, {problem: hanging}]"))
    write_problem(tree.problems_dir / "double")
    write_problem(tree.problems_dir / "hanging", reference=HANGING, limit=1)
    tree = tree.model_copy(update={"check_patience_s": 4.0})

    words = demanded(tree, without_hanging=True)

    assert list(words) == ["double"]
    said = capsys.readouterr().err
    assert "hanging is left out, and its leaderboards are hidden until" in said
    assert "tests[0]: nothing came back within 6 s" in said
    limited = load_catalog(tree.problems_dir, ["CPU"]).limited_to(words)
    assert limited.leaderboards == ["double"]
    with pytest.raises(InvalidInput, match=r"hanging: tests\[0\]: nothing came back within 6 s"):
        demanded(tree)


FIELD_TASK = """\
lang: py
description: Double it.
files: [{name: submission.py, source: "@SUBMISSION@"}, {name: reference.py, source: reference.py},
        {name: eval.py, source: eval.py}]
config: {main: eval.py}
ranking_by: geom
tests: [{size: 64, seed: 1}]
benchmarks: [{size: 128, seed: 2}, {size: 129, seed: 2}]
"""

FIELD_REFERENCE = """\
import torch


def generate_input(size, seed):
    return torch.randn(size, generator=torch.Generator().manual_seed(seed))


def ref_kernel(data):
    return 2 * data


def check_implementation(data, output):
    good = torch.allclose(output, ref_kernel(data), rtol=1e-5, atol=0)
    return good, "" if good else "mismatch"
"""

FIELD = {
    "sound": FIELD_REFERENCE,
    "on-gpus": FIELD_REFERENCE.replace("size, gen", "size, device='cuda', gen"),
    "slow": FIELD_REFERENCE.replace(
        "2 * data", "data * (2 if len(data) < 129 else sleep(99))"
    ).replace("import torch", "import torch\nfrom time import sleep"),
    "needy": "import nowhere_at_all\n" + FIELD_REFERENCE,
    "vacuous": FIELD_REFERENCE.replace("atol=0", "atol=9.0"),
    "impossible": FIELD_REFERENCE.replace("atol=0)", "atol=0) and data is None"),
    "several": FIELD_REFERENCE,
}
"""References of tasks of the field, by what there is to say of them."""

FIELD_WORDS = {
    "sound": "checked on cpu, {} null solutions refused; not checked on a GPU",
    "on-gpus": "not checked: 3 of 3 cases take a GPU",
    "needy": "not checked: its files import 'nowhere_at_all', which this machine has not got",
    "several": "not checked: the folder's own program decides, and only about whole submissions",
}
SLOW_WORDS = (
    "checked on cpu, {} null solutions refused; not tried: 1 of 3 cases take longer than there was time; "
    "not checked on a GPU"
)


def write_task(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True)
    text = FIELD_TASK
    if name == "several":
        text = text.replace("seed:", "world_size: 2, seed:") + "multi_gpu: true\n"
    (folder / "task.yml").write_text(text)
    (folder / "reference.py").write_text(FIELD[name])
    (folder / "eval.py").write_text("from submission import custom_kernel\n")
    return folder


def field_tree(
    tree: Settings, *names: str, gpu: str = "CPU", patience_s: float = 120.0
) -> Settings:
    """A tree of the field with these tasks, whose boards have names of their own."""
    (tree.problems_dir / "competitions" / "round.yaml").unlink()
    for name in names:
        write_task(tree.problems_dir / "tasks" / name, name)
    boards = [f"{{directory: tasks/{name}, name: {name}-board, gpus: [{gpu}]}}" for name in names]
    (tree.problems_dir / "field.yaml").write_text(f"name: Field\nproblems: [{', '.join(boards)}]\n")
    return tree.model_copy(update={"check_patience_s": patience_s})


def without_numbers(words: dict[str, str]) -> dict[str, str]:
    return {name: re.sub(r"\d+ null", "{} null", text) for name, text in words.items()}


def test_tasks_of_the_field_are_checked_as_far_as_this_machine_can_and_that_is_told(
    tree: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    tree = field_tree(tree, *FIELD_WORDS)

    words = without_numbers(demanded(tree))

    assert words == {f"{name}-board": said for name, said in FIELD_WORDS.items()}
    said = without_numbers({"": capsys.readouterr().err})[""]
    for name in FIELD_WORDS:
        assert (f"{name}-board: {FIELD_WORDS[name]}." in said) is (name != "sound")
    monkeypatch.setattr(problem_check, "_audited", None)
    monkeypatch.setattr(publication, "_worth_another_try", lambda entry: False)
    assert without_numbers(demanded(tree)) == words


@pytest.mark.slow
def test_a_task_of_the_field_one_of_whose_cases_takes_too_long_is_published_and_that_is_told(
    tree: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # All of it is waited for; the other cases take a moment of it, or many on a busy machine.
    tree = field_tree(tree, "slow", patience_s=20.0)

    words = without_numbers(demanded(tree))

    assert words == {"slow-board": SLOW_WORDS}
    assert f"slow-board: {SLOW_WORDS}." in without_numbers({"": capsys.readouterr().err})[""]
    monkeypatch.setattr(problem_check, "_audited", None)
    monkeypatch.setattr(publication, "_worth_another_try", lambda entry: False)
    assert without_numbers(demanded(tree)) == words


def test_a_task_of_the_field_whose_check_is_vacuous_is_published_only_by_its_name(
    tree: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = field_tree(tree, "sound", "vacuous")

    with pytest.raises(InvalidInput) as refused:
        demanded(tree)
    assert "vacuous-board: The check is vacuous: “zeros” is accepted on tests[0]" in str(
        refused.value
    )
    assert re.search(r"vacuous-board: \d+ more null solutions are accepted\.", str(refused.value))
    assert str(refused.value).count("vacuous-board") == 4
    assert "--accept-vacuous NAME" in str(refused.value)
    with pytest.raises(InvalidInput, match=r"vacous-board: no problem.* mean 'vacuous-board'"):
        demanded(tree, accepted=["vacous-board"])

    words = demanded(tree, accepted=["vacuous-board"])

    assert re.search(
        r"request although its check takes “zeros”, “\w+”, “[^”]+” and \d+ more; not checked on a GPU",
        words["vacuous-board"],
    )
    assert words["sound-board"].startswith("checked on cpu, ")
    assert demanded(tree) == words, "what was accepted once is kept for exactly these files"
    with monkeypatch.context() as patched:
        patched.setattr(publication, "_worth_another_try", lambda entry: True)
        assert demanded(tree) == words, "also where a GPU has come since"
    reference = tree.problems_dir / "tasks" / "vacuous" / "reference.py"
    reference.write_text(FIELD["vacuous"] + "# changed\n")
    with pytest.raises(InvalidInput, match="vacuous-board: The check is vacuous"):
        demanded(tree)


def test_a_check_that_refuses_its_own_reference_is_accepted_by_nobody(tree: Settings) -> None:
    tree = field_tree(tree, "impossible")

    with pytest.raises(InvalidInput, match="the check refuses the reference's own answer"):
        demanded(tree, accepted=["impossible-board"])


async def test_what_was_noted_of_a_tasks_folder_holds_for_the_board_that_its_set_gives_it(
    plain: CommandLine, tree: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = field_tree(tree, "sound")
    folder = tree.problems_dir / "tasks" / "sound"

    outcome = await plain("problem", "check", str(folder), "--record")

    assert outcome.code == 0, outcome.out + outcome.err
    assert "sound is fit to be published.\nChecked on the processor." in outcome.out
    monkeypatch.setattr(problem_check, "audited", None)
    assert without_numbers(demanded(tree)) == {"sound-board": FIELD_WORDS["sound"]}


def test_what_is_worth_knowing_about_tasks_of_the_field_is_told_where_they_are_published(
    tree: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    demanded(field_tree(tree, "several", gpu="Q9"))

    said = capsys.readouterr().err
    assert "Note: problems/tasks/several/task.yml: is evaluated by its own program" in said
    assert "Note: problems/field.yaml:2: problems[0].gpus[0]: this site has no GPU 'Q9'" in said


def test_a_competition_whose_deadlines_have_all_passed_is_told_of(
    tree: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    write_problem(tree.problems_dir / "double")
    file = tree.problems_dir / "competitions" / "round.yaml"
    file.write_text(COMPETITION + "closes: 2026-03-01T00:00:00Z\n")
    catalog = load_catalog(tree.problems_dir, ["CPU"])

    publication.tell_notes(catalog, datetime(2026, 3, 1, tzinfo=UTC))
    said = capsys.readouterr().err
    assert "round was over at 2026-03-01T00:00:00+00:00: nobody can submit to it" in said
    publication.tell_notes(catalog, datetime(2026, 2, 28, tzinfo=UTC))
    assert capsys.readouterr().err == ""


def test_the_ledger_beside_the_problems_spares_the_check(
    tree: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_problem(tree.problems_dir / "double")
    problem = problem_check.load_problem(tree.problems_dir / "double")
    entries = ledger.with_entry({}, problem, "cuda", 77)
    (tree.problems_dir / ledger.FILE).write_text(ledger.written(entries))
    monkeypatch.setattr(problem_check, "audited", None)

    words = demanded(tree, unchecked=False)

    assert words == {
        "double": "checked on cuda, 77 null solutions refused; not checked on the processor"
    }
    assert json.loads(ledger.written(entries))["checked"]["double"]["devices"] == ["cuda"]


def test_a_ledger_that_comes_with_files_from_elsewhere_vouches_for_none_of_them(
    tree: Settings, tmp_path: Path
) -> None:
    theirs = tree.problems_dir.rename(tmp_path / "theirs")
    write_problem(theirs / "double", atol="0.5")
    entries = ledger.with_entry({}, problem_check.load_problem(theirs / "double"), "cuda", 77)
    (theirs / ledger.FILE).write_text(ledger.written(entries))

    with pytest.raises(InvalidInput, match="double: The check is vacuous"):
        demanded(tree, root=theirs)
