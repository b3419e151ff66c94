"""What was found about a problem, for a person and as a document."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from kernelbot import report
from kernelbot.checking import findings, ledger
from kernelbot.checking.findings import Agreement, Audit, CaseAudit, Level, Noise, Outcome, Probe
from kernelbot.cli.problem_check import Checked
from kernelbot.cli.screen import clean, result, table
from kernelbot.domain import roofline
from kernelbot.judge.protocol import spec, to_json

MARKS = {Level.REFUSED: ("✗", "bold red"), Level.WARNING: ("!", "yellow"), Level.NOTE: ("·", "dim")}
SIDE_BY_SIDE = 10
"""GPUs of one table of speeds of light."""
WORDS = {Level.REFUSED: "refused", Level.WARNING: "warning", Level.NOTE: "note"}


def show(checked: Checked) -> None:
    """Everything about one folder; the last line says whether it is fit."""
    if checked.errors is not None:
        _line(f"{clean(checked.folder)} is no problem that can be loaded", "bold red")
        result(clean(checked.errors.message, lines=True))
        result()
        return
    assert checked.problem is not None
    assert checked.audit is not None
    audit = checked.audit
    where = f"{audit.device_name or audit.device}, torch {audit.torch}" if audit.torch else ""
    _line(f"{clean(checked.problem.title)} ({clean(checked.problem.name)})", "bold", where)
    result()
    if any(not case.fault for case in audit.cases):
        _cases(audit)
        _light(checked)
    if checked.outcomes:
        _examples(checked)
    for finding in checked.findings:
        mark, style = MARKS[finding.level]
        _line(f"{mark} {WORDS[finding.level]}: {clean(finding.text)}", style)
    _conclusion(checked)
    result()


def _cases(audit: Audit) -> None:
    table(
        ("Case", "Input", "Answer", "Made in", "Reference", "Memory", "Again", "Noise floor", "Nearest null solution"),
        [_case(case) for case in audit.cases if not case.fault],
    )  # fmt: skip
    accepted = sum(probe.accepted for case in audit.cases for probe in case.probes)
    names = {probe.name for case in audit.cases for probe in case.probes}
    took = f"{len(names)} null solutions, {audit.trials} trials"
    rest = f"refused but for {accepted}, see below" if accepted else "all refused"
    result(f"{took}: {rest}.")
    if words := _margin(audit):
        result(words)
    result()


def _case(case: CaseAudit) -> tuple[str, ...]:
    nearest = case.nearest
    return (
        f"{', '.join(case.where)}: {case.spec}" if case.spec else ", ".join(case.where),
        size(case.data_bytes),
        size(case.answer_bytes),
        report.format_time(case.generate_s),
        report.format_time(case.reference_s),
        size(case.memory_bytes),
        _agreement(case.rerun),
        _noise(case),
        "" if nearest is None else f"{_far(nearest)}: {nearest.name}",
    )


def _noise(case: CaseAudit) -> str:
    """How far apart right answers are, or that the check refuses one of them."""
    if any(item is not None and not item.accepted for item in (case.rerun, case.wide)):
        return "refused"
    return "" if case.noise is None else _apart(case.noise)


def _apart(noise: Noise) -> str:
    if noise.error == 0:
        return "0"
    if noise.distance is not None:
        return findings.in_tolerances(noise.distance)
    return "" if noise.error is None else f"{noise.error:.1e}"


def _margin(audit: Audit) -> str:
    """Between what nobody could call wrong and what nobody should be paid for."""
    noise, margin = audit.noise, audit.margin
    if noise is None or not _apart(noise):
        return ""
    if noise.error == 0:
        text = "Noise floor: none, right answers agree bit for bit"
    else:
        number = f", {noise.error:.1e} as a number" if noise.distance and noise.error else ""
        text = f"Noise floor: right answers are up to {_apart(noise)} apart{number}"
    if noise.distance is None or margin is None:
        return f"{text}."
    return f"{text}; the nearest null solution is {findings.in_tolerances(margin)} away."


def _far(probe: Probe) -> str:
    if probe.distance is not None:
        return findings.in_tolerances(probe.distance)
    return f"{roofline.percent(probe.wrong or 0.0)} wrong"


def _light(checked: Checked) -> None:
    """The speed of light of each benchmark: on the device, or on those that people have."""
    light, problem = checked.light, checked.problem
    assert problem is not None
    if not any(seconds is not None for row in light.seconds for seconds in row):
        return
    reference = ("Reference",) if light.reference else ()
    for begin in range(0, len(light.models), SIDE_BY_SIDE):
        models = slice(begin, begin + SIDE_BY_SIDE)
        rows = [
            (
                spec(case),
                *("" if item is None else report.format_time(item) for item in row[models]),
                *(light.reference[at : at + 1]),
            )
            for at, (case, row) in enumerate(zip(problem.benchmarks, light.seconds, strict=True))
        ]
        table(("Benchmark, at the speed of light on", *light.models[models], *reference), rows)
    if not light.reference:
        result(_unplaced(checked))
    result()


def _unplaced(checked: Checked) -> str:
    """Why nothing is said of where the reference and the examples stand."""
    if checked.light.peaks is not None:
        return "Where the reference stands is not known: not every benchmark was timed."
    assert checked.audit is not None
    if checked.audit.device == "cpu":
        return (
            "Where reference and starters stand under it is left out: times of a processor say nothing of "
            "that. `--device cuda` on a machine with a GPU tells it."
        )
    return (
        f"Where reference and starters stand under it is left out: {clean(checked.audit.device_name)} is not "
        "in the file of devices (KERNELBOT_DEVICES_FILE). Add its peaks there."
    )


def _agreement(found: Agreement | None) -> str:
    if found is None:
        return ""
    if not found.accepted:
        return "refused"
    if found.equal:
        return "equal"
    return "accepted" if found.distance is None else findings.in_tolerances(found.distance)


def _examples(checked: Checked) -> None:
    table(
        ("Submission", "Must get", "Got", "Build", "Check", "Measure", "Times"),
        [_example(item) for item in checked.outcomes],
    )
    shares = [item for item in checked.outcomes if item.light]
    if shares:
        table(
            ("Submission", "Of the speed of light"), [(i.path, "; ".join(i.light)) for i in shares]
        )
    assert checked.problem is not None
    assert checked.audit is not None
    wanted = findings.suggestions(checked.outcomes)
    if wanted:
        limits = checked.problem.limits_on("cpu" if checked.audit.device == "cpu" else "cuda")
        rows = [
            f"{stage} {seconds:g} s (now {getattr(limits, f'{stage}_s'):g})"
            for stage, seconds in wanted.items()
        ]
        result(f"Limits that leave room on this machine: {', '.join(rows)}.")
        result()


def _example(item: Outcome) -> tuple[str, ...]:
    return (
        item.path,
        item.expect.replace("_", " "),
        item.got.replace("_", " ") if item.as_expected else f"{item.got.replace('_', ' ')} ✗",
        *(f"{seconds:.1f} s" if seconds else "" for seconds in (item.build_s, item.check_s, item.measure_s)),
        ", ".join(report.format_time(ns * 1e-9) for ns in item.times_ns),
    )  # fmt: skip


def _conclusion(checked: Checked) -> None:
    assert checked.problem is not None
    name = clean(checked.problem.name)
    refusals = sum(finding.level is Level.REFUSED for finding in checked.findings)
    if refusals:
        reasons = "1 reason" if refusals == 1 else f"{refusals} reasons"
        _line(f"{name} must not be published: {reasons} above.", "bold red")
        return
    if not checked.devices:
        _line(f"{name} may be published, unaudited.", "bold yellow")
    elif checked.untested:
        _line(f"{name} is fit to be published, as far as it was tried.", "bold yellow")
    else:
        _line(f"{name} is fit to be published.", "bold green")
    result(_extent(checked))


def _extent(checked: Checked) -> str:
    """What the checking reached, and what it did not."""
    assert checked.problem is not None
    problem, devices = checked.problem, checked.devices
    if not devices:
        return "Nothing of it was tried."
    text = f"Checked on {' and '.join(ledger.DEVICES[name] for name in devices)}"
    if problem.task is not None:  # it has one list of cases, for whatever it runs on
        return f"{text} but for {checked.untested}." if checked.untested else f"{text}."
    if "cuda" not in devices:
        native = [name for name in problem.languages if name in ("cuda", "hip")]
        also = f", and no submission in {' or '.join(native)}" if native else ""
        return (
            f"{text} only: none of its cases for GPUs was tried{also}. "
            "`--device cuda` does that on a machine with one."
        )
    if "cpu" not in devices:
        return f"{text} only: none of its cases for processors was tried."
    return f"{text}."


def _line(text: str, style: str, rest: str = "") -> None:
    """A line of its own, in colour where somebody sees it."""
    if not sys.stdout.isatty():
        result(f"{text}  {rest}".rstrip())
        return
    from rich.console import Console
    from rich.text import Text

    line = Text(text, style=style)
    if rest:
        line.append(f"  {rest}", style="dim")
    Console(highlight=False, emoji=False).print(line)


def size(count: int) -> str:
    """``12.6 MiB``."""
    value, unit = float(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            break
        value /= 1024
    return f"{value:.3g} {unit}" if value < 1000 else f"{value:.0f} {unit}"


def documents(checked: Sequence[Checked]) -> dict[str, Any]:
    """Everything as one JSON document."""
    return {
        "fit": all(item.fit for item in checked),
        "items": [_document(item) for item in checked],
    }


def _document(item: Checked) -> dict[str, Any]:
    limits = findings.suggestions(item.outcomes)
    return {
        "folder": str(item.folder),
        "problem": item.problem.name if item.problem else None,
        "digest": item.problem.digest if item.problem else None,
        "fit": item.fit,
        "checked_on": item.devices,
        "errors": item.errors.detail["flaws"] if item.errors else [],
        "findings": to_json(item.findings),
        "audit": to_json(item.audit) if item.audit else None,
        "noise_floor": to_json(item.audit.noise) if item.audit and item.audit.noise else None,
        "margin_tolerances": item.audit.margin if item.audit else None,
        "submissions": to_json(item.outcomes),
        "speed_of_light_s": {
            "models": item.light.models,
            "benchmarks": item.light.seconds,
            "reference": item.light.reference,
        },
        "suggested_limits_s": limits,
    }
