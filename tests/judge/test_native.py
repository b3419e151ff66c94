"""Compiled submissions: judged like any other, and what a compiler says reaches the contestant."""

from __future__ import annotations

import ctypes
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from kernelbot.judge import native
from kernelbot.judge.build import PREFIX
from kernelbot.judge.channel import plan
from kernelbot.judge.inside.native import Told
from kernelbot.judge.inside.native import load as follow
from kernelbot.judge.protocol import Device, Job, Mode, Parameter, Stage, Verdict, VerdictKind
from tests.judge.bench import LIMITS, Judged, a_job, judge, judge_afresh, problem

ADD = (
    Parameter(name="a", what="input", type="float32", entry=0),
    Parameter(name="b", what="input", type="float32", entry=1),
    Parameter(name="out", what="output", type="float32", entry=2),
    Parameter(name="n", what="shape", type="int64", entry=0),
)
ENTRY = 'extern "C" int custom_kernel(const float* a, const float* b, float* out, int64_t n)'
RIGHT = f"""
#include <cmath>

{ENTRY} {{
    for (int64_t at = 0; at < n; at++) out[at] = a[at] + b[at];
    return 0;
}}
"""


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A contestant's folder."""
    folder = tmp_path / "work"
    (folder / "cache").mkdir(parents=True)
    return folder


def judged(directory: Path, source: str, mode: Mode = Mode.TEST, **changes: Any) -> Judged:
    job = a_job(mode, submission="mine.cpp", native=ADD)
    return judge(directory, source, replace(job, **changes))


def verdict(directory: Path, body: str, **changes: Any) -> Verdict:
    """What a kernel with this body gets in test mode."""
    return judged(directory, f"{ENTRY} {{\n{body}\n}}\n", **changes).verdict


@pytest.mark.parametrize("mode", [Mode.PROFILE, Mode.RANKED])
def test_a_right_kernel_passes_and_is_measured(mode: Mode, tmp_path: Path) -> None:
    found = judged(tmp_path, RIGHT, mode)
    assert found.verdict.passed, found.explanation
    assert len(found.verdict.measurements) == (mode is Mode.RANKED)


def test_a_wrong_answer_is_told_as_in_any_language(tmp_path: Path) -> None:
    found = verdict(tmp_path, "out[0] = 0; return 0;")
    assert found.kind is VerdictKind.WRONG_ANSWER
    assert "elements" in found.message


@pytest.mark.parametrize(
    ("source", "place", "words"),
    [
        (RIGHT.replace("b[at]", "c[at]"), "mine.cpp:5:58: error: ", "was not declared"),
        (RIGHT.replace("<cmath>", '"nothing.h"'), "mine.cpp:2:10: fatal error: ", "nothing.h: No such"),
        (RIGHT.replace("return 0;", ""), "mine.cpp:7:1: error: ", "no return statement"),
        (RIGHT.replace("int64_t n", "int n"), "mine.cpp:4:16: error: ", f"entry point is {ENTRY}"),
        (RIGHT.replace("custom_kernel", "kernel"), "mine.cpp ", f"defines no function {ENTRY}"),
        (RIGHT.replace("<cmath>", '"mine.cpp"'), "mine.cpp:2:", "nested depth"),
    ],
)  # fmt: skip
def test_a_compile_error_is_told_with_the_contestants_file_and_line(
    source: str, place: str, words: str, work: Path, tmp_path: Path
) -> None:
    job = a_job(submission="mine.cpp", native=ADD)
    (work / "mine.cpp").write_text(source)
    native.write_header(tmp_path, job)

    with pytest.raises(Told) as told:
        follow(work, native.recipe(job, Device(kind="cpu"), tmp_path))

    assert told.value.name == native.COMPILE_ERROR
    first = told.value.text.splitlines()[0]
    assert first.startswith(place)
    assert words in first
    assert str(tmp_path) not in told.value.text


def test_a_compile_error_is_the_message_and_its_whole_text_the_log(tmp_path: Path) -> None:
    found = judged(tmp_path, RIGHT.replace("b[at]", "c[at]"), Mode.RANKED)
    assert found.verdict.kind is VerdictKind.BUILD_FAILED, found.explanation
    assert found.verdict.stage is Stage.BUILD
    assert found.verdict.message.startswith("mine.cpp:5:58: error: ")
    assert "out[at] = a[at] + c[at]" in found.verdict.log
    assert PREFIX not in found.verdict.log


