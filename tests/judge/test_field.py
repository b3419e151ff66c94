"""Folders written for the field's own evaluator, judged by this one; one test per trap."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from kernelbot.judge.cases import combined
from kernelbot.judge.protocol import Job, Mode, VerdictKind
from kernelbot.judge.referee import FAILED_HIDDEN
from tests.judge.bench import Judged, a_job, judge

UTILS = b"""
import torch

def verbose(received, expected, rtol, atol):
    if received.shape != expected.shape:
        return False, ["SIZE MISMATCH"]
    bad = (received - expected).abs() > atol + rtol * expected.abs()
    bad |= received.isnan() ^ expected.isnan()
    if bad.any():
        return False, [f"{int(bad.sum())} elements differ", f"got {received[bad][0]}"]
    return True, ["all is well"]

def matches(reference, rtol=1e-5, atol=1e-8):
    def check_implementation(data, output):
        good, reasons = verbose(output, reference(data), rtol, atol)
        return good, "\\\\n".join(reasons)
    return check_implementation
"""
TASK = b"""
from typing import TypeVar
import torch
input_t = TypeVar("input_t", bound=tuple[torch.Tensor, torch.Tensor])
output_t = TypeVar("output_t", bound=torch.Tensor)
"""
SCALE = b"""
import torch
from utils import matches
from task import input_t, output_t

def generate_input(size: int, seed: int) -> input_t:
    gen = torch.Generator()
    gen.manual_seed(seed)
    return torch.randn(size, generator=gen), torch.empty(size)

def ref_kernel(data: input_t) -> output_t:
    x, out = data
    out[...] = 2 * x
    return out

check_implementation = matches(ref_kernel)
"""
FILES = {"reference.py": SCALE, "utils.py": UTILS, "task.py": TASK}
IN_PLACE = """
from task import input_t, output_t
def custom_kernel(data: input_t) -> output_t:
    x, out = data
    out.copy_(2 * x)
    return out
"""


def field_job(mode: Mode = Mode.TEST, **changes: Any) -> Job:
    defaults: dict[str, Any] = {
        "style": "check",
        "tests": ({"size": 100, "seed": 4242},),
        "benchmarks": ({"size": 5000, "seed": 1},),
        "contestant_files": ("task.py", "utils.py", "reference.py"),
    }
    return a_job(mode, **(defaults | changes))


def judged(
    path: Path, submission: str, reference: bytes = SCALE, job: Job | None = None, **files: bytes
) -> Judged:
    path.mkdir(exist_ok=True)
    extra = {name.replace("_py", ".py"): content for name, content in files.items()}
    return judge(path, submission, job or field_job(), FILES | {"reference.py": reference} | extra)


def kind(done: Judged) -> VerdictKind:
    return done.verdict.kind


@pytest.mark.parametrize("mode", [Mode.TEST, Mode.BENCHMARK, Mode.RANKED])
def test_a_kernel_that_writes_into_the_given_buffer_passes(mode: Mode, tmp_path: Path) -> None:
    done = judged(tmp_path, IN_PLACE, job=field_job(mode))
    assert done.verdict.passed, done.explanation
    assert len(done.verdict.measurements) == (0 if mode is Mode.TEST else 1)


def test_a_kernel_that_returns_a_tensor_of_its_own_passes(tmp_path: Path) -> None:
    done = judged(tmp_path, "def custom_kernel(data):\n    return data[0] * 2")
    assert done.verdict.passed, done.explanation


def test_the_checks_own_words_reach_the_contestant_with_their_line_breaks(tmp_path: Path) -> None:
    done = judged(tmp_path, "def custom_kernel(data):\n    return data[0] * 3")
    assert kind(done) is VerdictKind.WRONG_ANSWER, done.explanation
    assert "100 elements differ\ngot " in done.verdict.message


def test_a_secret_run_repeats_nothing_of_what_the_check_said(tmp_path: Path) -> None:
    source = "def custom_kernel(data):\n    return data[0] * 3"
    done = judged(tmp_path, source, job=field_job(Mode.RANKED))
    assert kind(done) is VerdictKind.WRONG_ANSWER, done.explanation
    assert "check refuses the output" in done.verdict.message
    assert "got" not in done.verdict.message


def test_returning_the_buffer_untouched_is_wrong(tmp_path: Path) -> None:
    done = judged(tmp_path, "def custom_kernel(data):\n    return data[1]")
    assert kind(done) is VerdictKind.WRONG_ANSWER, done.explanation


def test_replaying_the_first_output_is_wrong(tmp_path: Path) -> None:
    source = """
