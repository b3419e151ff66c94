"""A problem's folder: what is accepted, and what every mistake in it is answered with."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernelbot.domain.definition import DefinitionErrors, Flaw
from kernelbot.domain.problem import Problem
from kernelbot.domain.scoring import Scoring
from kernelbot.judge.protocol import Tolerance, VerdictKind
from kernelbot.services.catalog import MAX_FILE_BYTES, MAX_FILES, load_problem
from tests.services.mistakes import assert_told

SPEC = """\
name: scale
title: Scale a vector
summary: Multiply by a number
languages: [python]
tests:
  - {n: 16, factor: 2.5, kind: small}
  - {n: 17}
benchmarks:
  - {n: 1024, shape: [2, 512], flip: true}
tolerance: {rtol: 1e-3, atol: 0}
limits: {build: 60, check: 10.5, measure: 20, memory: 2 GiB}
scoring: mean
cpu:
  tests: [{n: 4}]
  limits: {check: 5}
contestant_files: [task.py]
starters: {torch: starter/with_torch.py}
tags: [easy]
"""

REFERENCE = """\
OUTPUTS = 1

def generate_input(*, seed, device, n, factor=1.0, kind="", shape=(), flip=False):
    return (n,)

def reference(data):
    return data[0]
"""


def test_packages_are_kept_and_change_neither_results_nor_problems_without_any(
    folder: Path,
) -> None:
    before = load(folder)
    write(folder, "problem.yaml", SPEC + "packages: [cutlass, numpy]\n")
    posed = load(folder)

    assert posed.packages == ("cutlass", "numpy")
    assert Problem.from_document(posed.to_document(), posed.files) == posed
    assert posed.digest == before.digest
    assert "packages" not in before.to_document()
    assert Problem.from_document(before.to_document(), before.files) == before


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small problem without a flaw."""
    folder = tmp_path / "scale"
    write(folder, "problem.yaml", SPEC)
    write(folder, "reference.py", REFERENCE)
    write(folder, "statement.md", "# Scale\n\nMultiply.\n")
    write(folder, "task.py", "input_t = tuple\n")
    write(folder, "extra/shapes.py", "LARGEST = 4\n")
    write(folder, "starter/with_torch.py", "def custom_kernel(data): ...\n")
    write(folder, "examples/wrong.py", "# expect: wrong_answer\n")
    write(folder, "examples/on_gpu.py", "# expect: passed device=cuda\n")
    return folder


def write(folder: Path, name: str, text: str | bytes) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)


def load(folder: Path) -> Problem:
    return load_problem(folder, shown=f"problems/{folder.name}")


def flaws(folder: Path) -> tuple[Flaw, ...]:
    with pytest.raises(DefinitionErrors) as refused:
        load(folder)
    return refused.value.flaws


def edited(folder: Path, old: str, new: str) -> None:
    """Change one thing in problem.yaml."""
    assert old in SPEC
    write(folder, "problem.yaml", SPEC.replace(old, new, 1))


def test_a_folder_becomes_a_problem(folder: Path) -> None:
    problem = load(folder)

    assert (problem.name, problem.title, problem.scoring) == (
        "scale",
        "Scale a vector",
        Scoring.MEAN,
    )
    assert problem.tests == ({"n": 16, "factor": 2.5, "kind": "small"}, {"n": 17})
    assert problem.benchmarks == ({"n": 1024, "shape": [2, 512], "flip": True},)
    assert problem.tolerances == (Tolerance(rtol=1e-3, atol=0.0),)
    assert problem.limits.memory_bytes == 2 << 30
    assert problem.limits.check_s == 10.5
    assert problem.statement == "# Scale\n\nMultiply."
    assert problem.starter("torch") == "def custom_kernel(data): ...\n"
    assert problem.suffixes == {".py": "python"}
    assert problem.tags == ("easy",)


