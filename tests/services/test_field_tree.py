"""A tree of problems written for the field's platform, with every habit and trap of the public one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kernelbot.app import App
from kernelbot.domain.definition import DefinitionErrors
from kernelbot.domain.field_task import CHECK, EVALUATOR
from kernelbot.domain.problem import Problem
from kernelbot.domain.scoring import Scoring
from kernelbot.domain.target import Target
from kernelbot.judge.protocol import Mode
from kernelbot.launchers.targets import load_targets
from kernelbot.services import competitions, publish, standings
from kernelbot.services.catalog import load_catalog, load_one, load_problem
from kernelbot.services.field_tree import load_set, load_task
from kernelbot.services.publish import Source

REFERENCE = """
import torch
from utils import make_match
from task import input_t, output_t

def generate_input(size: int, seed: int, nomask=True, case="dense") -> input_t:
    return torch.randn(size)

def ref_kernel(data: input_t) -> output_t:
    return data * 2

check_implementation = make_match(ref_kernel, rtol=1e-3)
"""
TASK = """# name: some-other-name

files:
  - {"name": "submission.py", "source": "@SUBMISSION@"}
  - {"name":"task.py", "source":"task.py"}
  - {"name": "utils.py", "source": "../../shared/utils.py"}  # another group's
  - {"name": "reference.py", "source": "reference.py"}
  - {"name": "eval.py", "source": "../eval.py"}

lang: "py"

description: |
  Double it – fast. \

  | n | time |
  |---|------|

config:
  main: "eval.py"

templates:
  Python: "../template.py"
  CuteDSL: "template_cute.py"

tests:
  - {"size": 128, "seed":402}
  # heterogeneous, and the same again
  - {"size": 256, "seed": 5236, "nomask": False, "case": "upper"}

  - {"size": 256, "seed": 5236, "nomask": False, "case": "upper"}
benchmarks:
  - {"size": 1024, "seed": 1}
  - {"size": 2048, "seed": 1}
  - size: 4096
    seed: 1

test_timeout: 240
ranked_timeout: 900
"""
SET = """name: Practice Problems
# when does this end
deadline: ""
description: ""
problems:
  - directory: group/double_py
    name: double
    deadline: "2026-02-14 7:30"
    gpus:
      - H100
      - NVIDIA
  - directory: group/double_py
    name: double_v2
    deadline: "2100-12-31"
    gpus: [MI300x8]"""

Tree = Callable[..., Path]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Writes the tree, with some files changed; None leaves one out."""

    def write(**changes: str | None) -> Path:
        files: dict[str, str | None] = {
            "practice.yaml": SET,
            "shared/utils.py": "import torch\nimport yaml\ndef make_match(*a, **k): ...\n",
            "group/eval.py": "from submission import custom_kernel\n",
            "group/template.py": "def custom_kernel(...): # <- fill in\n",
            "group/double_py/task.yml": TASK,
            "group/double_py/task.py": "input_t = output_t = object\n",
            "group/double_py/reference.py": REFERENCE,
            "group/double_py/template_cute.py": "",
        }
        names = {"task": "group/double_py/task.yml", "set": "practice.yaml",
                 "reference": "group/double_py/reference.py", "eval": "group/eval.py"}  # fmt: skip
        for name, content in (files | {names.get(k, k): v for k, v in changes.items()}).items():
            if content is not None:
                path = tmp_path / "problems" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content, encoding="utf-8")
        return tmp_path / "problems"

    return write


def task_of(root: Path) -> Problem:
    return load_task(root / "group/double_py")


def flaws_of(root: Path) -> str:
    with pytest.raises(DefinitionErrors) as found:
        load_task(root / "group/double_py", root=root)
    return str(found.value)


def changed(old: str, new: str, text: str = TASK) -> str:
    assert old in text
    return text.replace(old, new)


