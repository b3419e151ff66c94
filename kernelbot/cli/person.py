"""``kernelbot admin person|role|rerun|allowance``: who somebody is, and what they may do."""

from __future__ import annotations

import re
import sys
from enum import StrEnum
from typing import Annotated, Any

import typer

from kernelbot.cli.failure import Declined
from kernelbot.cli.options import AsJson, Token, Url, connect, segment
from kernelbot.cli.screen import clean, document, note, result, table

allowance_app = typer.Typer(
    help="What somebody has used and may use, and more of it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
EXACT = re.compile(r"#[0-9]+|discord:[0-9]+|<@!?[0-9]+>", re.ASCII)
"""What stands for one person and no other, as a name does not."""
UserName = Annotated[
    str,
    typer.Argument(metavar="NAME", help="A name, '#' and an id, or discord: and an account's id."),
]
Reason = Annotated[str, typer.Option("--reason", help="Kept in the audit log.")]


class RoleWord(StrEnum):
    ADMIN = "admin"
    MEMBER = "member"


def person(name: UserName, as_json: AsJson = False, url: Url = None, token: Token = None) -> None:
    """Who somebody is and what they did."""
    from kernelbot.cli.render import moment, until

    with connect(url, token) as server:
        found = server.get(f"/v1/admin/users/{segment(name)}")
    if as_json:
        document(found)
        return
    result(
        f"{clean(found['name'])} (#{found['user_id']}), {found['role']}, here since {moment(found['created_at'])}"
    )
    if found["banned_until"] is not None:
        result(f"  banned {until(found['banned_until'])}: {clean(found['ban_reason'])}")
    for item in found["identities"]:
        result(f"  {clean(item['provider'])}: {clean(item['name'])} ({clean(item['subject'])})")
    sent = ", ".join(f"{count} {mode}" for mode, count in sorted(found["submissions"].items()))
    result(f"  submissions: {sent or 'none'}; waiting or running: {found['open_runs']}")
    result(
        f"  places: {found['places']}; entries off the boards: {found['void']}; "
        f"tokens in use: {found['live_tokens']}"
    )
    table(
        ("Submission", "Leaderboard", "Mode", "Came to", "Sent"),
        [
            (
                str(item["id"]),
                clean(item["leaderboard"]),
                item["mode"],
                ", ".join(item["verdicts"]) or item["status"],
                moment(item["created_at"]),
            )
            for item in found["latest"]
        ],
    )


def role(
    name: UserName,
    role: Annotated[RoleWord, typer.Argument(metavar="admin|member", help="What they are to be.")],
    yes: Annotated[
        bool,
        typer.Option("--yes", help="Ask nothing, also where that takes your own rights away."),
    ] = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Make somebody an administrator, or a member again."""
    with connect(url, token) as server:
        if role is RoleWord.ADMIN and not yes and not EXACT.fullmatch(name):
            name = _meant(server.get(f"/v1/admin/users/{segment(name)}"))
        body = {"role": role.value, "sure": yes}
        made = server.post(f"/v1/admin/users/{segment(name)}/role", body, repeat=True)
    state = "is now" if made["changed"] else "already was"
    kind = "an administrator" if made["role"] == "admin" else "a member"
    result(f"{clean(made['name'])} (#{made['user_id']}) {state} {kind}.")


def _meant(found: dict[str, Any]) -> str:
    """Who a name stands for, once somebody has looked at their accounts: names anybody can take."""
    number = f"#{found['user_id']}"
    note(f"{clean(found['name'])} ({number}), known by:")
    for item in found["identities"]:
        note(f"  {clean(item['provider'])}: {clean(item['name'])} ({clean(item['subject'])})")
    if not sys.stdin.isatty():
        raise Declined(f"A name alone makes nobody an administrator: use '{number}', or --yes.")
    typer.confirm("Make them an administrator?", abort=True, err=True)
    return number


def rerun(
    submission_id: Annotated[int, typer.Argument(min=1, max=2**63 - 1, metavar="ID")],
    reason: Reason,
    url: Url = None,
    token: Token = None,
) -> None:
    """Run a submission once more for its owner, at no cost to them: after a failure of ours, say."""
    with connect(url, token) as server:
        path = f"/v1/admin/submissions/{submission_id}/rerun"
        made = server.post(path, {"reason": reason}, repeat=True)
    already = " already" if made["repeated"] else ""
    result(f"Submission {submission_id} runs once more{already}, as {made['id']}.")


@allowance_app.command()
def show(
    name: UserName,
    competition: Annotated[
        str | None, typer.Option("--competition", "-c", help="Only in this one.")
    ] = None,
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """What somebody has used and may use; of hourly limits all of one competition, else those used."""
    from kernelbot.cli.render import moment

    with connect(url, token) as server:
        path = f"/v1/admin/users/{segment(name)}/allowance"
        found = server.get(path, competition=competition)
    if as_json:
        document(found)
        return
    table(
        ("Competition", "Of", "Used", "Allowed", "Waiting"),
        [
            row
            for item in found["competitions"]
            for row in _uses(item, unused=competition is not None)
        ],
    )
    if competition is None:
        note("Where nothing was used within the hour: --competition NAME.")
    for item in found["grants"]:
        result(
            f"Grant {item['id']}: {item['gpu_s']:,.0f} s more in 24 h in {clean(item['competition'])} on "
            f"{clean(item['gpu'])}, until {moment(item['ends_at'])}: {clean(item['reason'])}"
        )


def _uses(item: dict[str, Any], *, unused: bool) -> list[tuple[str, ...]]:
    name = clean(item["competition"])
    rows: list[tuple[str, ...]] = [
        (
            name,
            f"{clean(one['gpu'])}, GPU-seconds in 24 h",
            f"{one['used_s']:,.0f}",
            f"{one['limit_s']:,.0f}",
            f"{one['reserved_s']:,.0f}",
        )
        for one in item["gpu_seconds"]
    ]
    for one in item["hourly"]:
        for kind in ("ranked", "other"):
            if not one[f"{kind}_used"] and not unused:
                continue
            limit = one[f"{kind}_limit"]
            rows.append(
                (
                    name,
                    f"{clean(one['leaderboard'])}, {kind} in an hour",
                    str(one[f"{kind}_used"]),
                    "no limit" if limit is None else str(limit),
                    "",
                )
            )
    return rows


@allowance_app.command()
def grant(
    name: UserName,
    competition: Annotated[str, typer.Argument(metavar="COMPETITION")],
    gpu: Annotated[str, typer.Argument(metavar="GPU")],
    seconds: Annotated[float, typer.Argument(min=1, max=10_000_000, metavar="GPU-SECONDS")],
    reason: Reason,
    days: Annotated[int, typer.Option(min=1, max=3650, help="How long it holds.")] = 1,
    url: Url = None,
    token: Token = None,
) -> None:
    """Let somebody use so many more GPU-seconds within 24 hours."""
    from kernelbot.cli.render import moment

    body = {
        "competition": competition,
        "gpu": gpu,
        "gpu_seconds": seconds,
        "days": days,
        "reason": reason,
    }
    with connect(url, token) as server:
        made = server.post(f"/v1/admin/users/{segment(name)}/grants", body)
    result(f"Grant {made['id']} holds until {moment(made['ends_at'])}.")


@allowance_app.command()
def end(
    grant_id: Annotated[int, typer.Argument(min=1, max=2**63 - 1, metavar="GRANT")],
    url: Url = None,
    token: Token = None,
) -> None:
    """End a grant before its time."""
    with connect(url, token) as server:
        server.delete(f"/v1/admin/grants/{grant_id}")
    result(f"Grant {grant_id} has ended.")