def test_a_case_may_say_how_its_values_are_changed_and_a_hidden_one_draw_it(folder: Path) -> None:
    edited(folder, "{n: 17}", "{n: 17, values: [ties, as_made]}")
    assert load(folder).tests[1] == {"n": 17, "values": ["ties", "as_made"]}

    edited(folder, "tags: [easy]", "hidden: [{n: 3, values: {choose: [large, sparse]}}]")
    tried = load(folder).job_to_try("cpu").hidden_tests
    assert {case["values"] for case in tried} == {"large", "sparse"}

    edited(folder, "tags: [easy]", "hidden: [{n: 3, values: {choose: [large, spares]}}]")
    (flaw,) = flaws(folder)
    assert (flaw.path, flaw.line) == ("hidden[0].values.choose[1]", 18)
    assert "Did you mean 'sparse'" in flaw.remedy


def test_a_generator_with_values_of_its_own_may_be_given_any(folder: Path) -> None:
    edited(folder, "{n: 17}", "{n: 17, values: mine}")
    write(folder, "reference.py", REFERENCE.replace("flip=False", "flip=False, values=''"))

    assert load(folder).tests[1]["values"] == "mine"


def test_the_cpu_gets_its_own_cases_and_limits_and_inherits_the_rest(folder: Path) -> None:
    problem = load(folder)

    assert problem.cases("cpu") == (({"n": 4},), problem.benchmarks)
    assert problem.limits_on("cpu").check_s == 5
    assert problem.limits_on("cpu").measure_s == problem.limits.measure_s == 20


def test_the_judge_gets_python_files_but_no_starters_and_examples(folder: Path) -> None:
    write(folder, "notes.txt", "for the author")

    problem = load(folder)

    assert set(problem.judge_files) == {"reference.py", "task.py", "extra/shapes.py"}
    assert "notes.txt" in problem.files


def test_a_contestant_file_reaches_the_judge_whatever_it_is(folder: Path) -> None:
    write(folder, "table.txt", "1 2 3")
    edited(folder, "[task.py]", "[task.py, table.txt]")

    assert load(folder).judge_files["table.txt"] == b"1 2 3"


def test_examples_say_their_verdict_and_device(folder: Path) -> None:
    examples = {example.path: example for example in load(folder).examples}

    assert examples["examples/wrong.py"].expect is VerdictKind.WRONG_ANSWER
    assert examples["examples/wrong.py"].device is None
    assert examples["examples/on_gpu.py"].device == "cuda"


@pytest.mark.parametrize(
    ("source", "expect", "device"),
    [
        ("", VerdictKind.PASSED, None),
        ("#!kernelbot leaderboard scale\nimport torch\n", VerdictKind.PASSED, None),
        (
            "#!kernelbot leaderboard scale\n# expect: passed device=cuda\n",
            VerdictKind.PASSED,
            "cuda",
        ),
        ("# expect: timed_out\n", VerdictKind.TIMED_OUT, None),
    ],
)
def test_a_starter_is_an_example_that_must_pass_unless_it_says_otherwise(
    folder: Path, source: str, expect: VerdictKind, device: str | None
) -> None:
    write(folder, "starter/with_torch.py", source)
    write(folder, "starter/unused.py", source)

    examples = {example.path: example for example in load(folder).examples}

    starter = examples["starter/with_torch.py"]
    assert (starter.expect, starter.device) == (expect, device)
    assert "starter/unused.py" not in examples


def test_what_tools_leave_behind_does_not_belong_to_the_problem(folder: Path) -> None:
    before = load(folder)
    write(folder, "__pycache__/reference.cpython-311.pyc", b"\0\0")
    write(folder, ".DS_Store", b"\0\xff")

    assert load(folder) == before


def test_optional_keys_have_defaults(folder: Path) -> None:
    spec = "name: scale\ntitle: S\nlanguages: [python]\ntests: [{n: 1}]\nbenchmarks: [{n: 1}]\n"
    write(folder, "problem.yaml", spec)

    problem = load(folder)

    assert problem.scoring is Scoring.GEOM
    assert problem.tolerances == (Tolerance(),)
    assert problem.cpu_tests == problem.tests
    assert problem.cpu_limits == problem.limits
    assert problem.starters == {}


@pytest.mark.parametrize(
    ("written", "size"),
    [("4 GiB", 4 << 30), ("512MiB", 512 << 20), ("100000000", 100_000_000), ("1 tib", 1 << 40)],
)
def test_memory_is_a_number_of_bytes_or_a_binary_unit(
    folder: Path, written: str, size: int
) -> None:
    edited(folder, "2 GiB", written)

    assert load(folder).limits.memory_bytes == size