def test_a_task_loads_with_the_meaning_it_has_there(tree: Tree) -> None:
    problem = task_of(tree())
    assert problem.statement.startswith("Double it – fast.")
    assert problem.scoring is Scoring.LAST
    assert list(problem.contestant_files) == ["task.py", "utils.py", "reference.py", "eval.py"]
    assert problem.limits.check_s == 240
    assert problem.limits.measure_s == 180
    assert problem.starter("python") == "def custom_kernel(...): # <- fill in\n"
    assert "cutedsl" in problem.starters
    assert problem.task is not None
    assert problem.task.style == CHECK
    assert problem.task.needs == ("yaml",)


def test_cases_keep_their_order_their_keys_and_their_duplicates(tree: Tree) -> None:
    first, second, third = task_of(tree()).tests
    assert list(first.items()) == [("size", 128), ("seed", 402)]
    assert second == third


def test_truth_values_travel_as_words_and_that_is_noted(tree: Tree) -> None:
    problem = task_of(tree())
    assert problem.tests[1]["nomask"] == "False"
    assert any("'False' is true" in str(note) for note in problem.notes)


def test_a_task_without_a_ranking_runs_and_counts_only_the_last_benchmark(tree: Tree) -> None:
    job = task_of(tree()).job(run_id="r", mode=Mode.RANKED, device="cuda")
    assert job.benchmarks == ({"size": 4096, "seed": 1},)
    assert len(job.tests) == 3
    assert job.limits.measure_s == 900
    profiled = task_of(tree()).job(run_id="r", mode=Mode.PROFILE, device="cuda")
    assert len(profiled.benchmarks) == 3
    assert job.style == "check"
    every = task_of(tree(task=TASK + 'ranking_by: "geom"\n'))
    assert len(every.job(run_id="r", mode=Mode.TEST, device="cuda").benchmarks) == 3


def test_a_problem_survives_being_stored(tree: Tree) -> None:
    problem = task_of(tree())
    assert Problem.from_document(problem.to_document(), problem.files) == problem


def test_a_folder_is_loaded_by_the_same_call_as_any_problem(tree: Tree) -> None:
    assert load_problem(tree() / "group/double_py").task is not None


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"reference": REFERENCE.replace("ref_kernel", "other")}, "defines no ref_kernel"),
        ({"eval": "from submission import forward\n"}, "something else than custom_kernel"),
    ],
)
def test_a_folder_this_judge_cannot_decide_about_is_evaluated_by_its_own_program(
    changes: dict[str, str], why: str, tree: Tree
) -> None:
    problem = task_of(tree(**changes))
    assert problem.task is not None
    assert problem.task.style == EVALUATOR
    assert any(why in str(note) for note in problem.notes)
    job = problem.job(run_id="r", mode=Mode.TEST, device="cuda")
    assert (job.style, job.main) == ("evaluator", "eval.py")


def test_several_gpus_need_a_world_size_in_every_case(tree: Tree) -> None:
    several = changed('"seed":402', '"seed":402, "world_size": 4') + "multi_gpu: true\n"
    assert "'world_size'. Add it to every case" in flaws_of(tree(task=several))
    every = TASK.replace('"seed"', '"world_size": 4, "seed"') + "multi_gpu: true\n"
    every = every.replace("    seed: 1", "    seed: 1\n    world_size: 4")
    job = task_of(tree(task=every)).job(run_id="r", mode=Mode.TEST, device="cuda")
    assert (job.style, job.world_size) == ("evaluator", 4)


def test_a_world_size_without_several_gpus_is_refused(tree: Tree) -> None:
    found = flaws_of(tree(task=changed('"seed":402', '"seed":402, "world_size": 4')))
    assert "Add 'multi_gpu: true'" in found


def test_a_case_may_be_written_as_the_line_it_becomes(tree: Tree) -> None:
    text = changed('  - {"size": 128, "seed":402}', "  - 'size: 128; seed: 402; case: upper'")
    assert task_of(tree(task=text)).tests[0] == {"size": 128, "seed": 402, "case": "upper"}


