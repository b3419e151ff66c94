"""Speeds of light: tables that others published, what a floor may claim, where a time stands."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelbot.domain import peaks, roofline
from kernelbot.domain.definition import DefinitionErrors
from kernelbot.domain.expression import parse
from kernelbot.domain.peaks import Peaks
from kernelbot.domain.roofline import MARGIN, SLACK_S, Work, bound, floor, percent, position
from kernelbot.domain.speed_of_light import SpeedOfLight
from kernelbot.services.catalog import load_problem
from kernelbot.services.devices import load_devices

ROOT = Path(__file__).resolve().parents[2]
DEVICES = load_devices(ROOT / "runners" / "devices.yaml")

H200 = next(item for item in DEVICES if item.name == "H200")
MI300X = next(item for item in DEVICES if item.name == "MI300X")
AT_1500_MHZ = Peaks(name="B200 at 1.5 GHz", bandwidth=7.68e12, cache=1.3e8, flops={"fp4": 6.9e15})
"""The peaks behind the speeds of light that the NVFP4 hackathon published."""


def light(**formulas: Any) -> SpeedOfLight:
    flops = {dtype: parse(text) for dtype, text in formulas.pop("flops", {}).items()}
    return SpeedOfLight(**{key: parse(text) for key, text in formulas.items()}, flops=flops)


NVFP4 = {
    "nvfp4-gemv": [(8.622, "memory"), (17.275, "memory"), (4.317, "memory")],
    "nvfp4-gemm": [(8.994, "memory"), (2.354, "memory"), (1.333, "memory")],
    "nvfp4-dual-gemm": [(4.708, "memory"), (8.714, "compute"), (2.125, "memory"), (6.535, "compute")],
    "nvfp4-grouped-gemm": [(18.833, "memory"), (10.667, "memory"), (2.406, "memory"), (1.525, "memory")],
}  # fmt: skip
"""Microseconds of each benchmark, as they were printed there, and what sets them."""


@pytest.mark.parametrize("name", NVFP4)
def test_the_published_nvfp4_table_is_reproduced_to_the_printed_digit(name: str) -> None:
    published = NVFP4[name]
    bounds = load_problem(ROOT / "problems" / name).bounds("cuda", AT_1500_MHZ)

    for (printed_us, limiter), found in zip(published, bounds, strict=True):
        assert found is not None
        # Some of its rows are rounded and some cut off: either way the last digit is met.
        microseconds = found.seconds * 1e6
        assert printed_us in (round(microseconds, 3), math.floor(microseconds * 1e3) / 1e3)
        assert found.limiter == limiter


def on_eight(name: str) -> list[tuple[float, str]]:
    """Microseconds of each benchmark on eight MI300X, and what sets them."""
    posed = replace(load_problem(ROOT / "problems" / name), world_size=8)
    bounds = posed.bounds("cuda", MI300X)
    return [(round(item.seconds * 1e6, 2), item.limiter) for item in bounds if item]


def test_the_published_gemm_and_reduce_scatter_rows_are_exact() -> None:
    assert on_eight("gemm-reduce-scatter") == [
        (6.46, "memory"),
        (8.19, "link"),
        (23.04, "link"),
        (65.54, "link"),
        (131.07, "link"),
        (379.43, "compute"),
    ]


def test_the_published_all_gather_rows_count_the_answer_instead_of_what_is_gathered() -> None:
    posed = load_problem(ROOT / "problems" / "all-gather-gemm")
    answer = light(link_bytes="2*m*n*7/8")
    theirs = [bound(answer.work(posed.benchmarks[at]), MI300X) for at in (1, 4, 5)]

    assert [round(item.seconds * 1e6, 2) for item in theirs if item] == [24.58, 458.75, 946.18]
    ours = on_eight("all-gather-gemm")
    assert [ours[at] for at in (1, 4, 5)] == [
        (8.19, "link"),
        (131.07, "link"),
        (379.43, "compute"),
    ]


def test_the_published_fp8_rows_follow_from_the_problem_to_a_hundredth_of_themselves() -> None:
    bounds = load_problem(ROOT / "problems" / "fp8-gemm").bounds("cuda", MI300X)
    published = {1: 8.63, 2: 25.89, 4: 51.78, 5: 155.30, 3: 3.17, 6: 17.27}

    for at, printed in published.items():
        found = bounds[at]
        assert found is not None
        assert found.seconds * 1e6 == pytest.approx(printed, rel=2e-3)


def test_the_published_first_row_of_mla_decode_is_less_than_its_own_weights_take() -> None:
    weights = light(reads="2 * (1536*7168 + 576*7168 + 24576*1536 + 32768*512 + 16384*7168)")
    least = bound(weights.work({}), MI300X)
    published = {512: 54.62, 1024: 106.65, 2048: 141.16, 4096: 210.75, 6144: 280.87}

    assert least is not None
    assert least.seconds * 1e6 == pytest.approx(70.6, abs=0.05)
    for keys, printed in published.items():
        line = least.seconds * 1e6 + 34.9 * keys / 1024
        assert (abs(line / printed - 1) < 0.015) is (keys > 512)
    assert published[512] < least.seconds * 1e6


def test_one_published_row_of_all_to_all_is_off_the_rule_of_the_others() -> None:
    printed = (6.33, 7.37, 14.98, 61.78, 104.36)
    benchmarks = load_problem(ROOT / "problems" / "all-to-all").benchmarks

    rule = [5 + case["tokens"] * case["top"] * case["hidden"] * 2 / 295.5e3 for case in benchmarks]

    assert [round(us, 2) for us in rule] == [6.33, 7.66, 14.98, 61.78, 104.36]
    assert [at for at, us in enumerate(rule) if abs(us - printed[at]) > 0.005] == [1]


TOLD = {
    "mla-decode": ("54.62", "70.6"),
    "all-to-all": ("7.37", "7.66"),
    "all-gather-gemm": ("24.58", "8.19"),
    "gemm-reduce-scatter": ("6.46", "379.43"),
    "fp8-gemm": ("155.30", "17.27"),
    "nvfp4-gemv": ("8.622", "127 rows"),
}
"""Published numbers that a statement must take a stand on."""


@pytest.mark.parametrize("name", TOLD)
def test_a_statement_says_where_published_speeds_of_light_are_right_and_where_not(
    name: str,
) -> None:
    statement = load_problem(ROOT / "problems" / name).statement

    assert all(words in statement for words in TOLD[name])


# --- bounds and floors -------------------------------------------------------------------------


def test_a_type_that_a_gpu_has_no_units_for_is_computed_in_the_fastest_that_holds_it() -> None:
    assert H200.rate("fp4") == H200.flops["fp8"]
    assert MI300X.rate("fp6") == MI300X.flops["fp8"]
    assert Peaks(name="x", bandwidth=1, cache=0, flops={"fp32": 5.0}).rate("bf16") == 5.0
    assert Peaks(name="x", bandwidth=1, cache=0).rate("fp64") == 0.0


def test_work_that_a_gpu_has_no_peak_for_has_no_bound() -> None:
    bare = Peaks(name="x", bandwidth=1e9, cache=0)

    assert bound(Work(), H200) is None
    assert bound(Work(flops={"fp64": 1e9}, link_bytes=5), bare) is None
    assert bound(Work(bytes=1e9, flops={"fp64": 1e30}), bare) == roofline.Bound(
        seconds=1.0, limiter="memory"
    )


def vectoradd(size: int) -> Work:
    return Work(bytes=6 * size**2, writes=2 * size**2, flops={"fp16": size**2})


def test_a_floor_leaves_in_the_cache_what_is_written_but_not_what_is_read() -> None:
    size = 16384
    moved = 6 * size**2 - H200.cache

    assert floor(vectoradd(size), H200, ["bytes"]) == pytest.approx(
        MARGIN * moved / H200.bandwidth - SLACK_S
    )


def test_bytes_that_may_all_be_written_have_no_floor_until_they_outgrow_the_cache() -> None:
    assert floor(Work(bytes=H200.cache, writes=H200.cache), H200, ["bytes"]) == 0
    assert floor(Work(bytes=9 * H200.cache, writes=9 * H200.cache), H200, ["bytes"]) > 0


def test_a_cache_too_large_for_the_sweep_may_hold_the_input_already() -> None:
    small = Work(bytes=MI300X.cache, writes=0)

    assert floor(small, MI300X, ["bytes"]) == 0
    assert floor(small, replace(MI300X, cache=float(128 << 20)), ["bytes"]) > 0


def test_a_floor_counts_only_the_terms_that_the_problem_calls_unavoidable() -> None:
    product = Work(bytes=1e8, writes=5e7, flops={"fp16": 2 * 8192**3}, link_bytes=0)

    assert floor(product, H200, ["flops"]) == pytest.approx(MARGIN * 1.1113e-3, rel=0.01)
    assert floor(product, H200, ["bytes", "link_bytes"]) < 1e-4
    assert floor(product, H200, []) == 0


AMOUNTS = st.floats(0, 1e15)
WORKS = st.builds(
    lambda reads, writes, flops, link: Work(
        bytes=reads + writes, writes=writes, flops=flops, link_bytes=link
    ),
    AMOUNTS,
    AMOUNTS,
    st.dictionaries(st.sampled_from(peaks.DTYPES), AMOUNTS, max_size=3),
    AMOUNTS,
)


@given(WORKS, st.sampled_from(DEVICES))
def test_a_floor_is_always_well_below_the_bound(work: Work, device: Peaks) -> None:
    found = bound(work, device)
    best = found.seconds if found else 0.0

    assert 0 <= floor(work, device, ["bytes", "flops", "link_bytes"]) <= MARGIN * best


@given(WORKS, st.lists(st.sampled_from(DEVICES), min_size=1, unique_by=lambda item: item.name))
def test_the_fastest_of_several_models_is_bound_by_none_of_them(
    work: Work, models: list[Peaks]
) -> None:
    envelope = peaks.fastest(models)
    assert envelope is not None
    least = bound(work, envelope)

    for model in models:
        terms = ["bytes", "link_bytes"]
        if model.link:  # a model without links has no bound to communicate by
            assert floor(work, envelope, terms) <= floor(work, model, terms) * (1 + 1e-9)
        one = bound(replace(work, link_bytes=0.0), model)
        if one is not None and least is not None and not work.link_bytes:
            assert least.seconds <= one.seconds * (1 + 1e-9)


# --- where a time stands ------------------------------------------------------------------------


def test_a_measured_time_has_a_place_under_the_roof() -> None:
    found = position(vectoradd(16384), H200, 400e-6)

    assert found is not None
    assert found.limiter == "memory"
    assert found.share == pytest.approx(0.839, abs=1e-3)
    assert found.intensity == pytest.approx(1 / 6)
    assert found.ridge == pytest.approx(989.4e12 / 4.8e12)
    assert found.bandwidth == pytest.approx(6 * 16384**2 / 400e-6)
    assert found.text == "84 % of speed of light (memory-bound)"


def test_work_smaller_than_its_launch_is_bound_by_the_launch() -> None:
    found = position(vectoradd(128), H200, 2.5e-6)

    assert found is not None
    assert (found.limiter, found.text) == ("launch", "0.8 % of speed of light (launch-bound)")


def test_a_time_without_a_bound_has_no_place() -> None:
    assert position(Work(), H200, 1e-6) is None
    assert position(vectoradd(128), H200, 0.0) is None
    assert position(vectoradd(128), H200, math.nan) is None


def test_operations_alone_have_no_intensity_and_bytes_alone_no_ridge() -> None:
    computing = position(Work(flops={"fp64": 1e12}), H200, 1.0)
    moving = position(Work(bytes=1e12), H200, 1.0)

    assert computing is not None
    assert moving is not None
    assert computing.intensity is None
    assert moving.ridge is None
    assert moving.intensity == 0


@pytest.mark.parametrize(
    ("share", "text"), [(0.714, "71 %"), (1.0, "100 %"), (0.042, "4.2 %"), (0.09949, "9.9 %"), (0.0996, "10 %")]
)  # fmt: skip
def test_a_share_is_shown_with_two_digits_that_mean_something(share: float, text: str) -> None:
    assert percent(share) == text


# --- the file of the peaks ----------------------------------------------------------------------


def test_every_number_of_the_shipped_peaks_names_its_source() -> None:
    for model in DEVICES:
        numbers = {"bandwidth", "cache", *(f"flops.{dtype}" for dtype in model.flops)}
        numbers |= {"link"} if model.link else set()
        assert set(model.sources) == numbers
        assert model.devices


def test_the_shipped_peaks_are_of_the_order_that_such_chips_have() -> None:
    for model in DEVICES:
        assert 1e11 < model.bandwidth < 2e13
        assert 1 << 20 < model.cache < 1 << 30
        assert 1e12 < model.flops["fp32"] < 1e15
        assert model.flops["fp32"] <= model.flops["fp16"] <= model.rate("fp8") <= model.rate("fp4")


@pytest.mark.parametrize(
    ("match", "name"),
    [
        (r"\bT4\b", "T4"),
        (r"\bH100\b", "H100 PCIe or H100 NVL or H100 SXM"),
        (r"\bH100 PCIe\b", "H100 PCIe"),
        (r"\bMI300X\b", "MI300X"),
    ],
)
def test_a_target_has_the_models_whose_devices_it_accepts(match: str, name: str) -> None:
    found = peaks.of_match(DEVICES, match)

    assert found is not None
    assert found.name == name


def test_a_target_that_accepts_anything_or_nothing_known_has_no_peaks() -> None:
    assert peaks.of_match(DEVICES, "") is None
    assert peaks.of_match(DEVICES, "Voodoo") is None


def test_a_device_is_known_by_its_own_name() -> None:
    assert peaks.of_device(DEVICES, "NVIDIA H200") == H200
    assert peaks.of_device(DEVICES, "NVIDIA H2000") is None


def test_everything_wrong_with_a_file_of_peaks_is_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "devices.yaml"
    file.write_text(
        "A:\n  devices: [one, two]\n  peaks:\n    - {source: x, bandwidth: -1, cache: 1, flops: {fp17: 1}}\n"
        "    - {cache: 2}\nB:\n  devices: [two]\n  peaks: []\nC: 3\n"
    )

    with pytest.raises(DefinitionErrors) as caught:
        load_devices(file)

    text = str(caught.value)
    for words in (
        ":4: A.peaks[0].bandwidth: -1 is out of range",
        ":4: A.peaks[0].flops: unknown key 'fp17'. Did you mean",
        ":5: A.peaks[1]: the key 'source' is missing",
        ":5: A.peaks[1].cache: is given twice",
        "A: no block says 'bandwidth'",
        "B.devices: 'two' is already a device of A",
        "B.peaks: is an empty list",
        ":9: C: expected a map, got the number 3",
    ):
        assert words in text, text


def test_a_file_of_peaks_that_cannot_be_read_says_which_setting_names_it(tmp_path: Path) -> None:
    with pytest.raises(DefinitionErrors, match="KERNELBOT_DEVICES_FILE"):
        load_devices(tmp_path / "none.yaml")