# --- mistakes in problem.yaml -------------------------------------------------------------------

MISTAKES = [
    # (what is replaced, by what, line, key path, reason, remedy)
    ("name: scale", "name: scael", 1, "name", "not the name of the folder, 'scale'", "Rename"),
    ("name: scale", "name: Scale It", 1, "name", "not a usable name", "a-z, 0-9"),
    ("name: scale", "name: 7", 1, "name", "expected text, got the number 7", "quotes"),
    ("name: scale\n", "", 1, "", "the key 'name' is missing", "name: scale"),
    ("title: Scale a vector", "titel: S", 2, "", "unknown key 'titel'", "Did you mean 'title'"),
    ("title: Scale a vector", "title:", 2, "title", "expected text, got nothing", "quotes"),
    ("title: Scale a vector", "title: ''", 2, "title", "is empty", "Write some text"),
    ("title: Scale a vector", f"title: {'x' * 101}", 2, "title", "101 characters, 100", "Shorten"),
    ("Scale a vector", '"a\\x07b"', 2, "title", "control character U+0007", "Remove"),
    ("[python]", "[cuda]", 1, "native", "cuda needs to know the parameters", "const float16*"),
    ("[easy]", "[easy]\nnative: {x: float32*}", 19, "native", "languages that are not listed", "Add one"),
    ("[easy]", "[easy]\ncompile_flags: {hip: [-O2]}", 19, "compile_flags.hip", "not among", "Add it"),
    ("[easy]", "[easy]\ncompile_flags: {hpi: [-O2]}", 19, "compile_flags", "'hpi'", "Did you mean"),
    ("[python]", "[pyhton]", 4, "languages[0]", "'pyhton' is unknown", "Did you mean 'python'"),
    ("[python]", "[python, Python]", 4, "languages[1]", "listed twice", "Remove"),
    ("[python]", "[python, Triton]", 4, "languages[1]", "'Triton' is written in", "Use python"),
    ("Multiply by a number", "Scale: by a number", 3, "", "a text with ': ' in it", "into quotes"),
    ("[python]", "[]", 4, "languages", "is an empty list", "at least one"),
    ("[python]", "python", 4, "languages", "expected a list of languages", "'- '"),
    ("scoring: mean", "scoring: best", 12, "scoring", "'best' is unknown", "geom, mean, last"),
    ("scoring: mean", "scoring: maen", 12, "scoring", "'maen' is unknown", "Did you mean 'mean'"),
    ("{n: 17}", "[17]", 7, "tests[1]", "expected a map, got a list", "{size: 1024}"),
    ("{n: 17}", "{m: 17, n: 1}", 7, "tests[1].m", "takes no 'm'", "Did you mean|It takes"),
    ("{n: 17}", "{facto: 1, n: 1}", 7, "tests[1].facto", "takes no", "Did you mean 'factor'"),
    ("{n: 17}", "{}", 7, "tests[1]", "needs 'n'", "Add it"),
    ("{n: 17}", "{n: 17, seed: 4}", 7, "tests[1].seed", "chosen by the judge", "Remove"),
    ("{n: 17}", "{n: 17, device: cpu}", 7, "tests[1].device", "chosen by the judge", "Remove"),
    ("{n: 17}", "{n: 17, a-b: 1}", 7, "tests[1].a-b", "cannot be the name", "letters"),
    ("{n: 17}", "{n: 17, values: outlier}", 7, "tests[1].values", "'outlier' is no way", "'outliers'"),
    ("{n: 17}", "{n: 17, values: 3}", 7, "tests[1].values", "number 3 is no way", "uniform, pos"),
    ("{n: 17}", "{n: 17, values: [ties, Ties]}", 7, "tests[1].values[1]", "'Ties' is no", "as_made"),
    ("{n: 17}", "{n: 17, class: 1}", 7, "tests[1].class", "cannot be the name", "letters"),
    ("{n: 17}", "{n: null}", 7, "tests[1].n", "nothing cannot be an argument", "Use a number"),
    ("{n: 17}", "{n: {a: 1}}", 7, "tests[1].n", "a map cannot be an argument", "Use a number"),
    ("{n: 17}", "{n: [[1]]}", 7, "tests[1].n[0]", "a list inside a list", "flat"),
    ("{n: 17}", "{n: .nan}", 7, "tests[1].n", "not finite", "finite"),
    ("{n: 17}", "{n: 9223372036854775808}", 7, "tests[1].n", "out of range", "Use"),
    ("{n: 17}", f"{{n: {'x' * 1001}}}", 7, "tests[1].n", "1001 characters", "Shorten"),
    ("{n: 17}", "{n: 17, n: 18}", 7, "", "given twice", "Keep one"),
    ("{n: 17}", "{n: 17, 3: 18}", 7, "", "the number 3 is used as a key", "quotes"),
    ("  - {n: 1024, shape: [2, 512], flip: true}\n", "  []\n", 9, "benchmarks", "empty", "at least"),
    ("tests: [{n: 4}]", "tests: []", 14, "cpu.tests", "is an empty list", "at least one"),
    ("tests: [{n: 4}]", "tests: [{k: 4, n: 1}]", 14, "cpu.tests[0].k", "takes no 'k'", "It takes"),
    ("tests: [{n: 4}]", "test: [{n: 4}]", 14, "cpu", "unknown key 'test'", "Did you mean 'tests'"),
    ("rtol: 1e-3", "rtol: -1e-3", 10, "tolerance.rtol", "out of range", "at least 0"),
    ("rtol: 1e-3", "rtol: .nan", 10, "tolerance.rtol", "not finite", "finite"),
    ("rtol: 1e-3", "rtol: .inf", 10, "tolerance.rtol", "not finite", "finite"),
    ("rtol: 1e-3", "rtol: true", 10, "tolerance.rtol", "truth value true", "digits"),
    ("rtol: 1e-3", "rtol: 1", 10, "tolerance.rtol", "out of range", "at most 0.999"),
    ("rtol: 1e-3", "rtol: 1e-3x", 10, "tolerance.rtol", "the text '1e-3x'", "digits"),
    ("atol: 0", "atl: 0", 10, "tolerance", "unknown key 'atl'", "Did you mean 'atol'"),
    ("atol: 0", "bf16: {atol: 0}", 10, "tolerance", "unknown key 'bf16'", "mean 'bfloat16'"),
    ("atol: 0", "float32: 0", 10, "tolerance.float32", "expected a map, got the number 0", "atol"),
    ("atol: 0", "int8: {atol: -1}", 10, "tolerance.int8.atol", "-1 is out of range", "at least 0"),
    ("atol: 0", "int8: {int16: {}}", 10, "tolerance.int8", "unknown key 'int16'", "rtol, atol"),
    ("{rtol: 1e-3, atol: 0}", "1e-3", 10, "tolerance", "expected a map", "rtol, atol"),
    ("{rtol: 1e-3, atol: 0}", "[{atol: 1}, {}]", 10, "tolerance", "2 tolerances for 1 output", "one for each"),
    ("build: 60", "build: 0", 11, "limits.build", "out of range", "more than 0"),
    ("build: 60", "build: -5", 11, "limits.build", "out of range", "more than 0"),
    ("build: 60", "build: 1e9", 11, "limits.build", "out of range", "at most 3600"),
    ("build: 60", 'build: "60"', 11, "limits.build", "expected a number, got the text", "digits"),
    ("build: 60", "build: 60 s", 11, "limits.build", "the text '60 s'", "without a unit"),
    ("build: 60", "biuld: 60", 11, "limits", "unknown key 'biuld'", "Did you mean 'build'"),
    ("2 GiB", "2 GB", 11, "limits.memory", "'2 GB' is not a size", "4 GiB"),
    ("2 GiB", "lots", 11, "limits.memory", "'lots' is not a size", "4 GiB"),
    ("2 GiB", "1000", 11, "limits.memory", "out of range", "64 MiB to 2 TiB"),
    ("2 GiB", "-1", 11, "limits.memory", "out of range", "Use"),
    ("2 GiB", "true", 11, "limits.memory", "truth value true", "Write a number"),
    ("tags: [easy]", "packages: cutlass", 18, "packages", "a list of packages", "Begin each"),
    ("tags: [easy]", "packages: [a.b]", 18, "packages[0]", "'a.b' is not a usable", "is imported"),
    ("tags: [easy]", "packages: [nvidia-x]", 18, "packages[0]", "not a usable name", "is imported"),
    ("tags: [easy]", "packages: [torch]", 18, "packages[0]", "is always there", "Remove it"),
    ("tags: [easy]", "packages: [numpy, numpy]", 18, "packages[1]", "listed twice", "Remove one"),
    ("[task.py]", "[taks.py]", 16, "contestant_files[0]", "no file 'taks.py'", "Did you mean 'task.py'"),
    ("[task.py]", "[../other/task.py]", 16, "contestant_files[0]", "leaves the", "without .."),
    ("[task.py]", "[/etc/passwd]", 16, "contestant_files[0]", "leaves the", "relative"),
    ("[task.py]", "['a\\b.py']", 16, "contestant_files[0]", "leaves the", "with /"),
    ("[task.py]", "[./task.py]", 16, "contestant_files[0]", "leaves the", "relative"),
    ("[task.py]", "[reference.py]", 16, "contestant_files[0]", "the expected answer", "Move"),
    ("[task.py]", "[task.py, task.py]", 16, "contestant_files[1]", "listed twice", "Remove"),
    ("starter/with_torch.py", "starter/torch.py", 17, "starters.torch", "no file", "Did you mean"),
    ("{torch: ", "{Torch!: ", 17, "starters.Torch!", "not a usable name", "a-z"),
    ("{torch: starter/with_torch.py}", "[a]", 17, "starters", "expected a map", "lines below"),
    ("[easy]", "[Très facile]", 18, "tags[0]", "not a usable name", "a-z"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "line", "path", "reason", "remedy"),
    MISTAKES,
    ids=[f"{path or 'top'}: {new[:25]!r}" for _, new, _, path, _, _ in MISTAKES],
)
def test_a_mistake_is_told_with_file_line_key_reason_and_remedy(
    folder: Path, old: str, new: str, line: int, path: str, reason: str, remedy: str
) -> None:
    edited(folder, old, new)

    place = "problems/scale/problem.yaml"
    assert_told(flaws(folder), file=place, line=line, path=path, reason=reason, remedy=remedy)