def test_lists_of_numbers_are_carried(tree: Tree) -> None:
    text = changed('"size": 128', '"size": [96, 128]')
    assert task_of(tree(task=text)).tests[0]["size"] == [96, 128]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('lang: "py"', 'lang: "py"\nmilestones: []', "unknown key 'milestones'"),
        ("test_timeout", "test_timout", "Did you mean"),
        ('lang: "py"', 'lang: "rust"', "'rust' is unknown"),
        ('lang: "py"', 'lang: "cu"', "judged by itself"),
        ("description: |", "descriptio: |", "the key 'description' is missing"),
        ('main: "eval.py"', 'main: "evil.py"', "'evil.py' is not among the files"),
        ('main: "eval.py"', 'main: "eval.py"\n  flags: []', "unknown key 'flags'"),
        ("test_timeout: 240", 'test_timeout: "240"', "expected a whole number, got the text"),
        ("test_timeout: 240", "test_timeout: 0", "out of range"),
        ("ranked_timeout: 900", "ranking_by: best", "Use one of: geom, mean, last"),
        ('"source": "../eval.py"', '"source": "../evil.py"', "the file '../evil.py' is missing"),
        ('"source": "../eval.py"', '"source": "/etc/passwd"', "leaves the tree of problems"),
        ('"source": "../eval.py"', '"source": "../../../../etc/passwd"', "leaves the tree"),
        ('"name": "eval.py"', '"name": "../eval.py"', "no path inside the folder"),
        ('"name": "eval.py"', '"name": "utils.py"', "'utils.py' is given twice"),
        ('"@SUBMISSION@"', '"task.py"', "no file is the submission's"),
        ('"source":"task.py"', '"source":"@SUBMISSION@"', "2 files are the submission's"),
        ('templates:\n  Python: "../template.py"\n  CuteDSL: "template_cute.py"', "templates:", "is empty"),
        ("CuteDSL:", "Mojo:", "unknown key 'Mojo'"),
        ('"seed":402', '"seed": null', "nothing cannot be an argument"),
        ('"seed":402', '"seed": 0.5', "the number 0.5 cannot be an argument"),
        ('"seed":402', '"seed": {"a": 1}', "a map cannot be an argument"),
        ('"case": "upper"}\n\n', '"case": "up; per"}\n\n', "cannot travel as text"),
        ('"size": 128', '"siez": 128', "takes no 'siez'"),
        ('{"size": 128, "seed":402}', '{"seed":402}', "needs 'size'"),
        ('{"size": 128, "seed":402}', "'siez: 128; seed: 402'", "takes no 'siez'"),
        ('{"size": 128, "seed":402}', "'seed: 402'", "needs 'size'"),
        ("tests:\n", "tests: 3\nolder:\n", "expected a list of cases"),
        ("tests:\n", "tests:\nolder:\n", "expected a list of cases, got nothing"),
        ("files:\n", "fils:\n", "the key 'files' is missing"),
        ('lang: "py"', "", "the key 'lang' is missing"),
        ("config:\n", "confg:\n", "the key 'config' is missing"),
        ('  main: "eval.py"', '  min: "eval.py"', "the key 'main' is missing"),
        ('templates:\n  Python: "../template.py"\n  CuteDSL: "template_cute.py"', "templates: {}", "is empty"),
        ("template_cute.py", "template_cut.py", "the file 'template_cut.py' is missing"),
        ("ranked_timeout: 900", "multi_gpu: 4", "expected a truth value, got the number 4"),
        ("ranked_timeout: 900", "gpus: H100", "expected a list of GPUs, got the text 'H100'"),
        ('"name": "eval.py"', '"nam": "eval.py"', "unknown key 'nam'"),
        ('"name": "eval.py"', '"name": "/eval.py"', "no path inside the folder"),
    ],
)  # fmt: skip
def test_what_is_malformed_is_told_with_its_line_key_and_remedy(
    old: str, new: str, says: str, tree: Tree
) -> None:
    found = flaws_of(tree(task=changed(old, new)))
    assert says in found
    assert "task.yml:" in found


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "is empty"), ("- lang: py\n", "expected a map, got a list"), ("a: [1\n", "task.yml:")],
)
def test_a_file_that_is_no_task_is_told(text: str, says: str, tree: Tree) -> None:
    assert says in flaws_of(tree(task=text))


