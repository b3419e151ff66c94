"""The speed of light where people meet it: floors of jobs, shares of runs, tables of problems, scores."""

from __future__ import annotations

import dataclasses

import pytest

from kernelbot import report
from kernelbot.api import present
from kernelbot.app import App
from kernelbot.bot import problem_posts
from kernelbot.cli import render as cli
from kernelbot.config import ROOT
from kernelbot.domain.problem import sealed
from kernelbot.domain.scoring import Scoring
from kernelbot.judge.protocol import CaseResult, Device, Mode, Stage, Verdict
from kernelbot.services import competitions, light, publish, standings, submissions
from kernelbot.services.catalog import load_catalog, load_problem
from kernelbot.services.publish import Source
from tests.factories import (
    claim_one,
    judge_one,
    make_actor,
    make_measurement,
    make_verdict,
    submitted,
)

BOUNDS_US = (1.31072, 5.24288, 20.97152, 83.88608, 335.54432)  # 6 n^2 bytes at 4.8 TB/s


def timed(*microseconds: float, device: str = "NVIDIA H200") -> Verdict:
    """A passed run of vectoradd with these times."""
    cases = [
        CaseResult(
            stage=Stage.MEASURE,
            index=index,
            spec="size: 1",
            ok=True,
            measurement=make_measurement(ns=each * 1e3),
        )
        for index, each in enumerate(microseconds)
    ]
    return dataclasses.replace(make_verdict(), cases=tuple(cases), device=Device(name=device))


def at_share(share: float) -> list[float]:
    return [each / share for each in BOUNDS_US]


async def test_a_job_for_a_gpu_carries_its_floors_and_one_for_a_processor_none(app: App) -> None:
    ada = await make_actor(app)
    await submitted(app, ada, gpus=("H200",))
    await submitted(app, ada, gpus=("CPU",))

    on_gpu = (await claim_one(app, "H200")).job
    on_cpu = (await claim_one(app, "CPU")).job

    assert on_cpu.floors_ns == ()
    assert len(on_gpu.floors_ns) == len(on_gpu.benchmarks) == 5
    assert on_gpu.floors_ns[-1] == pytest.approx(256e3, rel=0.01)
    for floor, best in zip(on_gpu.floors_ns, BOUNDS_US, strict=True):
        assert floor < 0.8 * best * 1e3


async def test_a_passed_run_says_how_close_to_the_speed_of_light_it_came(app: App) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada, gpus=("H200",))
    await judge_one(app, timed(*at_share(0.71)), gpu="H200")

    (run,) = (await submissions.submission(app, ada, view.id)).runs

    assert run.light == pytest.approx(0.71)
    assert run.bounds == pytest.approx([each * 1e-6 for each in BOUNDS_US])
    assert report.headline(run).endswith(", 71 % of speed of light")
    assert all("(71 % of light)" in row.text for row in report.case_rows(run))


async def test_a_run_without_known_peaks_says_nothing_of_light(app: App) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada)
    await judge_one(app)

    (run,) = (await submissions.submission(app, ada, view.id)).runs

    assert run.light is None
    assert "light" not in report.headline(run) + "".join(row.text for row in report.case_rows(run))


async def test_a_run_is_held_against_the_very_device_it_was_on(app: App) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada, gpus=("H100",))
    # An H100 with PCIe has 2 TB/s, the fastest that may call itself an H100 has 3.9.
    times = [each * 4.8 / 2.0 for each in BOUNDS_US]
    await judge_one(app, timed(*times, device="NVIDIA H100 PCIe"), gpu="H100")

    (run,) = (await submissions.submission(app, ada, view.id)).runs

    assert run.light == pytest.approx(1.0)


async def test_a_problem_shows_what_its_benchmarks_take_at_best_on_each_gpu(app: App) -> None:
    found = await competitions.problem(app, None, "vectoradd")

    on_h200 = [item for item in found.speed_of_light if item.gpu == "H200"]
    assert [round(item.seconds * 1e6, 5) for item in on_h200] == list(BOUNDS_US)
    assert {item.limiter for item in on_h200} == {"memory"}
    assert on_h200[0].case == "size: 1024"
    assert "CPU" not in {item.gpu for item in found.speed_of_light}
    largest = (await competitions.problem(app, None, "matmul")).speed_of_light[5]
    assert (largest.gpu, largest.limiter) == ("T4", "compute")
    assert sorted(largest.case.split("; ")) == ["k: 8192", "m: 4096", "n: 5120"]


async def scored_by_light(app: App) -> None:
    catalog = load_catalog(ROOT / "problems", list(app.targets))
    changed = dataclasses.replace(catalog.problems["vectoradd"], scoring=Scoring.SPEED_OF_LIGHT)
    problems = {**catalog.problems, "vectoradd": sealed(changed)}
    await publish.apply(app, dataclasses.replace(catalog, problems=problems), Source())


