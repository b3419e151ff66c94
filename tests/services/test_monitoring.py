"""What the alert rules and the dashboard ask for is exported, and can be read as PromQL."""

from __future__ import annotations

import dataclasses
import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from kernelbot.api import door
from kernelbot.api.routes import runner
from kernelbot.app import App
from kernelbot.config import Settings
from kernelbot.judge.protocol import VerdictKind
from kernelbot.services import health, run_metrics
from kernelbot.storage import fleet
from tests.factories import claim_one, judge_one, make_actor, make_verdict, ranked, submitted
from tests.services.machines import machine
from tests.services.test_canaries import GPU, app, grown, later, one, timed
from tests.services.test_confirmations import measured_by

__all__ = ["app"]

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "operations"
TOKEN = re.compile(
    r"""
    \s+ | (?P<word>[A-Za-z_:][\w:]*) | (?P<number>\d+(\.\d+)?) | (?P<text>"(\\.|[^"\\])*")
    | (?P<range>\[\d+[smhd]\]) | (?P<open>[({]) | (?P<close>[)}])
    | (?P<sign>==|!=|=~|!~|>=|<=|[-+*/%^<>=,])
    """,
    re.X,
)
FUNCTIONS = {
    "abs", "avg", "histogram_quantile", "max", "min", "rate", "scalar", "sum", "label_values",
}  # fmt: skip
WORDS = {"and", "bool", "by", "ignoring", "on", "or", "unless", "without"}
OTHERS = {"up"}
"""Of Prometheus itself."""
SUFFIXES = ("_bucket", "_count", "_sum", "_total", "_created")


def unread(expression: str) -> str:
    """What of an expression is no PromQL that we know; empty: nothing."""
    at, opened, before = 0, [], ""
    while at < len(expression):
        found = TOKEN.match(expression, at)
        if found is None:
            return f"{expression[at : at + 10]!r} at {at}"
        at = found.end()
        if found["open"]:
            opened.append({"(": ")", "{": "}"}[found["open"]])
        if found["close"] and (not opened or opened.pop() != found["close"]):
            return f"{found['close']} at {at}"
        if found["number"] and before == "operand":
            return f"two values in a row at {at}"
        if found.group().strip():
            before = "operand" if found["number"] or found["close"] or found["range"] else ""
    return f"no {opened[-1]}" if opened else ""


def names(expression: str) -> set[str]:
    """The metrics that an expression names: what is no function, no keyword, no label."""
    bare = re.sub(r"\{[^}]*\}", "", expression)
    bare = re.sub(r"\b(by|on|without|ignoring)\s*\([^)]*\)", r"\1", bare)
    bare = re.sub(r'"[^"]*"|\[[^\]]*\]', "", bare)
    bare = re.sub(r"label_values\((\w+),[^)]*\)", r"\1", bare)
    words = set(re.findall(r"[A-Za-z_:][\w:]*", bare))
    return words - FUNCTIONS - WORDS