TYPED = REFERENCE.replace(
    'n, factor=1.0, kind="", shape=(), flip=False',
    'n: int, factor: float = 1.0, kind: str = "", shape: list[int] = (), flip: bool = False',
)


@pytest.mark.parametrize(
    ("case", "path", "reason", "remedy"),
    [
        ("{n: true}", "tests[1].n", "wants a whole number", "It is the truth value true"),
        ("{n: 1.5}", "tests[1].n", "wants a whole number", "It is the number 1.5"),
        ("{n: big}", "tests[1].n", "wants a whole number", "the text 'big': change the value"),
        ("{n: 1, factor: x}", "tests[1].factor", "wants a number", "or the argument's annotation"),
        ("{n: 1, kind: 3}", "tests[1].kind", "wants text", "It is the number 3"),
        ("{n: 1, shape: 3}", "tests[1].shape", "wants a list", "It is the number 3"),
        ("{n: 1, flip: 0}", "tests[1].flip", "wants true or false", "It is the number 0"),
    ],
)
def test_a_value_of_another_type_than_the_argument_says_is_told(
    folder: Path, case: str, path: str, reason: str, remedy: str
) -> None:
    write(folder, "reference.py", TYPED)
    assert load(folder).tests[0]["factor"] == 2.5
    edited(folder, "{n: 17}", case)

    place = "problems/scale/problem.yaml"
    assert_told(flaws(folder), file=place, line=7, path=path, reason=reason, remedy=remedy)