def test_a_file_that_is_not_utf_8_is_told_by_its_name(tree: Tree) -> None:
    root = tree()
    (root / "group/eval.py").write_bytes(b"# gr\xfc\xdfe\n")

    assert "the file '../eval.py' is not UTF-8 at byte 4" in flaws_of(root)


def test_a_case_value_of_every_kind_that_the_field_has_is_carried(tree: Tree) -> None:
    case = '{"size": 128, "seed":402}'
    text = changed(case, '{size: "128", case: near_rank_2, nomask: true, seed: -3}')

    assert task_of(tree(task=text)).tests[0] == {
        "size": 128, "case": "near_rank_2", "nomask": "True", "seed": -3,
    }  # fmt: skip


def test_a_task_needs_no_tests_no_templates_and_no_seed_and_its_description_may_be_folded(
    tree: Tree,
) -> None:
    begin, end = TASK.index("templates:"), TASK.index("benchmarks:")
    text = (TASK[:begin] + TASK[end:]).replace(', "seed": 1', "").replace("    seed: 1\n", "")
    start, stop = text.index("description:"), text.index("config:")
    text = text[:start] + "description:\n  Double\n  it.\n\n" + text[stop:]
    problem = task_of(tree(task=text, reference=REFERENCE.replace("seed: int", "seed=1")))

    assert (problem.tests, problem.starters) == ((), {})
    assert problem.benchmarks[0] == {"size": 1024}
    assert problem.statement == "Double it."
    assert (problem.limits.check_s, problem.limits.measure_s) == (240, 180)


def test_files_may_lie_in_folders_where_they_run_and_a_template_may_be_the_sample_submission(
    tree: Tree,
) -> None:
    text = changed('"name": "utils.py"', '"name": "lib/utils.py"')
    text = text.replace("template_cute.py", "submission.py")
    root = tree(task=text, **{"group/double_py/submission.py": "def custom_kernel(x): ...\n"})
    problem = task_of(root)

    assert "lib/utils.py" in problem.judge_files
    assert problem.starter("cutedsl") == "def custom_kernel(x): ...\n"


def test_a_program_of_the_folders_own_is_given_the_last_benchmark_alone_too(tree: Tree) -> None:
    problem = task_of(tree(eval="from submission import forward\n"))
    job = problem.job(run_id="r", mode=Mode.RANKED, device="cuda")

    assert (job.style, job.benchmarks) == ("evaluator", ({"size": 4096, "seed": 1},))


def test_every_label_of_the_field_is_a_gpu_kind_that_this_project_ships(tree: Tree) -> None:
    labels = [
        "H100",
        "A100",
        "T4",
        "L4",
        "B200",
        "MI300",
        "MI300x8",
        "MI355X",
        "NVIDIA",
        "B200_Nebius",
    ]
    text = changed("    gpus: [MI300x8]", f"    gpus: [{', '.join(labels)}]", SET)
    known = load_targets(Path(__file__).resolve().parents[2] / "runners" / "targets.yaml")
    found = load_set(tree(set=text) / "practice.yaml", known=known)

    assert not [note for note in found.notes if "this site has no GPU" in str(note)]
    kinds = found.competition.leaderboards[1].gpus
    assert kinds == ("H100", "A100", "T4", "L4", "B200", "MI300X", "MI300Xx8", "MI355X")
    assert known["MI300Xx8"].gpus == 8


def test_every_flaw_of_a_task_is_told_at_once(tree: Tree) -> None:
    text = (
        changed('lang: "py"', 'lang: "rust"').replace("240", "-1").replace("../eval.py", "none.py")
    )
    assert flaws_of(tree(task=text)).startswith("4 mistakes")