first = True
def custom_kernel(data):
    global first, kept
    if first:
        first, kept = False, data[0] * 2
    return kept
"""
    done = judged(tmp_path, source, job=field_job(Mode.BENCHMARK))
    assert kind(done) is VerdictKind.WRONG_ANSWER, done.explanation


@pytest.mark.parametrize(
    "said", ["''", "None", "(True, 'residual 0.1 of 20 allowed')", "(True, '')"]
)
def test_every_way_to_say_right_is_understood(said: str, tmp_path: Path) -> None:
    reference = SCALE + f"\ndef check_implementation(data, output): return {said}\n".encode()
    done = judged(tmp_path, IN_PLACE, reference)
    assert done.verdict.passed, done.explanation


@pytest.mark.parametrize("said", ["'too far'", "(False, 'too far')"])
def test_every_way_to_say_wrong_is_understood(said: str, tmp_path: Path) -> None:
    reference = SCALE + f"\ndef check_implementation(data, output): return {said}\n".encode()
    done = judged(tmp_path, IN_PLACE, reference)
    assert kind(done) is VerdictKind.WRONG_ANSWER, done.explanation
    assert "too far" in done.verdict.message


def test_a_check_that_says_only_true_is_the_problems_fault(tmp_path: Path) -> None:
    reference = SCALE + b"\ndef check_implementation(data, output): return True\n"
    done = judged(tmp_path, IN_PLACE, reference)
    assert kind(done) is VerdictKind.JUDGE_FAILED
    assert "returned a bool" in done.verdict.fault


def test_a_check_that_fails_only_on_this_output_is_a_wrong_answer_and_no_free_run(
    tmp_path: Path,
) -> None:
    reference = (
        SCALE
        + b"""
def check_implementation(data, output):
    if output.isnan().any():
        raise ArithmeticError("no eigenvalues of NaN")
    return True, ""
"""
    )
    source = "def custom_kernel(data):\n    return data[0] * float('nan')"
    done = judged(tmp_path, source, reference)
    assert kind(done) is VerdictKind.WRONG_ANSWER, done.explanation
    assert "no eigenvalues" in done.verdict.message


def test_a_check_that_fails_on_the_references_answer_too_is_the_problems_fault(
    tmp_path: Path,
) -> None:
    reference = SCALE + b"\ndef check_implementation(data, output): return 1 / 0\n"
    done = judged(tmp_path, IN_PLACE, reference)
    assert kind(done) is VerdictKind.JUDGE_FAILED
    assert "ZeroDivisionError" in done.verdict.fault


def test_one_tensor_as_data_and_a_tuple_as_answer(tmp_path: Path) -> None:
    reference = b"""
import torch
def generate_input(batch, n, seed, case="dense"):
    gen = torch.Generator()
    gen.manual_seed(seed)
    a = torch.randn(batch, n, n, generator=gen)
    return (a.triu() if case == "upper" else a).contiguous()
def ref_kernel(data):
    return torch.geqrf(data)
def check_implementation(data, output):
    if not isinstance(output, tuple):
        return False, "no tuple"
    q = torch.linalg.householder_product(*output)
    far = (q @ output[0].triu() - data).abs().max()
    return bool(far < 1e-3), f"far {far}"
"""
    tests = ({"batch": 2, "n": 8, "seed": 1}, {"batch": 1, "n": 4, "seed": 2, "case": "upper"})
    job = field_job(tests=tests, benchmarks=tests)
    source = "import torch\ndef custom_kernel(a):\n    h, tau = torch.geqrf(a)\n    return h, tau"
    done = judged(tmp_path, source, reference, job)
    assert done.verdict.passed, done.explanation
    done = judged(
        tmp_path / "wrong", "def custom_kernel(a):\n    return a, a[..., 0]", reference, job
    )
    assert kind(done) is VerdictKind.WRONG_ANSWER, done.explanation


OBJECTS = b"""
import dataclasses, enum
import torch
from torch import nn
from utils import matches

class Act(enum.Enum):
    RELU = 1

@dataclasses.dataclass
class Config:
    weight: torch.Tensor
    dtype: torch.dtype
    size: int
    act: Act = Act.RELU