def test_what_a_hidden_case_draws_has_the_type_that_the_argument_says(folder: Path) -> None:
    write(folder, "reference.py", TYPED)
    hidden = "[{n: {from: 1, to: 9}, factor: {choose: [1, 2.5]}, flip: {choose: [true]}}]"
    edited(folder, "tags: [easy]", f"hidden: {hidden}")
    assert load(folder).hidden

    wrong = "hidden: [{n: {choose: [1, a]}, kind: {from: 1, to: 2}}]"
    edited(folder, "tags: [easy]", wrong)

    assert [flaw.path for flaw in flaws(folder)] == ["hidden[0].n.choose[1]", "hidden[0].kind"]


def test_all_mistakes_are_told_at_once(folder: Path) -> None:
    edited(folder, "title: Scale a vector", "titel: x\nscoring: worst")
    write(folder, "reference.py", "def generate_input(: pass\n")
    (folder / "statement.md").unlink()
    write(folder, "examples/wrong.py", "print()\n")

    found = flaws(folder)

    assert [(flaw.file.removeprefix("problems/scale/"), flaw.line) for flaw in found] == [
        ("examples/wrong.py", 1),
        ("problem.yaml", 1),  # title is missing
        ("problem.yaml", 2),  # titel
        ("problem.yaml", 3),  # scoring: worst
        ("problem.yaml", 13),  # scoring given twice
        ("reference.py", 1),
        ("statement.md", 0),
    ]