def test_no_benchmark_at_all_is_refused(tree: Tree) -> None:
    text = TASK[: TASK.index("benchmarks:")]
    assert "'benchmarks' is missing" in flaws_of(tree(task=text))
    assert "is an empty list" in flaws_of(tree(task=text + "benchmarks: []\n"))


def test_a_key_given_twice_and_a_tab_are_told(tree: Tree) -> None:
    assert "given twice" in flaws_of(tree(task=TASK + 'lang: "cu"\n'))
    assert "tab" in flaws_of(tree(task=TASK + "gpus:\n\t- H100\n"))


def test_a_link_out_of_the_tree_is_not_followed(tree: Tree, tmp_path: Path) -> None:
    root = tree(eval=None)
    (tmp_path / "secret.py").write_text("password = 1")
    (root / "group/eval.py").symlink_to(tmp_path / "secret.py")
    assert "link that leaves the tree" in flaws_of(root)


# --- problem sets ------------------------------------------------------------------------------


def test_a_set_is_a_competition_with_its_own_deadlines_in_utc(tree: Tree) -> None:
    found = load_set(tree() / "practice.yaml").competition
    assert (found.name, found.title) == ("practice", "Practice Problems")
    one, two = found.leaderboards
    assert one.closes == datetime(2026, 2, 14, 7, 30, tzinfo=UTC)
    assert two.closes == datetime(2100, 12, 31, tzinfo=UTC)
    assert one.gpus == ("H100", "NVIDIA")
    assert found.closes is None


def test_two_leaderboards_may_share_a_folder(tree: Tree) -> None:
    problems = load_set(tree() / "practice.yaml").problems
    assert set(problems) == {"double", "double_v2"}
    assert problems["double"].tests == problems["double_v2"].tests


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('""', None),
        ("", None),
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ('"2026-03-01 6:59"', datetime(2026, 3, 1, 6, 59, tzinfo=UTC)),
        ("2026-03-01T07:59:00+01:00", datetime(2026, 3, 1, 6, 59, tzinfo=UTC)),
    ],
)
def test_every_form_of_deadline_is_read(text: str, expected: datetime | None, tree: Tree) -> None:
    found = load_set(tree(set=changed('"2100-12-31"', text, SET)) / "practice.yaml")
    assert found.competition.leaderboards[1].closes == expected


def test_a_problem_may_close_after_its_set_and_inherits_what_it_does_not_say(tree: Tree) -> None:
    text = changed('deadline: ""\ndes', 'deadline: "2026-01-01"\ndes', SET)
    text = text.replace('    deadline: "2100-12-31"\n', "")
    one, two = load_set(tree(set=text) / "practice.yaml").competition.leaderboards
    assert one.closes == datetime(2026, 2, 14, 7, 30, tzinfo=UTC)
    assert two.closes == datetime(2026, 1, 1, tzinfo=UTC)


def test_labels_are_spelt_as_here_whatever_their_case_and_unknown_ones_are_noted(
    tree: Tree,
) -> None:
    found = load_set(tree() / "practice.yaml", known=["h100", "nvidia"])
    assert found.competition.leaderboards[0].gpus == ("h100", "nvidia")
    assert any("no GPU 'MI300x8'" in str(note) for note in found.notes)


def test_a_label_may_be_another_name_of_a_gpu_of_this_site(tree: Tree) -> None:
    known = {
        "B200": Target(name="B200", device="cuda", match="", aliases=("NVIDIA",)),
        "H100": Target(name="H100", device="cuda", match="", aliases=("MI300x8",)),
    }
    text = changed("    gpus: [MI300x8]", "", changed("- H100", "- B200", SET))
    root = tree(set=text, task=TASK + "gpus: [nvidia, mi300X8]\n")
    found = load_set(root / "practice.yaml", known=known)
    assert [board.gpus for board in found.competition.leaderboards] == [("B200",), ("B200", "H100")]
    assert not found.notes


