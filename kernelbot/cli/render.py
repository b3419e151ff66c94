"""What the API says, as lines and tables for a person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

from kernelbot import report
from kernelbot.cli.screen import clean, note, result, table
from kernelbot.domain import lasting
from kernelbot.domain.submission import Outcome
from kernelbot.judge.protocol import Mode, Spent, Verdict, to_json

Document = Mapping[str, Any]

LIST_SHOWN = 120
"""Characters of a list in a line of the audit log."""


def submission(document: Document, *, whole_log: bool = False) -> None:
    """A submission with its runs; each run ends with whether it is ranked."""
    about = f"{clean(document['leaderboard'])}, {document['mode']}, {clean(document['file_name'])}"
    result(f"Submission {document['id']}: {about}")
    for item in document["runs"]:
        run(item, whole_log=whole_log or item["mode"] == "profile")
    if any(item["artefacts"] for item in document["runs"]):
        names = ", ".join(clean(name) for item in document["runs"] for name in item["artefacts"])
        result(f"Files: {names}. Save them with: kernelbot artefacts {document['id']} --output .")
    for item in document["runs"]:
        expired(item["artefacts_expired"])


def run(document: Document, *, whole_log: bool = False) -> None:
    result()
    result(f"{clean(document['gpu'])}: {clean(document['headline'])}")
    cases(document["cases"])
    if document["rule"]:
        result(f"  Rule: {clean(document['rule'])}")
        result(f"  Evidence: {clean(document['evidence'])}")
    log(document["log"], whole=whole_log)
    judged(document["device"], document["harness"])
    if document["spent"] and document["device"]:
        ranked = document["mode"] == Mode.RANKED
        spent(document["spent"], document["device"]["kind"], at_most=ranked)
    if decided := document["decision"]:
        result(f"  {clean(report.decision_text(decided['outcome'], decided['reason']))}")
    result(f"  {clean(document['ranking'])}")


def cases(rows: Sequence[Document]) -> None:
    """The table of cases: what was computed, and how it went."""
    if rows:
        table(
            ("Stage", "Case", "Result"),
            [(row["stage"], row["spec"], case_text(row)) for row in rows],
        )
    told = [(row["spec"], row["measurement"]["warnings"]) for row in rows if row["measurement"]]
    for line in report.timing_notes(told):
        result(f"  Note on {clean(line)}")


def judged(device: Document | None, harness: Document | None) -> None:
    """What judged, behind which fence, and what its times rest on; nothing of what was never begun."""
    if device and harness and harness["isolation"] != "not-run":
        on = clean(device["name"] or device["kind"])
        evidence = clean(report.evidence_text(harness["evidence"]))
        result(f"  Judged on {on}, isolation: {clean(harness['isolation'])}, evidence: {evidence}")


def spent(document: Document, kind: str, *, at_most: bool) -> None:
    known = Spent(**{item.name: document.get(item.name, 0.0) for item in fields(Spent)})
    if text := report.spent_text(known, kind, at_most=at_most):
        result(f"  Spent: {text}.")


def case_text(case: Document) -> str:
    measured = case["measurement"]
    if measured is not None:
        time = report.format_time_error(
            measured["ns"] * 1e-9, measured["stderr_ns"] / measured["ns"]
        )
        return time + report.light_text(case.get("light"), " ({} of light)")
    return "right" if case["ok"] else str(case["message"] or "wrong")


def log(text: str, *, whole: bool) -> None:
    if not text.strip():
        return
    shown = text.rstrip() if whole else report.log_excerpt(text)
    for line in clean(shown, lines=True).splitlines():
        result(f"  | {line}")


def artefacts(items: Sequence[Document]) -> None:
    table(
        ("File", "Size", "Kind", "Saved as"),
        [
            (item["name"], _size(item["bytes"]), item["media_type"], item.get("path", ""))
            for item in items
        ],
    )


def expired(items: Sequence[Document]) -> None:
    for item in items:
        result(f"{clean(item['name'])} has expired on {moment(item['at'])}.")


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


def submissions(items: Sequence[Document]) -> None:
    table(
        ("Id", "Leaderboard", "Mode", "File", "Sent", "GPU", "Result"),
        [
            (
                item["id"],
                item["leaderboard"],
                item["mode"],
                item["file_name"],
                moment(item["created_at"]),
                run_document["gpu"],
                short_headline(_in_a_line(run_document)),
            )
            for item in items
            for run_document in item["runs"]
        ],
    )


def _in_a_line(document: Document) -> str:
    decided = document.get("decision") or {}
    off = "Off the leaderboard. " if decided.get("outcome") == Outcome.VOIDED else ""
    return off + str(document["headline"])


def short_headline(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"


def leaderboards(items: Sequence[Document]) -> None:
    table(
        ("Leaderboard", "Problem", "GPUs", "People", "Closes"),
        [
            (
                item["name"],
                item["title"] + (" (self-evaluated)" if item.get("self_evaluated") else ""),
                ", ".join(item["gpus"]),
                _people(item),
                window(item),
            )
            for item in items
        ],
    )


def _people(board: Document) -> str:
    again = board.get("measured_again")
    return f"{board['people']} ({again} being measured again)" if again else str(board["people"])


def window(board: Document) -> str:
    if board["is_open"]:
        return moment(board["closes_at"]) if board["closes_at"] else "open"
    closed = board["closes_at"] is not None and _passed(board["closes_at"])
    return "closed" if closed else f"opens {moment(board['opens_at'])}"


def _passed(stamp: str) -> bool:
    at = datetime.fromisoformat(stamp)
    return at <= datetime.now(at.tzinfo)


def standings(page: Document) -> None:
    result(f"{clean(page['leaderboard'])} on {clean(page['gpu'])}: {page['total']} ranked")
    if not page["items"]:
        result("Nobody yet.")
        return
    mine = page["mine"]
    best = page.get("light_seconds")
    rows = [_standing(item, mine, best) for item in page["items"]]
    if mine is not None and all(item["position"] != mine["position"] for item in page["items"]):
        rows.append(_standing(mine, mine, best))
    table(("Rank", "Who", "Time", "Submission", "When"), rows)
    if any(item["tied"] for item in page["items"]):
        result("= : closer than their joint error, so they share the rank; the earlier is first.")
    if any(item.get("earlier_version") for item in page["items"]):
        result(report.EARLIER_NOTE)
    if any(item.get("unconfirmed") for item in page["items"]):
        result(report.UNCONFIRMED_NOTE)
    if any(item.get("device_timed") for item in page["items"]):
        result(report.DEVICE_TIMED_NOTE)
    if page.get("self_evaluated"):
        result("Self-evaluated: measured by the problem's own program, beside each submission.")
    if best:
        result(report.light_note(best))
    frozen(page)


def frozen(page: Document) -> None:
    """That a page of standings leaves something out, or would for everybody else."""
    if page.get("frozen_until"):
        until = f"Frozen until {moment(page['frozen_until'])}"
        if page.get("seen_through"):
            result(f"{until}, but not for you who organize: do not show this to others.")
        else:
            result(f"{until}: what others reach is shown then.")


def _standing(item: Document, mine: Document | None, best: float | None) -> tuple[object, ...]:
    me = mine is not None and item["position"] == mine["position"]
    earlier = item.get("earlier_version")
    return (
        f"{item['rank']}{' =' if item['tied'] else ''}{f' {report.EARLIER_SIGN}' if earlier else ''}"
        f"{f' {report.UNCONFIRMED_SIGN}' if item.get('unconfirmed') else ''}"
        f"{f' {report.DEVICE_TIMED_SIGN}' if item.get('device_timed') else ''}",
        f"{item['user_name']} (you)" if me else item["user_name"],
        report.score_text(item["seconds"], item["error"], None if earlier else best),
        item["submission_id"],
        moment(item["submitted_at"]),
    )


def problems(items: Sequence[Document]) -> None:
    table(
        ("Problem", "Title", "Summary", "Leaderboards"),
        [
            (item["name"], item["title"], item["summary"], ", ".join(item["leaderboards"]))
            for item in items
        ],
    )


def problem(document: Document) -> None:
    result(f"{clean(document['title'])} ({clean(document['name'])})")
    result()
    result(clean(document["statement"].strip(), lines=True))
    result()
    result(f"Tests:       {clean('; '.join(document['tests']))}")
    result(f"Benchmarks:  {clean('; '.join(document['benchmarks']))}")
    if document["packages"]:
        result(f"Packages:    torch, triton, {clean(', '.join(document['packages']))}")
    result(f"Starters:    {clean(', '.join(document['starters']))}")
    result(f"Leaderboards: {clean(', '.join(document['leaderboards']))}")
    speed_of_light(document["speed_of_light"])


def speed_of_light(items: Sequence[Document]) -> None:
    """How fast each benchmark can be at best, a column for each GPU."""
    if not items:
        return
    found = {(item["case"], item["gpu"]): item for item in items}
    gpus = list(dict.fromkeys(item["gpu"] for item in items))
    result()
    result("Speed of light (set by memory; *: by arithmetic, ~: by the links between GPUs):")
    table(
        ("Benchmark", *gpus),
        [
            (case, *(_light(found.get((case, gpu))) for gpu in gpus))
            for case in dict.fromkeys(item["case"] for item in items)
        ],
    )


def _light(item: Document | None) -> str:
    if item is None:
        return ""
    mark = {"memory": "", "compute": " *", "link": " ~"}.get(item["limiter"], "")
    return report.format_time(item["seconds"]) + mark


def queues(items: Sequence[Document]) -> None:
    table(
        ("GPU", "Waiting", "Running", "At once", "Longest wait", "Submissions"),
        [
            (
                item["gpu"],
                item["queued"],
                item["running"],
                item["slots"] or "no worker connected",
                "" if item["oldest_s"] is None else report.duration_text(item["oldest_s"]),
                _taken(item["paused"]),
            )
            for item in items
        ],
    )


def _taken(pause: Document | None) -> str:
    if pause is None:
        return "taken"
    waits = "; what waits is held" if pause["holds"] else ""
    return f"paused{waits}: {pause['reason']}"


SOON = timedelta(days=14)


def expiry(found: Document) -> None:
    """When the token that was used ends, and what to do about it when that is soon."""
    stamp = found.get("token_expires_at")
    if stamp is None:
        return
    result(f"This token works until {moment(stamp)}.")
    at = datetime.fromisoformat(stamp)
    if at - datetime.now(at.tzinfo) < SOON:
        note(
            "That is soon: `kernelbot tokens list` tells its id, `kernelbot tokens renew ID` renews it."
        )


def tokens(items: Sequence[Document]) -> None:
    table(
        ("Id", "Name", "Begins with", "Scopes", "Expires", "Last used"),
        [
            (
                item["id"],
                item["name"],
                item["hint"],
                ", ".join(item["scopes"]),
                "revoked" if item["revoked_at"] else moment(item["expires_at"]) or "never",
                moment(item["last_used_at"]) or "never",
            )
            for item in items
        ],
    )


def moment(stamp: str | None) -> str:
    """A point in time as the clock on this machine's wall shows it; empty for none."""
    if stamp is None:
        return ""
    return datetime.fromisoformat(stamp).astimezone().strftime("%Y-%m-%d %H:%M")