def test_warnings_are_in_the_log_of_a_test_and_not_of_a_secret_run(tmp_path: Path) -> None:
    # Without its extern "C", which the declaration in the judge's header supplies.
    source = RIGHT.replace("return 0;", "int unused; return 0;").replace('extern "C" ', "")
    for mode in (Mode.TEST, Mode.RANKED):
        (tmp_path / mode).mkdir()
        found = judged(tmp_path / mode, source, mode).verdict
        assert found.passed
        assert ("warning: unused variable" in found.log) == (mode is Mode.TEST)


def test_what_a_compiler_says_is_bounded_and_keeps_both_ends(tmp_path: Path) -> None:
    flood = "".join(f"#warning number {at} {'x' * 200}\n" for at in range(3000))
    log = judged(tmp_path, f"#error the beginning\n{flood}#error the end\n").verdict.log
    assert "the beginning" in log
    assert "the end" in log
    assert len(log) < 100_000


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        ("*(volatile int*)nullptr = 1; return 0;", VerdictKind.CRASHED, "killed by signal SIGSEGV"),
        ("return 7;", VerdictKind.CRASHED, "custom_kernel raised KernelError: it returned 7"),
        ("throw 3;", VerdictKind.CRASHED, "something that is no std::exception"),
    ],
)
def test_a_kernel_that_fails_is_a_crash_that_says_how(
    body: str, kind: VerdictKind, message: str, tmp_path: Path
) -> None:
    found = verdict(tmp_path, body)
    assert found.kind is kind
    assert message in found.message


def test_an_exception_is_told_in_its_own_words_but_not_in_a_secret_run(tmp_path: Path) -> None:
    source = (
        "#include <stdexcept>\n#include <string>\n"
        f"{ENTRY} {{ throw std::runtime_error(std::to_string(a[0])); }}\n"
    )
    for mode in (Mode.TEST, Mode.RANKED):
        (tmp_path / mode).mkdir()
        found = judged(tmp_path / mode, source, mode).verdict
        assert found.kind is VerdictKind.CRASHED
        told = "custom_kernel raised Exception. Run it in test mode"
        assert (told in found.message) == (mode is Mode.RANKED)


def test_an_endless_kernel_runs_out_of_time(tmp_path: Path) -> None:
    # The first call would have the time that is left for building.
    body = """
    static int calls;
    for (int64_t at = 0; at < n; at++) out[at] = a[at] + b[at];
    for (volatile int64_t at = 0; calls > 0; at = at + 1) {}
    calls++;
    return 0;"""
    found = verdict(tmp_path, body, limits=replace(LIMITS, check_s=4))
    assert found.kind is VerdictKind.TIMED_OUT
    assert found.stage is Stage.CHECK


def test_an_endless_compilation_runs_out_of_time(tmp_path: Path) -> None:
    # Each template asks for two of the next: 2 to the power of 60 of them.
    source = """
template <int N, class... T> struct Tree {
    Tree<N - 1, T..., int> left;
    Tree<N - 1, T..., char> right;
};
template <class... T> struct Tree<0, T...> {};
Tree<60> tree;
"""
    found = judged(tmp_path, source, limits=replace(LIMITS, build_s=3)).verdict
    assert found.kind is VerdictKind.TIMED_OUT, found
    assert found.stage is Stage.BUILD


@pytest.mark.parametrize(
    "source", ['#include "{path}"', 'asm(".incbin \\"{path}\\"");' + RIGHT, "#embed <{path}>"]
)
def test_a_compiler_reads_no_file_that_a_contestant_may_not(source: str, tmp_path: Path) -> None:
    path = tmp_path / "problem" / "reference.py"
    found = judged(tmp_path, source.replace("{path}", str(path)))
    assert found.verdict.kind is VerdictKind.BUILD_FAILED, found.explanation
    assert "generate_input" not in found.verdict.log