def test_a_tasks_own_gpus_stand_in_where_the_set_names_none(tree: Tree) -> None:
    root = tree(set=changed("    gpus: [MI300x8]", "", SET), task=TASK + "gpus:\n  - B200\n")
    boards = load_set(root / "practice.yaml").competition.leaderboards
    assert boards[0].gpus == ("H100", "NVIDIA")
    assert boards[1].gpus == ("B200",)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"2100-12-31"', '"31.12.2100"', "'31.12.2100' is no date"),
        ('"2100-12-31"', '"2100-13-01"', "is no date"),
        ('"2100-12-31"', '"9999-12-31T23:59:59-12:00"', "is no date"),
        ("name: double_v2", "name: double", "already in this set"),
        ("name: double_v2", "name: Double!", "not a usable name"),
        ("group/double_py\n    name: double_v2", "group/none\n    name: n", "no task.yml in 'group/none'"),
        ("group/double_py\n    name: double_v2", "../x\n    name: n", "leaves the folder"),
        ("name: Practice Problems", "title: Practice", "the key 'name' is missing"),
        ("problems:", "problem:", "the key 'problems' is missing"),
        ("    gpus: [MI300x8]", "    gpu: MI300x8", "unknown key 'gpu'"),
    ],
)  # fmt: skip
def test_what_is_malformed_in_a_set_is_told(old: str, new: str, says: str, tree: Tree) -> None:
    with pytest.raises(DefinitionErrors) as found:
        load_set(tree(set=changed(old, new, SET)) / "practice.yaml")
    assert says in str(found.value)


def test_flaws_of_a_set_and_of_its_tasks_are_told_together(tree: Tree) -> None:
    root = tree(task=changed('lang: "py"', 'lang: "rust"'))
    with pytest.raises(DefinitionErrors) as found:
        load_set(root / "practice.yaml")
    assert "group/double_py/task.yml:" in str(found.value)


def test_what_is_wrong_with_a_set_hides_nothing_that_is_wrong_with_its_tasks(tree: Tree) -> None:
    wrong = changed("problems:", "organiser: me\nproblems:", SET)
    root = tree(task=changed('lang: "py"', 'lang: "rust"'), set=wrong)
    with pytest.raises(DefinitionErrors) as found:
        load_set(root / "practice.yaml")
    assert [flaw.file.split("/", 1)[1] for flaw in found.value.flaws] == [
        "group/double_py/task.yml",  # once, though two leaderboards pose it
        "practice.yaml",
    ]


def test_what_is_worth_knowing_about_a_folder_is_told_once(tree: Tree) -> None:
    notes = load_catalog(tree(), ["H100", "NVIDIA", "MI300x8"]).notes
    assert notes
    assert len(notes) == len(set(notes))


def test_a_set_can_be_given_alone(tree: Tree, tmp_path: Path) -> None:
    catalog = load_one(tree() / "practice.yaml", ["H100"], tmp_path)
    assert set(catalog.problems) == {"double", "double_v2"}
    assert catalog.leaderboards == ["double", "double_v2"]
    assert "this site has no GPU 'NVIDIA'" in str(catalog.notes[0])


def test_a_whole_tree_of_the_field_is_a_catalog(tree: Tree) -> None:
    catalog = load_catalog(tree(), ["H100"])
    assert set(catalog.problems) == {"double", "double_v2"}
    assert set(catalog.competitions) == {"practice"}


def test_two_sets_may_not_name_the_same_leaderboard(tree: Tree) -> None:
    with pytest.raises(DefinitionErrors, match="already belongs to"):
        load_catalog(tree(**{"again.yaml": SET}), [])


async def test_a_tree_of_the_field_is_published_as_any_other(tree: Tree, app: App) -> None:
    root = tree(reference=REFERENCE.replace("ref_kernel", "other"))
    await publish.apply(app, load_catalog(root, ["CPU"]), Source())
    board = await standings.leaderboard(app, None, "double_v2")
    problem = await competitions.problem(app, None, "double")
    assert board.self_evaluated
    assert board.gpus == ("MI300x8",)
    assert problem.statement.startswith("Double it")
    assert problem.starters["python"].startswith("def custom_kernel")