def until(stamp: str) -> str:
    """As ``moment``, or that there is no end."""
    endless = lasting.is_endless(datetime.fromisoformat(stamp))
    return "for ever" if endless else f"until {moment(stamp)}"


def verdict(found: Verdict, bounds: Sequence[float | None] = ()) -> None:
    """What the local judge decided; ``bounds`` are the speed of light of each benchmark, in seconds."""
    words = report.HEADLINES[found.kind]
    result(f"{words}: {clean(found.message)}" if found.message else words)
    cases([{**to_json(case), "light": report.case_light(case, bounds)} for case in found.cases])
    if found.rule:
        result(f"  Rule: {clean(found.rule)}")
        result(f"  Evidence: {clean(found.evidence)}")
    log(found.log, whole=True)
    if found.fault:
        result(f"  The judge itself failed: {clean(found.fault, lines=True)}")
    judged(to_json(found.device), to_json(found.harness))
    spent(to_json(found.spent), found.device.kind, at_most=False)
    if found.self_evaluated:
        result("  Self-evaluated: this is what the problem's own program says.")


def me(found: Document, allowances: Sequence[Document], url: str, origin: str) -> None:
    result(f"{clean(found['name'])} ({found['role']}) at {clean(url)}, by {clean(origin)}")
    result(f"This token may: {clean(', '.join(found['scopes']))}")
    expiry(found)
    if found["banned_until"]:
        result(f"You may not submit {until(found['banned_until'])}: {clean(found['ban_reason'])}")
    limited = [
        item for item in allowances if (item["ranked_limit"], item["other_limit"]) != (None, None)
    ]
    if limited:
        table(
            ("Leaderboard", "Ranked left this hour", "Other left"),
            [
                (
                    item["leaderboard"],
                    left(item["ranked_left"], item["ranked_limit"]),
                    left(item["other_left"], item["other_limit"]),
                )
                for item in limited
            ],
        )
    # One balance is for all leaderboards of a competition: told once, with the first of them.
    balances = {
        (item["gpu"], item["limit_s"], item["used_s"], item["reserved_s"]): (board, item)
        for board in reversed(allowances)
        for item in board.get("gpu_seconds", ())
    }
    if balances:
        table(
            ("GPU-seconds of a day", "GPU", "Left", "Of", "Kept for runs under way", "More at"),
            [
                (
                    board["leaderboard"],
                    item["gpu"],
                    f"{item['left_s']:,.0f}",
                    f"{item['limit_s']:,.0f}",
                    f"{item['reserved_s']:,.0f}",
                    moment(item["more_at"]) if item["more_at"] else "",
                )
                for board, item in reversed(balances.values())
            ],
        )