def test_a_file_of_the_problem_can_be_included_and_flags_are_its_own(tmp_path: Path) -> None:
    source = f'#include "shared.h"\n{RIGHT.replace("a[at] + b[at]", "sum(a[at], b[at]) * FACTOR")}'
    job = a_job(
        submission="mine.cpp", native=ADD, contestant_files=("shared.h",),
        compile_flags=("-DFACTOR=1", "-std=c++20"),
    )  # fmt: skip
    files = problem("add") | {"shared.h": b"inline float sum(auto x, auto y) { return x + y; }\n"}
    found = judge(tmp_path, source, job, files)
    assert found.verdict.passed, found.explanation


def test_every_kind_of_parameter_arrives(tmp_path: Path) -> None:
    reference = b"""
import torch
OUTPUTS = 2
def generate_input(*, seed, device, n):
    g = torch.Generator(device=device).manual_seed(seed)
    x = torch.randn(n, 3, generator=g, device=device).t()
    return x, None, 2.5, 7, True, "sum", torch.empty(n), torch.empty(1, dtype=torch.int64)
def reference(data):
    return 2.5 * data[0][1], torch.tensor([7])
"""
    parameters = (
        Parameter(name="x", what="input", type="float32", entry=0),
        Parameter(name="mask", what="input", type="uint8", entry=1),
        Parameter(name="scale", what="value", type="float64", entry=2),
        Parameter(name="seven", what="value", type="int64", entry=3),
        Parameter(name="flag", what="value", type="bool", entry=4),
        Parameter(name="kind", what="value", type="text", entry=5),
        Parameter(name="out", what="output", type="float32", entry=6),
        Parameter(name="count", what="output", type="int64", entry=7),
        Parameter(name="columns", what="shape", type="int64", entry=0, axis=1),
        Parameter(name="step", what="stride", type="int64", entry=0, axis=1),
        Parameter(name="all", what="numel", type="int64", entry=0),
    )
    source = """
#include <cstring>
int custom_kernel(const float* x, const uint8_t* mask, double scale, int64_t seven, bool flag,
                  const char* kind, float* out, int64_t* count, int64_t columns, int64_t step,
                  int64_t all) {
    if (mask || !flag || strcmp(kind, "sum") || all != 3 * columns) return 1;
    for (int64_t at = 0; at < columns; at++) out[at] = scale * x[at * step + 1];
    *count = seven;
    return 0;
}
"""
    job = a_job(submission="mine.cpp", native=parameters, contestant_files=())
    found = judge(tmp_path, source, job, {"reference.py": reference})
    assert found.verdict.passed, found.explanation


@pytest.mark.parametrize(
    ("parameters", "fault"),
    [
        (ADD, ""),
        ((*ADD[:2], replace(ADD[2], type="float64")), "out is declared as output float64, but entry 2"),
        ((*ADD[:2], replace(ADD[2], entry=1)), "entry 1 of the data is float32, not a buffer"),
        ((replace(ADD[0], entry=9), *ADD[1:]), "entry 9 of the data is neither tensor nor number"),
        ((replace(ADD[0], what="value", type="int64"), *ADD[1:]), "a is declared as value int64"),
        ((*ADD[:2], replace(ADD[2], what="input")), "0 outputs are declared"),
    ],
)  # fmt: skip
def test_a_case_is_held_against_what_was_declared(
    parameters: tuple[Parameter, ...], fault: str
) -> None:
    data = tuple(torch.zeros(3) for _ in range(3))
    found = native.misfit(
        a_job(submission="mine.cpp", native=parameters), plan(data, data[0], buffers=1)
    )
    assert fault in found
    assert bool(fault) == bool(found)


def test_a_declaration_that_is_not_true_is_the_problems_fault(tmp_path: Path) -> None:
    wrong = (replace(ADD[0], type="float64"), *ADD[1:])
    found = judged(tmp_path, RIGHT.replace("const float* a", "const double* a"), native=wrong)
    assert found.verdict.kind is VerdictKind.JUDGE_FAILED
    assert (
        "a is declared as input float64, but entry 0 of the data is float32" in found.verdict.fault
    )


def test_a_problem_without_an_entry_point_is_at_fault(tmp_path: Path) -> None:
    with pytest.raises(native.NoCompiler, match="declares no native entry point"):
        native.recipe(a_job(submission="mine.cpp"), Device(kind="cpu"), tmp_path)


