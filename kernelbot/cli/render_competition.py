"""Competitions, as lines and tables for a person."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from kernelbot import report
from kernelbot.cli.render import frozen, moment
from kernelbot.cli.screen import clean, result, table
from kernelbot.domain.competition_scoring import Missing, Rule, Share

Document = Mapping[str, Any]


def competitions(items: Sequence[Document]) -> None:
    table(
        ("Competition", "Title", "Who sees it", "Opens", "Closes", "Leaderboards"),
        [
            (
                item["name"],
                item["title"],
                _who(item),
                _bound(item["definition"], "opens", min),
                _bound(item["definition"], "closes", max),
                ", ".join(board["name"] for board in item["definition"]["leaderboards"]),
            )
            for item in items
        ],
    )


def _bound(about: Document, key: str, first: Callable[[Sequence[datetime]], datetime]) -> str:
    """When it opens or closes: as it says, or the earliest or latest of its leaderboards."""
    stamps = [about[key]] if about[key] else [board[key] for board in about["leaderboards"]]
    if not stamps or None in stamps:  # one of them has always been open, or stays so
        return ""
    return moment(first([datetime.fromisoformat(stamp) for stamp in stamps]).isoformat())


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
    for line in _how(about):
        result(clean(line))
    if found["source"]:
        at = f" at {clean(found['pinned'])}" if found["pinned"] else ""
        result(f"Defined in: {clean(found['source'])}{at}")
    for prize in about.get("prizes", ()):
        where = prize["leaderboard"] or "the competition"
        said = f". {clean(prize['note'])}" if prize.get("note") else ""
        result(f"Prize: {clean(prize['prize'])}, place {prize['place']} of {clean(where)}{said}")
    for step in about.get("verification", ()):
        result(f"Before a prize is given: {clean(step)}")
    worth = _worth(about.get("scoring"))
    table(
        (
            *("Leaderboard", *([worth.title()] if worth else []), "Phase", "GPUs", "Opens"),
            *("Closes", "Frozen from", "until", "Code opens"),
        ),
        [_leaderboard(board, worth) for board in about["leaderboards"]],
    )


def _worth(scoring: Document | None) -> str:
    """What is said of a problem about how much it counts; nothing where nothing is counted."""
    if scoring is None:
        return ""
    return "points" if scoring["rule"] == Rule.POINTS else "weight"


RULES = {
    Rule.POINTS: "the points of each problem times a share, summed",
    Rule.WEIGHTED_SUM: "the weight of each problem times a share, summed",
    Rule.GEOMETRIC_MEAN: "the weighted geometric mean of a share of each problem",
}
SHARES = {
    Share.SPEED_OF_LIGHT: "how close the time is to the speed of light",
    Share.BEST: "how close the time is to the best one",
    Share.BASELINE: "how many times as fast as the baseline",
}


def _how(about: Document) -> Iterator[str]:
    """How it is decided who wins, and who may take part."""
    if scoring := about.get("scoring"):
        places = ", ".join(f"{100 * share:.3g} %" for share in scoring["places"])
        share = SHARES.get(scoring["share"], f"by place ({places})")
        yield f"Score: {RULES.get(scoring['rule'], scoring['rule'])}. The share: {share}."
        if scoring["count"]:
            yield f"The best {scoring['count']} problems of each person count."
        if scoring["missing"] == Missing.BASELINE:
            yield "Who has nothing better on a problem has what its baseline has."
    limits = [
        f"{about[key]} {what}"
        for key, what in (("ranked_per_hour", "ranked"), ("other_per_hour", "other"))
        if about.get(key)
    ]
    if limits:
        yield f"Submissions an hour and leaderboard: {', '.join(limits)}"
    if allowed := about.get("gpu_seconds_per_day"):
        words = (
            f"{seconds:,.0f} on {'each other GPU' if gpu == '*' and len(allowed) > 1 else 'each GPU' if gpu == '*' else gpu}"
            for gpu, seconds in allowed.items()
        )
        yield f"GPU-seconds a day: {', '.join(words)}"
    if registration := about.get("registration"):
        opens, closes = (moment(registration[key]) for key in ("opens", "closes"))
        window = " ".join(f"{word} {at}" for word, at in (("from", opens), ("until", closes)) if at)
        yield f"Registration: {window or 'at any time'}. {registration['eligibility']}".rstrip()
    if about.get("team_size", 1) > 1:
        yield f"Teams: up to {about['team_size']} people"
    for phase in about.get("phases", ()):
        if phase["advance"]:
            yield f"After {phase['title'] or phase['name']} the first {phase['advance']} go on."


def _leaderboard(board: Document, worth: str) -> tuple[object, ...]:
    freeze = board.get("freeze") or {}
    return (
        board["name"],
        *([f"{board[worth]:.6g}"] if worth else []),
        board.get("phase", ""),
        ", ".join(board["gpus"]),
        moment(board["opens"]),
        moment(board["closes"]),
        moment(freeze.get("begins")),
        moment(freeze.get("ends")),
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