def left(count: int | None, limit: int | None) -> str:
    return "no limit" if limit is None else f"{count} of {limit}"


def quarantine(items: Sequence[Document]) -> None:
    """Each run with what speaks against it, line by line: evidence is a sentence, not a cell."""
    if not items:
        result("Nothing waits for a decision.")
    for item in items:
        result(
            f"Run {item['run_id']} of submission {item['submission_id']}: {clean(item['user_name'])} "
            f"on {item['leaderboard']} ({item['gpu']}, {item['mode']}), {moment(item['finished_at'])}"
        )
        result(f"  {clean(item['rule'])}: {clean(item['evidence'])}")
        for case in item["cases"]:
            if case["measurement"] is not None:
                time = report.format_time(case["measurement"]["ns"] * 1e-9)
                result(
                    f"  {clean(case['spec'])}: {time} by the {case['measurement']['clock']} clock"
                )
        for hint in item["hints"]:
            result(f"  line {hint['line']}: {clean(hint['rule'])}: {clean(hint['text'])}")


def rejudges(items: Sequence[Document]) -> None:
    """Each entry with what counted before, what the new run says and what is to be done."""
    if not items:
        result("Nothing was judged again.")
    for item in items:
        again = item["rejudge_id"]
        what = f"Submission {item['submission_id']}" + (f", again as {again}" if again else "")
        asked = ", asked for before" if item["under_way"] else ""
        result(
            f"{what}: {clean(item['user_name'])} on {clean(item['leaderboard'])} "
            f"({clean(item['gpu'])}): {item['state']}{asked}"
        )
        for label, score in (("counted", item["counted"]), ("again", item["score"])):
            if score is not None:
                time = report.format_time_error(score["seconds"], score["error"])
                runs = "1 run" if score["runs"] == 1 else f"{score['runs']} runs"
                result(f"  {label}: {time} ({runs})")
        if item["apart"] is not None:
            result(f"  {abs(item['apart']):.1f} joint standard errors apart")
        if item["same_worker"] is not None:
            worker = "the same worker as before" if item["same_worker"] else "another worker"
            before = ", ".join(clean(name) for name in item["earlier_devices"])
            result(
                f"  by {worker}, on {clean(item['device']) or 'no device yet'}; before: {before}"
            )
        result(f"  {clean(item['text'])}")


def audit(items: Sequence[Document]) -> None:
    table(
        ("When", "Who", "What", "On", "Detail"),
        [
            (
                moment(item["at"]),
                item["actor"] or "the system",
                item["action"],
                item["target"],
                _detail(item["detail"]),
            )
            for item in items
        ],
    )


def _detail(detail: Mapping[str, Any]) -> str:
    """What is written down of an act; of long lists their beginning, since ``--json`` has all of it."""
    told = {key: _worded(value) for key, value in detail.items()}
    return ", ".join(f"{key}: {words}" for key, words in told.items() if words)


def _worded(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Iterable) and not isinstance(value, str):
        text = ", ".join(map(str, value))
        return text if len(text) <= LIST_SHOWN else f"{text[:LIST_SHOWN]}…"
    return "" if value is None else str(value)
