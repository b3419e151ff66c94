"""`kernelbot problem check --device cuda` in two halves, for a GPU machine that has torch and nothing else.

    python -m tests.judge.gpu_problems stage DIR [--mode benchmark] [--ranks N] [NAME...]
    python -m tests.judge.gpu_problems run DIR [--only WORD] [NAME...]    on the GPU: standard library and torch
    python -m tests.judge.gpu_problems show DIR [--record] [--table]

The first and the last run where the command line is installed. DIR travels between the two; ``run`` leaves out what is
there already, so it can be cut off and repeated.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from kernelbot.checking import findings

if TYPE_CHECKING:
    from kernelbot.checking.findings import Outcome
    from kernelbot.cli.problem_check import Checked

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 600.0
CASE_S = 120.0
"""Beyond the limits of a problem, for one case of its audit."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("stage", "run", "show"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--no-examples", dest="examples", action="store_false")
    parser.add_argument("--mode", default="ranked", help="benchmark takes a third of the time")
    parser.add_argument("--ranks", type=int, help="as many, of the problems for several GPUs alone")
    parser.add_argument("--only", default="", help="submissions whose path contains this")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--table", action="store_true", help="the rows of docs/problems.md")
    options = parser.parse_intermixed_args()
    if options.what == "stage":
        stage(options.folder, options.names, options.mode, options.ranks)
    elif options.what == "run":
        return run(options.folder.resolve(), options.names, options.examples, options.only)
    else:
        show(options.folder, record=options.record, table=options.table)
    return 0


def stage(folder: Path, names: list[str], mode: str, ranks: int | None) -> None:
    """A job directory for each audit and each submission; with ranks, of another number than the problem's own."""
    from kernelbot.judge import staging
    from kernelbot.judge.protocol import Mode
    from kernelbot.services.catalog import load_problem

    found = sorted(path.parent for path in (ROOT / "problems").glob("*/problem.yaml"))
    for path in [path for path in found if not names or path.name in names]:
        problem = load_problem(path)
        if ranks:
            if problem.world_size == 1 or ranks not in (problem.world_sizes or (ranks,)):
                continue
            problem = problem.with_ranks(ranks)
        place = folder / path.name
        (place / "audit").mkdir(parents=True)
        job = problem.job(run_id="check", mode=Mode.RANKED, device="cuda")
        staging.stage(place / "audit", job, problem.judge_files, b"")
        for number, example in enumerate(problem.examples_on("cuda")):
            target = place / f"{number:02}"
            target.mkdir()
            name = Path(example.path).name
            job = problem.job(run_id="local", mode=Mode(mode), device="cuda", submission_name=name)
            staging.stage(target, job, problem.judge_files, problem.files[example.path])
            about = {"path": example.path, "expect": example.expect.value}
            (target / "about.json").write_text(json.dumps(about))
        print(path.name, len(list(place.iterdir())) - 1, "submissions")


def run(folder: Path, names: list[str], examples: bool, only: str) -> int:
    """Audits first, then the submissions from a warm judge; what it says is the table in short.

    1 when an audit came to nothing or a verdict is not the one that it must be.
    """
    chosen = sorted(path for path in folder.iterdir() if not names or path.name in names)
    missing = [path / "audit" for path in chosen if not (path / "audit" / "audit.json").exists()]
    bad = 0
    began = time.monotonic()
    if missing:
        command = [
            sys.executable,
            "-m",
            "kernelbot.checking",
            str(CASE_S),
            "inf",
            *map(str, missing),
        ]
        bad += subprocess.run(command, cwd=ROOT, check=False).returncode != 0
    print(f"audits: {time.monotonic() - began:.0f} s", flush=True)
    if not examples:
        return min(bad, 1)
    from kernelbot.cli.warm_judge import WarmJudge
    from kernelbot.judge import staging

    with WarmJudge("cuda") as judge:
        for about in [about for path in chosen for about in sorted(path.glob("*/about.json"))]:
            place = about.parent
            wanted = json.loads(about.read_text())
            if (place / "verdict.json").exists() or only not in wanted["path"]:
                continue
            began = time.monotonic()
            judge.judge(place, PATIENCE_S)
            verdict = staging.read_verdict(place, "local")
            right = verdict.kind.value == wanted["expect"]
            bad += not right
            mark = "  " if right else "✗ "
            took = f"{time.monotonic() - began:.1f} s"
            times = ", ".join(f"{item.ns / 1e3:.1f}" for item in verdict.measurements)
            why = (
                ""
                if verdict.passed
                else (verdict.fault or verdict.evidence or verdict.message)[-300:]
            )
            name = f"{place.parent.name}/{wanted['path']}"
            print(f"{mark}{name}: {verdict.kind.value} in {took} [{times}] µs {why}", flush=True)
    return min(bad, 1)


