"""What profilers found, read from recorded reports and told in plain words."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from kernelbot.judge import profiling
from kernelbot.judge.profiling import Kernel, bound, summary, words
from kernelbot.judge.profiling_ncu import NsightCompute
from kernelbot.judge.profiling_rocprof import RocProf

RECORDED = Path(__file__).parent / "recorded"
DOCUMENTED = RECORDED.with_name("documented")  # written from the documentation, not seen
RAW = (RECORDED / "ncu_raw_h200.csv").read_text()
ROCPROF = (DOCUMENTED / "rocprofv3_kernel_trace.csv").read_text()
MARKERS = (DOCUMENTED / "rocprofv3_marker_api_trace.csv").read_text()


def ncu_kernels() -> dict[str, Kernel]:
    return {kernel.name.split("<")[0]: kernel for kernel in NsightCompute("ncu").kernels([RAW])}


def kernel(**fields: object) -> Kernel:
    values: dict[str, object] = {"name": "k", "ns": 50_000.0, **fields}
    return Kernel(**values)  # type: ignore[arg-type]


def test_a_recorded_report_names_every_kernel_with_its_time() -> None:
    found = NsightCompute("ncu").kernels([RAW])
    assert [round(item.ns) for item in found] == [
        180_448, 23_424, 2_240, 343_584, 93_120, 49_248, 15_328,
    ]  # fmt: skip
    assert found[1].name == "triton_add"
    assert (found[1].grid, found[1].block) == ("(4096, 1, 1)", "(128, 1, 1)")


def test_each_recorded_kernel_is_bound_by_what_its_counters_say() -> None:
    found = [bound(item) for item in NsightCompute("ncu").kernels([RAW])]
    assert found == ["compute", "memory", "launch", "compute", "compute", "memory", "latency"]


def test_bandwidth_is_told_against_the_devices_peak() -> None:
    add = ncu_kernels()["triton_add"]
    assert add.dram_bytes_s == pytest.approx(3.557e12, rel=1e-3)
    assert add.dram_peak_bytes_s == pytest.approx(4.80e12, rel=1e-2)
    assert add.dram_pct == pytest.approx(74.07)


def test_tensor_cores_are_told_against_their_dense_peak() -> None:
    gemm = ncu_kernels()["nvjet_sm90_hsh_256x128_64x4_1x2_h_bz_coopA_NNT"]
    assert gemm.flops == pytest.approx(762e12, rel=1e-2)
    assert gemm.flops_of == "fp16 on tensor cores"
    assert gemm.flops_pct == pytest.approx(90.04, abs=0.1)


def test_arithmetic_outside_tensor_cores_counts_a_fused_operation_twice() -> None:
    gemm = ncu_kernels()["void cutlass::Kernel2"]
    assert gemm.flops == pytest.approx(2 * 2048**3 / 343.6e-6, rel=0.02)
    assert gemm.flops_of == "fp32"


def test_what_limits_occupancy_is_named_only_where_something_does() -> None:
    found = ncu_kernels()
    assert found["triton_add"].limiter == "registers"
    assert found["triton_add"].occupancy_limit_pct == 75
    assert found["void at::reduce_kernel"].limiter == ""


def test_the_largest_shares_of_the_warps_time_come_first() -> None:
    stalls = ncu_kernels()["triton_add"].stalls
    assert stalls[0][0] == "waiting for global or local memory"
    assert stalls[0][1] == pytest.approx(0.82, abs=0.01)
    assert len(stalls) == profiling.SHOWN_STALLS


def test_lines_before_the_table_are_passed_over() -> None:
    assert len(NsightCompute("ncu").kernels(["==PROF== Connected\n" + RAW])) == 7


@pytest.mark.parametrize("text", ["", "\0\0", '"ID"', '"ID","Name"\n"1","x"', "==ERROR== no"])
def test_what_is_no_report_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no raw page"):
        NsightCompute("ncu").kernels([text])


def test_numbers_that_are_none_are_left_out_of_the_words() -> None:
    header, units, row, *_ = RAW.splitlines()
    broken = row.replace('"1,504"', '"n/a"').replace('"90.04"', '""')
    found = NsightCompute("ncu").kernels(["\n".join((header, units, broken))])
    assert "of nan" not in summary(found)
    assert found[0].dram_peak_bytes_s != found[0].dram_peak_bytes_s


def test_the_command_marks_the_range_and_leaves_the_clocks_alone() -> None:
    line = NsightCompute("/opt/ncu").command(Path("/work/profile"), ["python", "run"])
    assert line[0] == "/opt/ncu"
    assert line[-2:] == ["python", "run"]
    assert line[line.index("--clock-control") + 1] == "none"
    assert "custom_kernel/" in line
    assert line[line.index("--export") + 1] == "/work/profile/profile.ncu-rep"


def test_counters_for_administrators_only_are_explained_with_the_remedy() -> None:
    output = "==ERROR== ERR_NVGPUCTRPERM - The user does not have permission\n"
    assert "NVreg_RestrictProfilingToAdminUsers=0" in NsightCompute("ncu").trouble(output)


def test_the_first_error_of_the_tool_is_told() -> None:
    output = "hello\n==ERROR== The application returned an error code (9).\n==ERROR== more\n"
    assert NsightCompute("ncu").trouble(output) == "The application returned an error code (9)."
    assert NsightCompute("ncu").trouble("==PROF== Connected to process 5\n") == ""


def test_a_tool_that_is_not_installed_says_so() -> None:
    assert "not installed" in NsightCompute("").missing()
    assert "not installed" in RocProf("").missing()


@pytest.mark.parametrize(
    ("compute", "memory", "ns", "expected"),
    [
        (10, 80, 50_000, "memory"),
        (80, 10, 50_000, "compute"),
        (70, 70, 50_000, "memory"),
        (59, 59, 50_000, "latency"),
        (60, 10, 2_000, "compute"),
        (10, 10, 2_000, "launch"),
        (math.nan, math.nan, 2_000, "launch"),
        (math.nan, math.nan, 50_000, ""),
    ],
)
def test_the_rule_of_what_binds_a_kernel(
    compute: float, memory: float, ns: float, expected: str
) -> None:
    assert bound(kernel(compute_pct=compute, memory_pct=memory, ns=ns)) == expected


def test_busy_caches_are_told_from_busy_device_memory() -> None:
    item = kernel(compute_pct=20, memory_pct=85, dram_pct=46)
    assert "caches and shared memory" in words(item)
    assert "(device memory)" in words(replace(item, dram_pct=84))


def test_a_call_whose_kernels_leave_the_device_idle_is_launch_bound_as_a_whole() -> None:
    items = [kernel(ns=2_000.0, compute_pct=1, memory_pct=1)] * 3
    assert "as a whole it is launch-bound" in summary(items, call_ns=40_000)
    assert "as a whole" not in summary(items, call_ns=7_000)


def test_launches_of_one_kernel_are_told_together() -> None:
    small = kernel(name="small", ns=2_000.0, grid="(8, 1, 1)", compute_pct=1, memory_pct=1)
    large = kernel(name="large", ns=90_000.0, compute_pct=10, memory_pct=88, dram_pct=88)
    text = summary([small, replace(small, ns=3_000.0), small, large])
    first, second = text.splitlines()[1:3]
    assert first.split()[:5] == ["1", "large", "1", "90", "us"]
    assert second.split()[:5] == ["2", "small", "3", "7", "us"]
    assert text.count("launch-bound: 3 us") == 1


def test_no_kernel_at_all_is_said() -> None:
    assert summary([]) == "No kernel ran on the device during the call."


def test_a_kernels_name_cannot_break_the_table() -> None:
    text = summary([kernel(name="evil\n#2 \x1b[31m" + "x" * 500, compute_pct=90, memory_pct=10)])
    assert "\x1b" not in text
    assert "evil?#2" in text
    assert max(map(len, text.splitlines())) < 200


def test_rocprof_tables_give_the_kernels_inside_the_range() -> None:
    found = RocProf("rocprofv3").kernels([ROCPROF, MARKERS])
    assert [item.name for item in found] == ["add_kernel(float*, int)"]
    assert found[0].ns == 8_000
    assert (found[0].registers, found[0].shared_bytes) == (24, 512)
    assert (found[0].grid, found[0].block) == ("(65536, 1, 1)", "(256, 1, 1)")


def test_without_a_recorded_range_all_kernels_are_told() -> None:
    assert len(RocProf("rocprofv3").kernels([ROCPROF, ""])) == 2


def test_rocprof_columns_may_change_their_case() -> None:
    header, _, rest = ROCPROF.partition("\n")
    assert len(RocProf("rocprofv3").kernels([f"{header.lower()}\n{rest}"])) == 2


def test_what_is_no_rocprof_table_is_refused() -> None:
    with pytest.raises(ValueError, match="no table"):
        RocProf("rocprofv3").kernels(["\0"])


def test_the_rocprof_command_puts_the_program_after_its_own_options() -> None:
    line = RocProf("/opt/rocprofv3").command(Path("/work/profile"), ["python", "run"])
    assert line[-3:] == ["--", "python", "run"]
    assert "--kernel-trace" in line
    assert "--marker-trace" in line