def test_a_machine_without_the_compiler_is_our_fault(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CXX", "/nonexistent/g++")
    job = a_job(submission="mine.cpp", native=ADD)
    found = judge_afresh(tmp_path, RIGHT, job).verdict
    assert found.kind is VerdictKind.JUDGE_FAILED
    assert "this machine has no g++" in found.fault


@pytest.mark.parametrize(("name", "language"), [("mine.cu", "CUDA C++"), ("mine.hip", "HIP")])
def test_a_file_for_another_device_is_refused_with_what_to_send(
    name: str, language: str, tmp_path: Path
) -> None:
    found = judged(tmp_path, RIGHT, submission=name).verdict
    assert found.kind is VerdictKind.BUILD_FAILED
    assert found.message.startswith(f"{language} needs")
    assert "Send a .cpp or a .py file" in found.message


# --- GPU compilers, played by a script that prints what they print and compiles with the host's ---

PLAYED = """#!/bin/sh
root=$(dirname "$(dirname "$0")")
for word; do
    case $word in
    --dryrun) dry=1 ;;
    *_999a*) echo "nvcc fatal   : Unsupported gpu architecture 'compute_999a'" >&2; exit 1 ;;
    ./*) file=$word ;;
    esac
    [ "$last" = -include ] && included=$word
    [ "$last" = -o ] && output=$word
    last=$word
done
[ -n "$dry" ] && { echo "#\\$ TOP=$root/bin/.." >&2; exit 0; }
if grep -n missing "$file"; then
    echo "$file(2): error: identifier \\"missing\\" is undefined"
    echo "ptxas /tmp/x.ptx, line 3; error   : Feature 'wgmma' requires .target sm_90a"
    exit 2
fi
exec c++ -shared -fPIC -x c++ -I"$root/include" -include "$included" "$file" -o "$output"
"""
RUNTIME = """
typedef struct stream* PREFIXStream_t;
typedef enum { PREFIXSuccess = 0, PREFIXErrorInvalidValue = 1 } PREFIXError_t;
inline PREFIXError_t PREFIXGetLastError() { static int calls; return PREFIXError_t(calls++ % 2); }
inline const char* PREFIXGetErrorName(PREFIXError_t) { return "PREFIXErrorInvalidValue"; }
inline const char* PREFIXGetErrorString(PREFIXError_t) { return "invalid argument"; }
"""
KERNEL = {
    "cu": "int custom_kernel(const __half* a, __nv_bfloat16* out, cudaStream_t stream) { return 0; }",
    "hip": "int custom_kernel(const __half* a, __hip_bfloat16* out, hipStream_t stream) { return 0; }",
}
HALVES = (
    Parameter(name="a", what="input", type="float16", entry=0),
    Parameter(name="out", what="output", type="bfloat16", entry=1),
)


@pytest.fixture
def toolkit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A toolkit whose compilers are the script."""
    root = tmp_path / "toolkit"
    for name in ("bin", "include/hip", "lib64/stubs"):
        (root / name).mkdir(parents=True)
    for name in ("nvcc", "hipcc"):
        (root / "bin" / name).write_text(PLAYED)
        (root / "bin" / name).chmod(0o755)
    types = "struct __half { unsigned short x; };"
    for folder, prefix, bfloat in (("", "cuda", "__nv_bfloat16"), ("hip", "hip", "__hip_bfloat16")):
        place = root / "include" / folder
        (place / f"{prefix}_runtime.h").write_text(RUNTIME.replace("PREFIX", prefix))
        (place / f"{prefix}_fp16.h").write_text(types)
        (place / f"{prefix}_bf16.h").write_text(f"struct {bfloat} {{ unsigned short x; }};")
    (root / "lib64" / "libcublas.so").touch()
    (root / "lib64" / "stubs" / "libcuda.so").touch()
    monkeypatch.setenv("PATH", f"{root / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return root


def a_gpu_job(**changes: Any) -> Job:
    job = a_job(device="cuda", submission="mine.cu", native=HALVES)
    return replace(job, **changes)


H200 = Device(kind="cuda", capability="9.0")
MI300X = Device(kind="hip", capability="gfx942")


@pytest.mark.parametrize(
    ("capability", "architecture"),
    [("7.5", "75"), ("8.9", "89"), ("9.0", "90a"), ("10.0", "100a"), ("10.3", "103a"), ("12.0", "120a")],
)  # fmt: skip
def test_cuda_is_compiled_for_the_very_device(
    capability: str, architecture: str, toolkit: Path, tmp_path: Path
) -> None:
    line = native.recipe(a_gpu_job(), replace(H200, capability=capability), tmp_path)["line"]
    assert f"-gencode=arch=compute_{architecture},code=sm_{architecture}" in line
    assert line[0] == str(toolkit / "bin" / "nvcc")
    assert {"-O3", "-std=c++17", "-lineinfo"} <= set(line)


def test_hip_is_compiled_for_the_very_device(toolkit: Path, tmp_path: Path) -> None:
    line = native.recipe(a_gpu_job(submission="mine.hip"), MI300X, tmp_path)["line"]
    assert line[0] == str(toolkit / "bin" / "hipcc")
    assert "--offload-arch=gfx942" in line


def test_a_compiler_too_old_for_the_device_is_our_fault(toolkit: Path, tmp_path: Path) -> None:
    with pytest.raises(native.NoCompiler, match="Unsupported gpu architecture 'compute_999a'"):
        native.recipe(a_gpu_job(), replace(H200, capability="99.9"), tmp_path)


def test_flags_come_after_ours_and_libraries_are_those_of_the_toolkit(
    monkeypatch: pytest.MonkeyPatch, toolkit: Path, tmp_path: Path
) -> None:
    monkeypatch.setenv(native.INCLUDES, "/opt/cutlass/include:/opt/more")
    line = native.recipe(a_gpu_job(compile_flags=("-O2",)), H200, tmp_path)["line"]
    assert line.index("-O2") > line.index("-O3")
    assert [line[at + 1] for at, word in enumerate(line) if word == "-isystem"] == [
        "/opt/cutlass/include",
        "/opt/more",
    ]
    assert [word for word in line if word.startswith("-l") and word != "-lineinfo"] == [
        "-lcublas",
        "-lcuda",
    ]


def test_a_file_whose_name_looks_like_an_option_is_a_file(toolkit: Path, tmp_path: Path) -> None:
    line = native.recipe(a_gpu_job(submission="-o.cu"), H200, tmp_path)["line"]
    assert "./-o.cu" in line
    assert "-o.cu" not in line


@pytest.mark.parametrize(("ending", "device"), [("cu", H200), ("hip", MI300X)])
def test_the_header_declares_the_types_of_the_language_and_finds_launch_errors(
    ending: str, device: Device, toolkit: Path, work: Path, tmp_path: Path
) -> None:
    job = a_gpu_job(submission=f"mine.{ending}")
    (work / job.submission).write_text(KERNEL[ending])
    native.write_header(tmp_path, job)
    follow(work, native.recipe(job, device, tmp_path))

    (library,) = (work / "cache" / "native").glob("*.so")
    call = ctypes.CDLL(str(library)).kernelbot_call
    text = ctypes.create_string_buffer(100)
    assert call(None, None, None, text, 100) == 0
    assert (
        call(None, None, None, text, 100) == 1
    )  # the runtime of the script fails every other time
    assert text.value.decode().endswith("ErrorInvalidValue: invalid argument")


def test_nvccs_first_error_is_the_first_line_of_what_is_told(
    toolkit: Path, work: Path, tmp_path: Path
) -> None:
    job = a_gpu_job()
    (work / job.submission).write_text("\nmissing\n")
    native.write_header(tmp_path, job)

    with pytest.raises(Told) as told:
        follow(work, native.recipe(job, H200, tmp_path))

    assert told.value.name == native.COMPILE_ERROR
    first, _, rest = told.value.text.partition("\n")
    assert first == 'mine.cu(2): error: identifier "missing" is undefined'
    assert "Feature 'wgmma' requires" in rest


def test_the_same_submission_is_compiled_once_and_a_changed_one_again(
    toolkit: Path, work: Path, tmp_path: Path
) -> None:
    job = a_gpu_job()
    for run, text in (("1", ""), ("2", ""), ("3", "// changed\n")):
        headers = tmp_path / run
        headers.mkdir()
        native.write_header(headers, job)
        (work / job.submission).write_text(text + KERNEL["cu"])
        follow(work, native.recipe(job, H200, headers))

    assert len(list((work / "cache" / "native").glob("*.so"))) == 2