class Cache(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.register_buffer("data", torch.zeros(size, 4))
        self.seq_len = 0
    def append(self, row):
        self.data[self.seq_len] = row
        self.seq_len += 1
        return self.data

def generate_input(size, seed):
    gen = torch.Generator().manual_seed(seed)
    cache = Cache(size)
    cache.append(torch.randn(4, generator=gen))
    weights = {"w": torch.randn(4, 4, generator=gen).t(), 3: [torch.ones(1)]}
    return Config(torch.randn(4, 4, generator=gen), torch.float32, size), weights, cache

def ref_kernel(data):
    config, weights, cache = data
    row = cache.data[0] @ config.weight @ weights["w"]
    return row, cache.append(row)

def check_implementation(data, output):
    expected = ref_kernel(data)
    good = all(torch.allclose(a, b, atol=1e-4) for a, b in zip(output, expected))
    return good, "" if good else "cache or row differ"
"""
USES_OBJECTS = """
import torch
from reference import Act, Cache, Config
def custom_kernel(data):
    config, weights, cache = data
    assert isinstance(config, Config) and isinstance(cache, Cache)
    assert config.dtype is torch.float32 and config.act is Act.RELU and cache.seq_len == 1
    assert weights["w"].stride() == (1, 4) and len(weights.pop(3)) == 1
    row = cache.data[0] @ config.weight @ weights["w"]
    return row, cache.append(row)
"""


def test_objects_modules_enums_and_strides_arrive_and_are_new_for_every_call(
    tmp_path: Path,
) -> None:
    cases = ({"size": 16, "seed": 5},)
    job = field_job(Mode.BENCHMARK, tests=cases, benchmarks=cases)
    done = judged(tmp_path, USES_OBJECTS, OBJECTS, job)
    assert done.verdict.passed, done.explanation


def test_data_that_the_submission_zeroes_does_not_change_what_is_right(tmp_path: Path) -> None:
    source = """
import torch
def custom_kernel(data):
    config, weights, cache = data
    config.weight.zero_()
    cache.data.zero_()
    return torch.zeros(4), cache.data
"""
    cases = ({"size": 16, "seed": 5},)
    job = field_job(tests=cases, benchmarks=cases)
    assert kind(judged(tmp_path, source, OBJECTS, job)) is VerdictKind.WRONG_ANSWER


def test_lists_of_tuples_with_sizes_as_lists_and_an_answer_that_is_a_list(tmp_path: Path) -> None:
    reference = b"""
import torch
def generate_input(m: list, g: int, seed: int):
    torch.manual_seed(seed)
    groups = [(torch.randn(k, 3), torch.empty(k, 3)) for k in m]
    return groups, [(k, 3) for k in m]
def ref_kernel(data):
    for a, c in data[0]:
        c.copy_(a * 2)
    return [c for _, c in data[0]]
def check_implementation(data, output):
    pairs = zip(output, ref_kernel(data), strict=True)
    good = all(torch.equal(mine, truth) for mine, truth in pairs)
    return good, "" if good else "a group differs"
"""
    cases = ({"m": [2, 5], "g": 2, "seed": 1111},)
    job = field_job(tests=cases, benchmarks=cases)
    source = "def custom_kernel(data):\n    return [a + a for a, _ in data[0]]"
    done = judged(tmp_path, source, reference, job)
    assert done.verdict.passed, done.explanation
    done = judged(tmp_path / "wrong", source.replace("a + a", "a"), reference, job)
    assert kind(done) is VerdictKind.WRONG_ANSWER
    done = judged(
        tmp_path / "short", "def custom_kernel(data):\n    return [data[0][0][0]]", reference, job
    )
    assert "has 1 entries, expected 2" in done.verdict.message, done.explanation


def test_an_empty_answer_is_no_match_for_a_check_without_a_shape_test(tmp_path: Path) -> None:
    reference = (
        SCALE
        + b"""
def check_implementation(data, output):
    return not torch.not_equal(output, ref_kernel(data)).any().item(), ""
"""
    )
    source = "import torch\ndef custom_kernel(data):\n    return torch.empty(0, data[0].numel())"
    done = judged(tmp_path, source, reference)
    assert kind(done) is VerdictKind.WRONG_ANSWER
    assert "shape" in done.verdict.message


def test_a_scalar_reference_refuses_the_one_element_buffer_as_the_field_does(
    tmp_path: Path,
) -> None:
    reference = b"""
import torch
def generate_input(size, seed):
    torch.manual_seed(seed)
    return torch.randn(size), torch.empty(1)
def ref_kernel(data):
    return data[0].sum()
def check_implementation(data, output):
    return torch.allclose(output, ref_kernel(data), rtol=1e-3, atol=1e-3), "differs"
"""
    done = judged(tmp_path, "def custom_kernel(data):\n    return data[0].sum()", reference)
    assert done.verdict.passed, done.explanation
    source = "def custom_kernel(data):\n    data[1][0] = data[0].sum()\n    return data[1]"
    done = judged(tmp_path / "again", source, reference)
    assert kind(done) is VerdictKind.WRONG_ANSWER
    assert "shape" in done.verdict.message


def test_a_reference_in_double_precision_accepts_single(tmp_path: Path) -> None:
    reference = b"""
import torch
def generate_input(size, seed):
    torch.manual_seed(seed)
    return torch.randn(size)
def ref_kernel(data):
    return data.double().cumsum(0)
def check_implementation(data, output):
    good = torch.allclose(output.double(), ref_kernel(data), rtol=1e-4, atol=1e-4)
    return good, "" if good else "differs"
"""
    done = judged(tmp_path, "def custom_kernel(x):\n    return x.cumsum(0)", reference)
    assert done.verdict.passed, done.explanation


def test_generators_that_use_the_global_state_give_new_inputs_in_every_process(
    tmp_path: Path,
) -> None:
    reference = b"""
import random, torch
def generate_input(size, seed):
    return torch.randn(size) + random.random(), torch.empty(size)
def ref_kernel(data):
    return data[0] * 2
def check_implementation(data, output):
    return bool(torch.equal(output, ref_kernel(data))), "differs"
"""
    source = "def custom_kernel(data):\n    raise ValueError(float(data[0][0]))"
    said = set()
    for number in range(2):
        done = judged(tmp_path / str(number), source, reference)
        said.add(done.verdict.message)
    assert len(said) == 2


def test_a_case_without_a_seed_and_a_generator_without_one_are_left_alone(tmp_path: Path) -> None:
    reference = b"""
import torch
def generate_input(vocab_size):
    return torch.randn(vocab_size)
def ref_kernel(data):
    return data * 2
def check_implementation(data, output):
    return bool(torch.equal(output, ref_kernel(data))), "differs"
"""
    cases = ({"vocab_size": 32},)
    job = field_job(tests=cases, benchmarks=cases)
    done = judged(tmp_path, "def custom_kernel(x):\n    return x + x", reference, job)
    assert done.verdict.passed, done.explanation


def test_booleans_that_travel_as_text_are_true_as_in_the_field(tmp_path: Path) -> None:
    reference = b"""
import torch
def generate_input(size, nomask, seed):
    torch.manual_seed(seed)
    assert isinstance(nomask, str)
    return torch.randn(size), torch.ones(size) if nomask else torch.zeros(size)
def ref_kernel(data):
    return data[0] * data[1]
def check_implementation(data, output):
    return bool(torch.equal(output, ref_kernel(data))), "differs"
"""
    cases = ({"size": 32, "nomask": "False", "seed": 3},)
    job = field_job(tests=cases, benchmarks=cases)
    source = "def custom_kernel(data):\n    assert data[1].all()\n    return data[0] * 1"
    done = judged(tmp_path, source, reference, job)
    assert done.verdict.passed, done.explanation


def test_packed_and_small_float_types_travel_bit_by_bit(tmp_path: Path) -> None:
    reference = b"""
import torch
KINDS = ("float4_e2m1fn_x2", "float8_e8m0fnu", "float8_e4m3fn", "float8_e4m3fnuz")
def generate_input(m, k, seed):
    torch.manual_seed(seed)
    raw = [torch.randint(0, 100, (k, m), dtype=torch.uint8).t() for _ in KINDS]
    return tuple(r.view(getattr(torch, kind)) for r, kind in zip(raw, KINDS))
def ref_kernel(data):
    return tuple(item.clone() for item in data)
def check_implementation(data, output):
    same = [torch.equal(a.view(torch.uint8), b.view(torch.uint8)) and a.stride() == b.stride()
            for a, b in zip(output, data)]
    return all(same), str(same)
"""
    cases = ({"m": 8, "k": 4, "seed": 3},)
    job = field_job(tests=cases, benchmarks=cases)
    source = """
def custom_kernel(data):
    assert [item.stride() for item in data] == [(1, 8)] * 4
    return tuple(item.clone() for item in data)
"""
    done = judged(tmp_path, source, reference, job)
    assert done.verdict.passed, done.explanation


def test_a_module_beside_the_reference_wins_over_an_installed_one_of_its_name(
    tmp_path: Path,
) -> None:
    reference = SCALE.replace(b"from utils", b"import packaging\nassert packaging.OURS\nfrom utils")
    done = judged(tmp_path, IN_PLACE, reference, packaging_py=b"OURS = True")
    assert done.verdict.passed, done.explanation


def test_a_reference_that_needs_a_missing_package_says_which(tmp_path: Path) -> None:
    done = judged(tmp_path, IN_PLACE, b"import aiter_of_a_rack\n" + SCALE)
    assert kind(done) is VerdictKind.JUDGE_FAILED
    assert "aiter_of_a_rack" in done.verdict.fault


def test_data_that_cannot_be_handed_over_is_named(tmp_path: Path) -> None:
    reference = SCALE.replace(b"return torch.randn(size, generator=gen),", b"return gen,")
    done = judged(tmp_path, IN_PLACE, reference)
    assert kind(done) is VerdictKind.JUDGE_FAILED
    assert "Generator" in done.verdict.fault


def test_a_submission_that_rewrites_its_copy_of_the_reference_changes_nothing(
    tmp_path: Path,
) -> None:
    source = """
from pathlib import Path
import reference, utils
reference.check_implementation = lambda data, output: (True, "")
utils.matches = None
Path("reference.py").write_text("def check_implementation(d, o): return True, ''")
def custom_kernel(data):
    return data[1]
"""
    assert kind(judged(tmp_path, source)) is VerdictKind.WRONG_ANSWER


def test_an_answer_that_differs_from_call_to_call_is_told_where_the_problem_forbids_it(
    tmp_path: Path,
) -> None:
    source = """
import itertools
calls = itertools.count()
def custom_kernel(data):
    return data[0] * 2 + 1e-9 * next(calls) * data[0]
"""
    job = field_job(deterministic=True)
    done = judged(tmp_path, source.replace("1e-9", "1e-6"), job=job)
    assert kind(done) is VerdictKind.WRONG_ANSWER, done.explanation
    assert "differs between two calls on the same input" in done.verdict.message


def test_hidden_cases_are_judged_in_ranked_runs_and_never_named(tmp_path: Path) -> None:
    source = """
def custom_kernel(data):
    return data[0] * (3 if data[0].numel() == 1048573 else 2)
"""
    hidden = ({"size": 1048573, "seed": 9},)
    done = judged(tmp_path, source, job=field_job(Mode.RANKED, hidden_tests=hidden))
    assert kind(done) is VerdictKind.WRONG_ANSWER, done.explanation
    assert done.verdict.message == FAILED_HIDDEN
    assert "1048573" not in str(replace(done.verdict, fault="")) + str(done.events)
    assert judged(tmp_path / "public", source, job=field_job(hidden_tests=hidden)).verdict.passed


def test_inputs_that_want_gradients_and_a_reference_that_answers_with_one_are_judged(
    tmp_path: Path,
) -> None:
    reference = SCALE.replace(
        b"return torch.randn(size, generator=gen), torch.empty(size)",
        b"return torch.randn(size, generator=gen), torch.nn.Parameter(torch.ones(1))",
    ).replace(b"out[...] = 2 * x\n    return out", b"return 2 * x * out")
    kernel = "def custom_kernel(data):\n    assert data[1].requires_grad\n    return data[0] * 2"

    done = judged(tmp_path, kernel, reference)

    assert done.verdict.passed, done.explanation


def test_a_reference_that_demands_determinism_finds_what_the_library_wants_for_it(
    tmp_path: Path,
) -> None:
    reference = SCALE.replace(
        b"    x, out = data\n    out",
        b"    import os\n    assert os.environ['CUBLAS_WORKSPACE_CONFIG'] == ':4096:8'\n    x, out = data\n    out",
    )

    done = judged(tmp_path, IN_PLACE, reference)

    assert done.verdict.passed, done.explanation


@pytest.mark.parametrize("public", [0, 1, 1111, 2**31 - 1, 2**40, 2**63 - 1])
def test_a_published_seed_and_a_secret_one_make_a_seed_that_torch_takes(public: int) -> None:
    secret = 2**31 - 1
    made = combined(public, secret)

    torch.manual_seed(made)
    if public < 2**31:
        total = public + secret
        assert made == public + total * (total + 1) // 2, "as the field's programs make it"
    assert made != combined(public, secret - 1)