def rules() -> list[dict[str, Any]]:
    document = yaml.safe_load((FOLDER / "alerts.yaml").read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def asked() -> Iterator[tuple[str, str]]:
    for rule in rules():
        yield rule["alert"], rule["expr"]
    dashboard = json.loads((FOLDER / "dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["query"]


async def exported(app: App) -> dict[str, Any]:
    content = (await health.metrics(app) + door.metrics()).decode()
    return {family.name: family for family in text_string_to_metric_families(content)}


def family_of(name: str, families: dict[str, Any]) -> bool:
    bases = [name, *(name.removesuffix(suffix) for suffix in SUFFIXES)]
    return any(base in families for base in bases)


async def test_every_metric_that_rules_and_dashboard_name_is_exported(app: App) -> None:
    families = await exported(app)
    missing = {
        (where, name)
        for where, expression in asked()
        for name in names(expression) - OTHERS
        if not family_of(name, families)
    }
    assert missing == set()


async def test_every_metric_of_ours_is_in_the_table_of_the_docs(app: App) -> None:
    page = (FOLDER.parent / "operations.md").read_text()
    known = set(re.findall(r"`(kernelbot_\w+)`", page))
    families = {name for name in await exported(app) if name.startswith("kernelbot_")}
    assert {name for name in families if not {name, f"{name}_total"} & known} == set()


@pytest.mark.parametrize(("where", "expression"), list(asked()))
def test_every_expression_can_be_read(where: str, expression: str) -> None:
    assert unread(expression) == "", where


@pytest.mark.parametrize(
    "wrong", ["sum(rate(x[5m])", "x{gpu=~'a'}", "x > 1 2", "max by (gpu)) x", "x @ y"]
)
def test_what_is_no_expression_is_found(wrong: str) -> None:
    assert unread(wrong)


def test_every_rule_says_how_bad_it_is_and_what_it_is_about() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in ("page", "warn"), rule["alert"]
        assert rule["annotations"]["summary"], rule["alert"]
    assert len({rule["alert"] for rule in rules()}) == len(rules())


def test_slow_signs_of_life_are_told_before_agents_give_them_up() -> None:
    (rule,) = [rule for rule in rules() if rule["alert"] == "KernelBotSignsOfLifeAreSlow"]
    (route,) = re.findall(r'route="([^"]*)"', rule["expr"])
    assert route in {getattr(item, "path", "") for item in runner.router.routes}
    assert float(rule["expr"].rpartition(">")[2]) < Settings().lease_s / 3


def test_no_two_panels_of_the_dashboard_share_a_place_or_a_number() -> None:
    panels = json.loads((FOLDER / "dashboard.json").read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len(places)


async def test_the_metrics_say_how_devices_and_machines_are(app: App) -> None:
    await ranked(app, await make_actor(app), 1e6)
    await measured_by(app, await machine(app), await make_actor(app, "bob"), 0.5e6)
    await grown(app)
    await one(app, timed(stream_s=1.2e-4))
    await one(app, timed(stream_s=1.2e-4))
    await later(app, 1.0)

    found = await exported(app)

    def value(name: str, **labels: str) -> float:
        values = [
            sample.value
            for sample in found[name].samples
            if labels.items() <= sample.labels.items()
        ]
        assert len(values) == 1, (name, labels, found[name].samples)
        return float(values[0])

    assert value("kernelbot_device_quarantined", device=GPU.id, runner="box") == 1
    assert value("kernelbot_device_canary_good", device=GPU.id) == 0
    assert value("kernelbot_device_canary_ratio", device=GPU.id, part="stream") == pytest.approx(
        1.2, rel=0.01
    )
    assert value("kernelbot_device_sm_mhz", device=GPU.id, gpu="H200") == 1980
    assert value("kernelbot_runner_silent_seconds", runner="donor") < 60
    assert value("kernelbot_unconfirmed_places", gpu="CPU", state="waiting") == 1
    assert value("kernelbot_hour_gpu_hours", gpu="CPU") >= 0
    assert value("kernelbot_outbox_waiting", topic="notice") == 1


async def test_the_metrics_say_how_long_runs_waited_and_why_they_were_tried_again(app: App) -> None:
    ada = await make_actor(app)
    await submitted(app, ada)
    await judge_one(app, make_verdict())
    await submitted(app, ada)
    await claim_one(app)
    async with app.database.transaction() as connection:
        await connection.execute(text("UPDATE pgqueuer SET heartbeat = now() - interval '1 hour'"))
    failed = make_verdict(VerdictKind.JUDGE_FAILED)
    for _ in range(app.settings.attempts - 1):
        await judge_one(app, dataclasses.replace(failed, fault="Modal gave no outcome: away"))
        async with app.database.transaction() as connection:
            await connection.execute(text("UPDATE pgqueuer SET execute_after = now()"))

    content = (await health.metrics(app)).decode()

    def told(name: str) -> float:
        (line,) = [line for line in content.splitlines() if line.startswith(name)]
        return float(line.rpartition(" ")[2])

    assert told('kernelbot_hour_queue_wait_seconds_bucket{gpu="CPU",le="+Inf"}') == 1
    assert told('kernelbot_hour_queue_wait_seconds_count{gpu="CPU"}') == 1
    assert told('kernelbot_hour_start_seconds_bucket{gpu="CPU",le="28800.0"}') <= 1
    assert told('kernelbot_hour_redeliveries{gpu="CPU",reason="worker_gone"}') == 1
    again = app.settings.attempts - 2
    assert told('kernelbot_hour_redeliveries{gpu="CPU",reason="fault"}') == again
    assert told('kernelbot_hour_failures{gpu="CPU",reason="modal"}') == 1


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("problem vectoradd: its reference raised", "problem"),
        ("attempt 4 of 3: earlier ones ended their worker", "worker_gone"),
        ("could not be started: OSError(28)", "not_started"),
        ("Modal gave 'NVIDIA H200', where devices matching 'H100' count", "wrong_device"),
        ("the app on Modal has another version of the judge: deploy it", "stale_judge"),
        ("runner donor: sent what is no verdict", "not_believed"),
        ("H100 at modal: its stream takes 130 µs", "canary"),
        ("the judge did not end within 900 s", "no_end"),
        ("exit code 1", "judge"),
    ],
)
def test_a_fault_of_ours_is_of_one_of_a_few_kinds(fault: str, expected: str) -> None:
    assert run_metrics.reason(fault) == expected


async def test_a_queue_that_waits_beside_a_free_slot_is_told_and_a_busy_one_is_not(
    app: App,
) -> None:
    await submitted(app, await make_actor(app))
    box = await machine(app)
    await box.beat()

    async def stalled() -> float:
        samples = (await exported(app))["kernelbot_stalled_queue"].samples
        (found,) = [item.value for item in samples if item.labels["gpu"] == "CPU"]
        return float(found)

    assert await stalled() == 0
    async with app.database.transaction() as connection:
        await connection.execute(
            text(
                "UPDATE pgqueuer SET created = created - interval '1 hour', "
                "execute_after = execute_after - interval '1 hour'"
            )
        )
    assert await stalled() == 1
    async with app.database.transaction() as connection:
        await connection.execute(text("UPDATE workers SET slots = '{\"CPU\": 0}'"))
    assert await stalled() == 0


async def test_a_long_run_that_the_reserve_holds_back_is_no_stalled_queue(app: App) -> None:
    async with app.database.transaction() as connection:
        await fleet.register(connection, uuid.uuid4(), "h", {"CPU": 8}, {}, "")
    await submitted(app, await make_actor(app), mode="test")
    await judge_one(app)
    for nth in range(8):
        await submitted(app, await make_actor(app, f"p{nth}"), mode="ranked")
    for _ in range(7):
        await claim_one(app)
    async with app.database.transaction() as connection:
        for query in (
            "UPDATE runs SET judged_at = finished_at - interval '3 s' WHERE status = 'done'",
            "INSERT INTO durations (leaderboard_id, gpu, mode, mean_s, deviation_s, runs) "
            "SELECT id, 'CPU', 'ranked', 120, 10, 50 FROM leaderboards "
            "WHERE name = 'vectoradd'",
            "UPDATE pgqueuer SET created = created - interval '5 min', "
            "execute_after = execute_after - interval '5 min'",
        ):
            await connection.execute(text(query))
    app.cache.clear()

    (sample,) = [
        item
        for item in (await exported(app))["kernelbot_stalled_queue"].samples
        if item.labels["gpu"] == "CPU"
    ]
    assert sample.value == 0
