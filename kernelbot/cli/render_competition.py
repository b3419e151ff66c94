"""Competitions, as lines and tables for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kernelbot import report
from kernelbot.cli.render import frozen, moment
from kernelbot.cli.screen import clean, result, table

Document = Mapping[str, Any]


def competitions(items: Sequence[Document]) -> None:
    table(
        ("Competition", "Title", "Who sees it", "Opens", "Closes", "Leaderboards"),
        [
            (
                item["name"],
                item["title"],
                _who(item),
                moment(item["definition"]["opens"]),
                moment(item["definition"]["closes"]),
                ", ".join(board["name"] for board in item["definition"]["leaderboards"]),
            )
            for item in items
        ],
    )


def _who(item: Document) -> str:
    visibility = str(item["definition"]["visibility"])
    return f"{visibility} (you are in)" if item["joined"] else visibility


def competition(found: Document) -> None:
    about = found["definition"]
    host = f", by {clean(about['host'])}" if about["host"] else ""
    result(f"{clean(found['title'])} ({clean(found['name'])}){host}")
    if about["rules"]:
        result()
        result(clean(about["rules"], lines=True))
    result()
    result(f"Licence of submissions: {clean(about['licence'])}")
    if found["source"]:
        at = f" at {clean(found['pinned'])}" if found["pinned"] else ""
        result(f"Defined in: {clean(found['source'])}{at}")
    for prize in about.get("prizes", ()):
        where = prize["leaderboard"] or "the competition"
        result(f"Prize: {clean(prize['prize'])}, place {prize['place']} of {clean(where)}")
    for step in about.get("verification", ()):
        result(f"Before a prize is given: {clean(step)}")
    table(
        ("Leaderboard", "Phase", "GPUs", "Opens", "Closes", "Frozen from", "Code opens"),
        [_leaderboard(board) for board in about["leaderboards"]],
    )


def _leaderboard(board: Document) -> tuple[object, ...]:
    freeze = board.get("freeze") or {}
    return (
        board["name"],
        board.get("phase", ""),
        ", ".join(board["gpus"]),
        moment(board["opens"]),
        moment(board["closes"]),
        moment(freeze.get("begins")),
        moment(board.get("code_opens")) or "never",
    )


def standings(page: Document) -> None:
    phase = f", {clean(page['phase'])}" if page["phase"] else ""
    result(f"{clean(page['competition'])}{phase}: {page['total']} ranked")
    if not page["items"]:
        result("Nobody yet.")
        return
    events = [event for event in page["events"] if event["counts"]]
    mine = page["mine"]
    rows = [_total(item, mine) for item in page["items"]]
    if mine is not None and all(item["position"] != mine["position"] for item in page["items"]):
        rows.append(_total(mine, mine))
    several = len({event["leaderboard"] for event in events}) < len(events)
    table(("Rank", "Who", "Score", *(_title(event, several) for event in events)), rows)
    for event in page["events"]:
        if not event["counts"]:
            result(f"{_title(event, True)} counts for nobody: its speed of light is not known.")
    if any(part.get("earlier_version") for item in page["items"] for part in item["parts"]):
        result(report.EARLIER_NOTE)
    frozen(page)


def _title(event: Document, gpu: bool) -> str:
    name = clean(event["leaderboard"])
    return f"{name} {clean(event['gpu'])}" if gpu else name


def _total(item: Document, mine: Document | None) -> tuple[object, ...]:
    me = mine is not None and item["position"] == mine["position"]
    return (
        f"{item['rank']}{' =' if item['tied'] else ''}",
        f"{item['user_name']} (you)" if me else item["user_name"],
        f"{item['score']:.6g}",
        *(_part(part) for part in item["parts"]),
    )


def _part(part: Document) -> str:
    share = f"{100 * part['share']:.3g} %"
    if part["seconds"] is None:
        return share if part["share"] else "-"
    sign = report.EARLIER_SIGN if part.get("earlier_version") else ""
    return f"{share} ({report.ordinal(part['rank'])}{sign}, {report.format_time(part['seconds'])})"


def invites(items: Sequence[Document]) -> None:
    table(
        ("Id", "Begins with", "Joined", "Expires"),
        [
            (
                item["id"],
                item["hint"],
                f"{item['joined']} of {item['most'] or 'any number'}",
                "revoked" if item["revoked_at"] else moment(item["expires_at"]) or "never",
            )
            for item in items
        ],
    )


def plan(found: Any) -> None:
    """``found``: services.publish.Plan."""
    if not found.changes:
        result("Nothing changes.")
        return
    table(
        ("", "What", "How"),
        [(change.kind.value, change.what, change.detail) for change in found.changes],
    )