def show(folder: Path, *, record: bool, table: bool) -> None:
    """The same tables as those of the command, or a row of docs/problems.md for each problem."""
    from kernelbot.cli import problem_check, problem_report
    from kernelbot.cli.problem_check import Checked
    from kernelbot.judge import staging
    from kernelbot.judge.protocol import JOB_FILE
    from kernelbot.services.catalog import load_problem

    checked = []
    asked = []  # with as many ranks as the problem itself asks for: of others no record speaks
    staged: dict[str, int] = {}  # submissions by problem
    for place in sorted(path for path in folder.iterdir() if (path / "audit").is_dir()):
        written = load_problem(ROOT / "problems" / place.name)
        ranks = json.loads((place / "audit" / JOB_FILE).read_text()).get("world_size", 1)
        problem = written.with_ranks(ranks)
        audit = problem_check.read_audit(place / "audit", problem, "cuda", "")
        light = problem_check.light_of(problem, "cuda", audit)
        item = Checked(ROOT / "problems" / place.name, problem=problem, audit=audit, light=light)
        examples = {example.path: example for example in problem.examples}
        abouts = sorted(place.glob("*/about.json"))
        staged[problem.name] = len(abouts)
        for about in abouts:
            if (about.parent / "verdict.json").exists():
                example = examples[json.loads(about.read_text())["path"]]
                verdict = staging.read_verdict(about.parent, "local")
                item.outcomes.append(
                    problem_check.outcome_of(problem, example, verdict, light.peaks)
                )
        item.findings += findings.of_audit(audit)
        if item.outcomes:
            item.findings += findings.of_examples(item.outcomes, problem.limits)
        checked.append(item)
        if ranks == written.world_size:
            asked.append(item)
        if table:
            print(row(item))
        else:
            problem_report.show(item)
    if record:  # what was not judged is not known to get its verdict
        whole = [item for item in asked if len(item.outcomes) == staged[item.problem.name]]
        print(problem_check.record(whole, "cuda"))
        print(
            "not wholly judged, or with other ranks:",
            *(item.problem.name for item in checked if item not in whole),
        )


def row(item: Checked) -> str:
    """Cases; null solutions refused, of those tried; submissions with the expected verdict, of those judged, of
    all; and the starters' times."""
    problem, audit = item.problem, item.audit
    assert problem is not None
    assert audit is not None
    accepted = sum(probe.accepted for case in audit.cases for probe in case.probes)
    right = sum(outcome.as_expected for outcome in item.outcomes)
    starters = [
        f"{Path(outcome.path).name.removeprefix('with_')} {times(outcome)}"
        for outcome in item.outcomes
        if outcome.path.startswith("starter") and outcome.got == "passed"
    ]
    count = sum(len(case.where) for case in audit.cases)
    return (
        f"| {problem.name} | {count} | {audit.trials - accepted} of {audit.trials} "
        f"| {right} of {len(item.outcomes)} of {len(problem.examples_on('cuda'))} "
        f"| {'; '.join(starters)} |"
    )


def times(outcome: Outcome) -> str:
    """The range of times over the benchmarks, and of their shares of the speed of light."""
    us = [ns / 1e3 for ns in outcome.times_ns]
    shares = [float(found[1]) for text in outcome.light if (found := re.match(r"([\d.]+) %", text))]
    span = " to ".join(
        f"{time:.3g}" if time < 1000 else f"{time:,.0f}" for time in (min(us), max(us))
    )
    span += " µs"
    return f"{span}, {min(shares):.2g} to {max(shares):.2g} %" if shares else span


if __name__ == "__main__":
    sys.exit(main())