def test_a_misspelt_argument_is_told_once_and_not_by_every_formula_again(folder: Path) -> None:
    spec = (
        SPEC.replace("{n: 17}", "{m: 17}").replace("  tests: [{n: 4}]\n", "")
        + "speed_of_light: {reads: 4 * n, writes: 4 * n}\n"
    )
    write(folder, "problem.yaml", spec)

    with pytest.raises(DefinitionErrors) as caught:
        load(folder)

    assert {flaw.path for flaw in caught.value.flaws} == {"tests[1]", "tests[1].m"}


def test_the_message_reads_well_in_a_terminal(folder: Path) -> None:
    edited(folder, "title:", "titel:")

    with pytest.raises(DefinitionErrors) as refused:
        load(folder)

    assert str(refused.value) == (
        "2 mistakes in the definition:\n"
        "  problems/scale/problem.yaml:1: the key 'title' is missing. Add 'title: ...', what people read.\n"
        "  problems/scale/problem.yaml:2: unknown key 'titel'. Did you mean 'title'?"
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is empty"),
        ("- name: scale\n", "expected a map, got a list"),
        ("just text\n", "expected a map, got the text"),
        ("name: scale\n\ttitle: x\n", "a tab is used for indentation"),
        ("name: &a scale\ntitle: *a\n", "anchor or alias"),
        ("name: !!python/name:os.system x\n", "YAML tag"),
    ],
)
def test_a_file_that_is_no_map_of_plain_data_is_refused(
    folder: Path, content: str, reason: str
) -> None:
    write(folder, "problem.yaml", content)

    assert [reason in flaw.reason for flaw in flaws(folder)] == [True]


# --- mistakes in the other files ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "line", "path", "reason"),
    [
        ("def f(:\n", 1, "", "does not parse"),
        ("x = 1\n", 0, "generate_input", "is not defined"),
        ("x = 1\n", 0, "reference", "is not defined"),
        ("(" * 300 + ")" * 300, 1, "", "does not parse"),
        (REFERENCE.replace("seed, ", ""), 3, "generate_input", "does not take the keyword 'seed'"),
        (
            REFERENCE.replace("device, ", ""),
            3,
            "generate_input",
            "does not take the keyword 'device'",
        ),
        (REFERENCE.replace("*, seed", "seed, /"), 3, "generate_input", "'seed' by position only"),
        (REFERENCE.replace("(data)", "()"), 6, "reference", "cannot be called as reference(data)"),
        (
            REFERENCE.replace("(data)", "(a, b)"),
            6,
            "reference",
            "cannot be called as reference(data)",
        ),
        (
            REFERENCE + "def check(data):\n    ...\n",
            8,
            "check",
            "cannot be called as check(data, output)",
        ),
        (
            REFERENCE + "def check(data, output, expected, more):\n    ...\n",
            8,
            "check",
            "cannot be called as check(data, output)",
        ),
        (
            REFERENCE.replace("OUTPUTS = 1", "OUTPUTS = count()"),
            1,
            "OUTPUTS",
            "is not a plain small number",
        ),
        (
            REFERENCE.replace("OUTPUTS = 1", "OUTPUTS = True"),
            1,
            "OUTPUTS",
            "is not a plain small number",
        ),
    ],
)
def test_a_reference_is_checked_without_running_it(
    folder: Path, source: str, line: int, path: str, reason: str
) -> None:
    write(folder, "reference.py", source)

    told = [flaw for flaw in flaws(folder) if reason in flaw.reason and flaw.path == path]

    assert [(flaw.file, flaw.line) for flaw in told] == [("problems/scale/reference.py", line)]