async def test_scored_by_light_no_case_counts_for_less_than_its_bound(app: App) -> None:
    await scored_by_light(app)
    ada = await make_actor(app)
    view = await submitted(app, ada, gpus=("H200",))
    impossible = [0.001, *at_share(0.5)[1:]]
    await judge_one(app, timed(*impossible), gpu="H200")

    (run,) = (await submissions.submission(app, ada, view.id)).runs

    assert run.light == pytest.approx(0.5 ** (4 / 5))


@pytest.mark.parametrize("count", [1, 4, 7])
async def test_times_of_other_cases_than_the_problem_has_stop_no_recording(
    app: App, count: int
) -> None:
    await scored_by_light(app)
    ada = await make_actor(app)
    view = await submitted(app, ada, gpus=("H200",))
    await judge_one(app, timed(*[100.0] * count), gpu="H200")

    (run,) = (await submissions.submission(app, ada, view.id)).runs

    assert run.seconds == pytest.approx(100e-6)


MEASURED_ON_AN_H200 = [
    ("vectoradd", 0, 3.95),  # torch.add, n = 1024
    ("vectoradd", 3, 90.58),  # n = 8192
    ("matmul", 4, 172.5),  # torch.matmul, 4096^3, at the highest clock the card reaches
]


@pytest.mark.parametrize(("name", "index", "microseconds"), MEASURED_ON_AN_H200)
async def test_floors_are_far_below_what_good_kernels_were_measured_at(
    app: App, name: str, index: int, microseconds: float
) -> None:
    catalog = load_catalog(ROOT / "problems", list(app.targets))
    job = catalog.problems[name].job(
        run_id="1", mode=Mode.RANKED, device="cuda", peaks=light.peaks(app, "H200")
    )

    assert job.floors_ns[index] < 0.7 * microseconds * 1e3


async def test_a_problem_for_several_gpus_is_held_against_what_as_many_can_do_as_a_kind_has(
    app: App,
) -> None:
    shipped = load_problem(ROOT / "problems" / "gemm-reduce-scatter")
    fixed = dataclasses.replace(shipped, world_sizes=())

    best = {gpu: light.bounds(app, shipped, gpu)[-1] for gpu in ("H200x2", "H200x4", "H200x8")}
    two, four, eight = (seconds or 0.0 for seconds in best.values())
    assert two == pytest.approx(2 * four, rel=0.01)  # each rank has twice the operations
    assert four > eight > 0
    shown = [item for item in light.table(app, shipped, best) if item.case.endswith("False")]
    assert [item.seconds for item in shown[-1:]] == [eight]
    assert light.bounds(app, fixed, "H200x8") == light.bounds(app, fixed, "H200x4")


async def test_a_board_says_what_its_scores_are_held_against(app: App) -> None:
    ada = await make_actor(app)
    await submitted(app, ada, gpus=("H200",))
    await judge_one(app, timed(*at_share(0.5)), gpu="H200")

    on_gpu = await standings.standings(app, None, "vectoradd", "H200")
    on_cpu = await standings.standings(app, None, "vectoradd", "CPU")

    (first,) = on_gpu.items
    assert on_gpu.light_seconds == pytest.approx(0.5 * first.entry.seconds)
    assert on_cpu.light_seconds is None
    text = report.score_text(first.entry.seconds, first.entry.error, on_gpu.light_seconds)
    assert text.endswith(" (50 %)")
    assert report.light_note(on_gpu.light_seconds).startswith("%: of the speed of light, 2")
    assert report.light_note(on_cpu.light_seconds) == ""


async def test_every_channel_shows_the_speed_of_light_of_a_problem(
    app: App, capsys: pytest.CaptureFixture[str]
) -> None:
    found = await competitions.problem(app, None, "matmul")

    document = present.problem(found).model_dump()
    cli.problem(document)
    (embed,) = problem_posts.problem(found).embeds

    item = next(item for item in document["speed_of_light"] if item["gpu"] == "H200")
    assert item["limiter"] in ("memory", "compute")
    shown = capsys.readouterr().out
    assert "Speed of light" in shown
    assert "139 µs *" in shown  # 4096^3 on an H200, limited by arithmetic
    assert "H200: " in str(embed.description)
    assert "139 µs" in str(embed.description)


async def test_every_channel_shows_how_close_a_run_came(
    app: App, capsys: pytest.CaptureFixture[str]
) -> None:
    ada = await make_actor(app)
    view = await submitted(app, ada, gpus=("H200",))
    await judge_one(app, timed(*at_share(0.71)), gpu="H200")
    view = await submissions.submission(app, ada, view.id)

    document = present.submission(view).model_dump()
    cli.submission(document)

    assert document["runs"][0]["light"] == pytest.approx(0.71)
    assert document["runs"][0]["cases"][0]["light"] == pytest.approx(0.71)
    assert "71 % of speed of light" in document["runs"][0]["headline"]
    assert "(71 % of light)" in capsys.readouterr().out