@pytest.mark.parametrize("arguments", ["data, output", "data, output, expected"])
def test_a_check_may_ask_for_the_expected_answer(folder: Path, arguments: str) -> None:
    write(folder, "reference.py", REFERENCE + f"def check({arguments}):\n    ...\n")

    assert "def check" in load(folder).judge_files["reference.py"].decode()


def test_loading_runs_no_code_of_the_problem(folder: Path, tmp_path: Path) -> None:
    trap = f"open({str(tmp_path / 'ran')!r}, 'w')\n"
    write(folder, "reference.py", trap + REFERENCE)
    write(folder, "task.py", trap)
    write(folder, "examples/wrong.py", f"# expect: wrong_answer\n{trap}")

    load(folder)

    assert not (tmp_path / "ran").exists()


def test_a_generator_that_takes_anything_takes_every_case(folder: Path) -> None:
    write(
        folder,
        "reference.py",
        "def generate_input(**case): ...\ndef reference(*data): ...\ndef check(data, output): ...\n",
    )

    assert load(folder).tests


def test_an_odd_escape_in_the_reference_is_no_warning_of_ours(folder: Path) -> None:
    write(folder, "reference.py", REFERENCE + 'PATTERN = "\\d"\n')

    assert load(folder).name == "scale"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("examples/a.py", "print(1)\n", "its first line is 'print(1)'"),
        ("examples/a.py", "", "its first line is ''"),
        ("examples/a.py", "# expect: pased\n", "'pased' is no verdict"),
        ("examples/a.py", "# expect: judge_failed\n", "'judge_failed' is no verdict"),
        ("examples/a.py", "# expect: passed device=tpu\n", "'device=tpu' is not understood"),
        ("examples/a.py", "# expect: passed gpu=cuda\n", "'gpu=cuda' is not understood"),
        ("starter/with_torch.py", "# expect: pased\n", "'pased' is no verdict"),
        ("starter/with_torch.py", "# expect: passed on cuda\n", "its first line is"),
        ("statement.md", " \n", "is empty"),
        ("statement.md", "x" * 100_001, "100001 characters"),
        ("statement.md", b"\xe4hnlich", "is not UTF-8"),
        ("reference.py", b"x = 1\0", "contains a NUL byte"),
        ("torch.py", "x = 1", "hides the module 'torch'"),
        ("random.py", "x = 1", "hides the module 'random'"),
        ("huge.bin", b"\1" * (MAX_FILE_BYTES + 1), "is larger than 1024 KiB"),
    ],
)
def test_a_flawed_file_is_named(folder: Path, name: str, content: str | bytes, reason: str) -> None:
    write(folder, name, content)

    assert (f"problems/scale/{name}", True) in [
        (flaw.file, reason in flaw.reason) for flaw in flaws(folder)
    ]


@pytest.mark.parametrize("name", ["problem.yaml", "statement.md", "reference.py"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()

    assert [(flaw.file, flaw.reason) for flaw in flaws(folder)] == [
        (f"problems/scale/{name}", "is missing")
    ]


def test_a_submission_py_cannot_be_given_to_contestants(folder: Path) -> None:
    write(folder, "submission.py", "x = 1\n")
    edited(folder, "[task.py]", "[submission.py]")

    assert "the name the submission itself gets" in flaws(folder)[0].reason


# --- what may come from a stranger's repository -------------------------------------------------


def test_a_link_out_of_the_folder_is_refused_and_not_read(folder: Path, tmp_path: Path) -> None:
    write(tmp_path, "secret.py", "PASSWORD = 'hunter2'\n")
    (folder / "extra/secret.py").symlink_to(tmp_path / "secret.py")
    (folder / "gone.py").symlink_to("nowhere.py")
    (folder / "loop.py").symlink_to("loop.py")
    (folder / "parent").symlink_to(tmp_path, target_is_directory=True)

    assert {(flaw.file.removeprefix("problems/scale/"), flaw.reason) for flaw in flaws(folder)} == {
        ("extra/secret.py", "is a link that leaves the problem's folder"),
        ("gone.py", "is a link to nothing"),
        ("loop.py", "is a link to nothing"),
        ("parent", "is a link to a folder"),
    }


def test_a_link_within_the_folder_is_the_file_it_points_to(folder: Path) -> None:
    (folder / "shapes.py").symlink_to("extra/shapes.py")

    assert load(folder).judge_files["shapes.py"] == b"LARGEST = 4\n"


def test_problems_share_a_file_by_linking_to_the_shared_folder_beside_them(folder: Path) -> None:
    write(folder.parent, "shared/formats.py", "BITS = 4\n")
    write(folder.parent, "shared/deeper/more.py", "BITS = 8\n")
    (folder / "formats.py").symlink_to("../shared/formats.py")
    before = load(folder)
    write(folder.parent, "shared/formats.py", "BITS = 6\n")
    after = load(folder)
    (folder / "more.py").symlink_to("../shared/deeper/more.py")

    assert before.judge_files["formats.py"] == b"BITS = 4\n"
    assert after.digest != before.digest
    assert [flaw.reason for flaw in flaws(folder)] == ["is a link that leaves the problem's folder"]


def test_a_pipe_is_refused_without_waiting_for_a_writer(folder: Path) -> None:
    os.mkfifo(folder / "pipe.py")

    assert [(flaw.file, flaw.reason) for flaw in flaws(folder)] == [
        ("problems/scale/pipe.py", "is not a regular file")
    ]


def test_too_many_files_are_refused(folder: Path) -> None:
    for at in range(MAX_FILES):
        write(folder, f"data/{at}.txt", "x")

    assert f"more than {MAX_FILES} files" in flaws(folder)[0].reason


def test_too_large_a_folder_is_refused(folder: Path) -> None:
    for at in range(9):
        write(folder, f"data/{at}.bin", b"x" * MAX_FILE_BYTES)

    assert "more than 8 MiB" in flaws(folder)[0].reason


def test_folders_nested_without_end_are_refused(folder: Path) -> None:
    write(folder, "/".join(["d"] * 12) + "/a.txt", "x")

    assert "nested more than 10 folders deep" in flaws(folder)[0].reason


def test_a_file_name_with_control_characters_is_refused(folder: Path) -> None:
    write(folder, "a\x1b[31m.py", "x = 1\n")

    assert "a file named 'a\\x1b[31m.py'" in flaws(folder)[0].reason


def test_a_file_name_that_is_not_utf8_is_refused(folder: Path) -> None:
    Path(os.fsdecode(bytes(folder) + b"/\xff.py")).write_text("x = 1\n")

    assert "'\\udcff.py'" in flaws(folder)[0].reason


def test_a_path_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "file", "x")

    for path in (tmp_path / "file", tmp_path / "absent"):
        with pytest.raises(DefinitionErrors, match="cannot be read"):
            load_problem(path)


KEYS = [line for line in SPEC.splitlines() if line]


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    at=st.integers(0, len(KEYS) - 1),
    value=st.sampled_from(
        [
            "",
            "null",
            "true",
            "-1",
            "1e400",
            "[]",
            "{}",
            "[{}]",
            "{a: {b: [1]}}",
            "''",
            "[[]]",
            "x" * 300,
        ]
    ),
    key=st.sampled_from(["", "name", "cpu", "tests", "limits", "starters", "<<", "?", "-"]),
)
def test_any_value_under_any_key_is_a_problem_or_told_mistakes(
    folder: Path, at: int, value: str, key: str
) -> None:
    name = key or KEYS[at].split(":")[0]
    lines = [*KEYS[:at], f"{name}: {value}", *KEYS[at + 1 :]]
    write(folder, "problem.yaml", "\n".join(lines))

    told: tuple[Flaw, ...] = ()
    try:
        load(folder)
    except DefinitionErrors as errors:
        told = errors.flaws

    assert all(flaw.reason and flaw.remedy for flaw in told)
