"""Reading, signing in, administering; and what must never reach a terminal."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import json
import os
import re
import stat
import zipfile
from pathlib import Path

import pytest
from sqlalchemy import text

from kernelbot.app import App
from kernelbot.cli import archive, render, screen
from kernelbot.cli.failure import Declined
from kernelbot.cli.profile import Stored, clean_url
from kernelbot.cli.server import ServerEvent, parse_events
from kernelbot.domain.competition_scoring import CompetitionScoring
from kernelbot.judge.protocol import VerdictKind
from kernelbot.services import identity, logins, publish, submit
from tests.api.conftest import token_of
from tests.api.serving import Listening
from tests.cli.conftest import CommandLine
from tests.conftest import ADMIN_TOKEN
from tests.factories import (
    CODE,
    judge_one,
    make_actor,
    make_draft,
    make_verdict,
    ranked,
    submitted,
)
from tests.services.contest import board, catalog_of, contest, posed_anew, published

EVIL = "\x1b[31m[bold red]x[/bold red]\u202e\x07\x9b2J"


def administrator(plain: CommandLine, server: Listening) -> CommandLine:
    """The command line of somebody who is signed in as one."""
    signed_in = {"KERNELBOT_URL": server.url, "KERNELBOT_TOKEN": ADMIN_TOKEN}
    return CommandLine(plain.home, plain.environment | signed_in)


async def test_standings_are_a_table_and_a_document(app: App, kernelbot: CommandLine) -> None:
    for place, name in enumerate(("first", "second")):
        await ranked(app, await make_actor(app, name), ns=1e6 * (1 + place))

    table = await kernelbot("leaderboard", "VectorAdd", "--gpu", "cpu")
    document = (await kernelbot("leaderboard", "vectoradd", "-g", "CPU", "--json")).document
    boards = await kernelbot("leaderboard")

    assert re.search(r"1 +first +1\.000 ms", table.out), table.out
    assert [item["user_name"] for item in document["items"]] == ["first", "second"]
    assert "histogram" in boards.out


async def test_a_place_of_an_earlier_version_is_marked_until_it_is_measured_again(
    app: App, kernelbot: CommandLine, shelf: Path
) -> None:
    scored = contest(board(points=100), scoring=CompetitionScoring())
    await published(app, shelf, scored)
    await ranked(app, await make_actor(app, "ada"), ns=1e6)
    await publish.apply(app, posed_anew(catalog_of(app, shelf, scored)), publish.Source())

    table = await kernelbot("leaderboard", "vectoradd")
    document = (await kernelbot("leaderboard", "vectoradd", "--json")).document
    totals = await kernelbot("competition", "standings", "getting-started")

    note = "* : place and time on the version of the problem before, until it is measured again."
    assert re.search(r"1 \* +ada +1\.000 ms", table.out), table.out
    assert note in table.out
    assert document["items"][0]["earlier_version"] is True
    assert re.search(r"1 +ada +100 +100 % \(1st\*, 1\.00 ms\)", totals.out), totals.out
    assert note in totals.out


async def test_the_owner_of_voided_code_reads_so_in_the_list_and_why_with_the_submission(
    app: App, kernelbot: CommandLine
) -> None:
    file = kernelbot.write("k.py")
    sent = await kernelbot(
        "submit", file, "-l", "vectoradd", "-g", "CPU", "--mode", "ranked", "--no-wait"
    )
    await judge_one(app)
    await kernelbot(
        "admin", "void", sent.out.strip(), "--reason", "It copied.", KERNELBOT_TOKEN=ADMIN_TOKEN
    )

    listed = await kernelbot("submissions")
    shown = await kernelbot("show", sent.out.strip())

    assert re.search(r"CPU +Off the leaderboard\. Passed: 1\.000 ms", listed.out)
    assert "An organizer has taken this code off the leaderboard: It copied." in shown.out


async def test_own_submissions_are_listed_shown_and_cancelled(
    app: App, kernelbot: CommandLine
) -> None:
    file = kernelbot.write("k.py", "# µ\r\nimport torch\n")
    sent = (
        await kernelbot("submit", file, "-l", "vectoradd", "-g", "CPU", "--no-wait")
    ).out.strip()

    listed = await kernelbot("submissions", "--leaderboard", "vectoradd")
    shown = await kernelbot("show", sent)
    code = await kernelbot("show", sent, "--code")
    cancelled = await kernelbot("cancel", sent)
    again = await kernelbot("cancel", sent)
    watched = await kernelbot("watch", sent)

    assert re.search(rf"{sent} +vectoradd +test +k\.py", listed.out)
    assert "Not decided yet." in shown.out
    assert code.out == "# µ\r\nimport torch\n"
    assert cancelled.out == f"Submission {sent} is cancelled.\n"
    assert again.code == 1
    assert "already" in again.err
    assert watched.code == 16


async def test_a_problem_is_shown_with_the_packages_that_may_be_relied_on(
    app: App, kernelbot: CommandLine
) -> None:
    without = await kernelbot("problems", "matmul")
    async with app.database.transaction() as connection:
        await connection.execute(
            text("""UPDATE problems SET document = jsonb_set(document, '{packages}', '["cutlass"]')
                    WHERE name = 'vectoradd'""")
        )
    shown = await kernelbot("problems", "vectoradd")
    told = await kernelbot("problems", "vectoradd", "--json")

    assert "Packages:" not in without.out
    assert re.search(r"Packages: +torch, triton, cutlass\n", shown.out)
    assert told.document["packages"] == ["cutlass"]


async def test_a_problem_is_shown_and_downloaded_once(kernelbot: CommandLine) -> None:
    shown = await kernelbot("problems", "vectoradd")
    listed = await kernelbot("problems", "--json")
    first = await kernelbot("problems", "vectoradd", "--download", "here")
    second = await kernelbot("problems", "vectoradd", "--download", "here")

    assert "custom_kernel" in shown.out
    assert {"vectoradd", "matmul"} <= {item["name"] for item in listed.document["items"]}
    assert "here/vectoradd/reference.py" in first.out
    assert (kernelbot.home / "here/vectoradd/task.py").is_file()
    assert second.code == 1
    assert "there already" in second.err


async def test_login_keeps_a_confirmed_token_for_its_owner_alone(
    app: App, server: Listening, plain: CommandLine
) -> None:
    token = await token_of(app, "ada")
    config = plain.home / ".config/kernelbot/config.toml"

    wrong = await plain("login", "--url", server.url, "--token", "kb_wrong")
    assert not config.exists()
    signed_in = await plain("login", "--url", server.url, "--token", token)
    me = await plain("me")
    mode = stat.S_IMODE(config.stat().st_mode)
    forgotten = await plain("logout")
    after = await plain("me")

    assert (wrong.code, "not known" in wrong.err) == (1, True)
    told, until = signed_in.out.splitlines()
    assert told == f"Signed in to {server.url} as ada."
    assert until.startswith("This token works until ")
    assert "ada (member)" in me.out
    assert mode == 0o600
    assert forgotten.code == 0
    assert after.code == 1
    assert token not in config.read_text()
    assert token not in signed_in.out + signed_in.err + me.out


async def test_login_by_discord_waits_until_its_code_was_typed_there(
    app: App, server: Listening, plain: CommandLine
) -> None:
    running = asyncio.create_task(plain("login", "--url", server.url, "--discord"))
    code = await _shown_code(app)
    ada = await identity.person(app, "discord", "1", "ada", "discord")
    await logins.approve(app, ada, code)

    signed_in = await running

    assert f"/link code:{code}" in signed_in.err
    assert f"Signed in to {server.url} as ada." in signed_in.out


async def _shown_code(app: App) -> str:
    async with asyncio.timeout(120):
        while True:
            async with app.database.read() as connection:
                found = (await connection.execute(text("SELECT code FROM logins"))).scalar()
            if found:
                return str(found)
            await asyncio.sleep(0.1)


async def test_a_stored_token_is_sent_to_its_own_server_only(
    app: App, server: Listening, plain: CommandLine
) -> None:
    await plain("login", "--url", server.url, "--token", await token_of(app, "ada"))

    other = await plain("me", "--url", server.url.replace("127.0.0.1", "localhost"))

    assert other.code == 1
    assert "needs a token" in other.err


async def test_on_the_machine_of_the_server_the_administrators_token_is_found(
    server: Listening, plain: CommandLine
) -> None:
    (plain.home / "data").mkdir()
    (plain.home / "data/admin-token").write_text(ADMIN_TOKEN + "\n")

    outcome = await plain("me", "--json", "--url", server.url)

    assert outcome.document["role"] == "admin"


async def test_tokens_are_made_listed_renewed_and_revoked(kernelbot: CommandLine) -> None:
    made = await kernelbot("tokens", "create", "laptop", "--scope", "read", "--days", "3")
    secret = made.out.strip()
    me = await kernelbot("me", "--json", KERNELBOT_TOKEN=secret)
    listed = (await kernelbot("tokens", "list", "--json")).document["items"]
    (laptop,) = [item for item in listed if item["name"] == "laptop"]
    soon = await kernelbot("me", KERNELBOT_TOKEN=secret)
    renewed = await kernelbot("tokens", "renew", str(laptop["id"]), "--days", "30")
    later = await kernelbot("me", KERNELBOT_TOKEN=secret)
    revoked = await kernelbot("tokens", "revoke", str(laptop["id"]))
    after = await kernelbot("me", KERNELBOT_TOKEN=secret)

    assert me.document["scopes"] == ["read"]
    assert re.search(r"\(laptop, read, until \d{4}-", made.err)
    assert "This token works until" in soon.out
    assert "tokens renew ID" in soon.err
    assert renewed.out.startswith(f"Token {laptop['id']} works until ")
    assert "tokens renew ID" not in later.err
    assert revoked.code == 0
    assert after.code == 1
    assert "was revoked" in after.err
    assert "KERNELBOT_TOKEN" in after.err


async def test_an_administrator_decides_about_times_that_contradict_each_other(
    app: App, server: Listening, plain: CommandLine
) -> None:
    root = administrator(plain, server)
    runs = []
    for name in ("ada", "bob"):
        await submitted(app, await make_actor(app, name))
        found = make_verdict(VerdictKind.QUARANTINED)
        found = dataclasses.replace(found, rule="clocks disagree", evidence="2 us \x1b[31mor 90")
        runs.append(await judge_one(app, found))

    listed = await root("admin", "quarantine")
    assert f"Run {runs[0].run_id} of submission" in listed.out
    assert "clocks disagree: 2 us" in listed.out
    assert "\x1b" not in listed.out
    first, second = (str(run.run_id) for run in runs)
    released = await root("admin", "release", first, "--reason", "A noisy machine.")
    refused = await root("admin", "refuse", second, "--reason", "It replaced the timer.")
    again = await root("admin", "refuse", second, "--reason", "Again.")
    assert (released.code, refused.code, again.code) == (0, 0, 1)
    assert "does not wait for a decision" in again.err
    assert (await root("admin", "quarantine", "--json")).document["items"] == []
    counts, does_not = [await root("show", str(run.submission_id)) for run in runs]
    assert "an organizer lets it count: A noisy machine." in counts.out
    assert "Disqualified: It replaced the timer." in does_not.out
    assert "an organizer does not let it count." in does_not.out


async def test_an_administrator_has_the_first_rows_judged_again(
    app: App, server: Listening, plain: CommandLine
) -> None:
    root = administrator(plain, server)
    for place, name in enumerate(("ada \x1b[31m", "bob")):
        await ranked(app, await make_actor(app, name), ns=1e6 * (1 + place))
    top = ("admin", "rejudge", "--leaderboard", "vectoradd", "--top", "1")

    planned = await root(*top, "--dry-run")
    nothing = await root("admin", "rejudged")
    queued = await root(*top)
    twice = await root("admin", "rejudge", "1", "2", "--gpu", "cpu")
    await judge_one(app, make_verdict(ns=1.001e6))
    held = await judge_one(app, make_verdict(VerdictKind.WRONG_ANSWER, message="case 3"))
    told = await root("admin", "rejudged", "--leaderboard", "vectoradd")
    one = (await root("admin", "rejudged", "--submission", "2", "--json")).document["items"]
    neither = await root("admin", "rejudge")

    assert "Submission 1: ada" in planned.out
    assert "bob" not in planned.out
    assert "\x1b" not in planned.out + told.out
    assert nothing.out == "Nothing was judged again.\n"
    assert "Submission 1, again as 3: ada" in queued.out
    assert "queued, asked for before" in twice.out
    assert "Submission 2, again as 4: bob" in twice.out
    assert "Agrees with what counted, and is pooled with it." in told.out
    assert "Failed. The earlier runs passed; this one: wrong answer: case 3" in told.out
    assert f"Refuse run {held.run_id}, and void submission 2 if the entry is to go" in told.out
    assert [item["state"] for item in one] == ["failed"]
    assert (neither.code, "one of the two" in neither.err) == (1, True)


async def test_an_administrator_knows_people_and_what_they_may_use(
    app: App, server: Listening, plain: CommandLine, shelf: Path
) -> None:
    root = administrator(plain, server)
    limits = {"ranked_per_hour": 9, "other_per_hour": 99}
    await published(app, shelf, contest(gpu_seconds_per_day={"CPU": 20.0}, **limits))
    ada = await make_actor(app, "ada" + EVIL)
    sent = await submitted(app, ada)
    await judge_one(app, make_verdict(VerdictKind.CRASHED))
    number = f"#{ada.user_id}"

    granted = await root(
        "admin", "allowance", "grant", number, "getting-started", "cpu", "30", "--reason", "A paper"
    )
    shown = await root("admin", "allowance", "show", number)
    whole = await root("admin", "allowance", "show", number, "--competition", "getting-started")
    ended = await root("admin", "allowance", "end", "1")
    again = await root("admin", "rerun", str(sent.id), "--reason", "Our disk.")
    known = await root("admin", "person", number)
    by_name = await root("admin", "role", "admin", "admin")
    made = await root("admin", "role", number, "admin")
    twice = await root("admin", "role", number, "admin")
    oneself = await root("admin", "role", "admin", "member")

    outcomes = [granted, shown, ended, again, known, made, twice]
    assert [item.code for item in outcomes] == [0] * 7, outcomes
    assert "\x1b" not in "".join(item.out for item in outcomes)
    assert re.search(r"CPU, GPU-seconds in 24 h +\d+ +50 ", shown.out), shown.out
    assert "vectoradd, ranked in an hour" in shown.out
    assert "vectoradd, other in an hour" not in shown.out
    assert "vectoradd, other in an hour" in whole.out
    assert "Grant 1: 30 s more in 24 h in getting-started on CPU" in shown.out
    assert f"Submission {sent.id} runs once more, as {sent.id + 1}." in again.out
    assert "submissions: 2 ranked; waiting or running: 1" in known.out
    assert "is now an administrator." in made.out
    assert by_name.code == 1
    assert "local: admin (admin)" in by_name.err
    assert "A name alone makes nobody an administrator: use '#1', or --yes." in by_name.err
    assert "already was an administrator." in twice.out
    assert (oneself.code, "--yes" in oneself.err) == (1, True)


async def test_an_administrator_moderates(app: App, server: Listening, plain: CommandLine) -> None:
    root = administrator(plain, server)
    made = await root("admin", "user", "grace")
    sent = await plain(
        "submit", root.write("k.py"), "-l", "vectoradd", "-g", "CPU", "--mode", "ranked",
        "--no-wait", "--url", server.url, "--token", made.out.strip(),
    )  # fmt: skip
    await judge_one(app)
    number = sent.out.strip()

    outcomes = [
        await root("admin", "void", number, "--reason", "Cached inputs."),
        await root("admin", "restore", number, "--reason", "Appeal."),
        await root("admin", "ban", "grace", "--reason", "Spam.", "--days", "1", "--void"),
        await root("admin", "unban", "grace"),
    ]
    audit = await root("admin", "audit")
    ban = next(
        item
        for item in (await root("admin", "audit", "--json")).document["items"]
        if item["action"] == "user.ban"
    )
    newest = await root("admin", "audit", "--target", ban["target"], "--limit", "1")
    (cursor,) = re.findall(r"--cursor (\d+)", newest.err)
    older = await root(
        "admin", "audit", "--target", ban["target"], "--limit", "1", "--cursor", cursor
    )
    denied = await plain("admin", "audit", "--url", server.url, "--token", made.out.strip())
    unsaid = await root("admin", "ban", "grace", "--reason", "")

    assert unsaid.err.startswith("kernelbot: body.reason: String should have at least 1 character")
    assert [outcome.code for outcome in outcomes] == [0, 0, 0, 0], outcomes
    assert re.search(r"user\.ban +user:\d+ +.*reason: Spam\.", audit.out), audit.out
    assert "user.unban" in newest.out
    assert "user.ban" in older.out
    assert "submission" not in newest.out + older.out
    assert denied.code == 1


async def test_a_ban_without_an_end_names_no_year(
    app: App, server: Listening, plain: CommandLine
) -> None:
    root = administrator(plain, server)
    made = await root("admin", "user", "grace")
    await root("admin", "ban", "grace", "--reason", "Spam.")

    own = await plain("me", "--url", server.url, "--token", made.out.strip())
    known = await root("admin", "person", "grace")

    assert "You may not submit for ever: Spam." in own.out
    assert "  banned for ever: Spam." in known.out
    assert render.until("2026-05-09T12:00:00+00:00").startswith("until 2026-05-")


async def test_the_queue_is_told_and_what_everybody_should_know_of_the_machines(
    kernelbot: CommandLine,
) -> None:
    sent = await kernelbot(
        "submit", kernelbot.write("k.py"), "-l", "vectoradd", "-g", "CPU", "--no-wait"
    )

    outcome = await kernelbot("queue")

    for err in (sent.err, outcome.err):
        assert re.search(r"Note: CPU.*: no machine that judges for .* is connected\.", err), err
    assert re.search(r"CPU +1 +0 +no worker connected .*taken", outcome.out), outcome.out


async def test_an_administrator_pauses_and_resumes(plain: CommandLine, server: Listening) -> None:
    signed_in = {"KERNELBOT_URL": server.url, "KERNELBOT_TOKEN": ADMIN_TOKEN}
    root = CommandLine(plain.home, plain.environment | signed_in)

    told = await root("admin", "intake", "pause", "Too warm.", "--gpu", "CPU", "--hold")
    listed = await root("admin", "intake", "list")
    queue = await root("queue")
    back = await root("admin", "intake", "resume", "--gpu", "CPU")

    assert told.out == "CPU takes no submissions; what waits is held.\n", told.err
    assert re.search(r"CPU +is held .*Too warm\.", listed.out), listed.out
    assert "paused; what waits is held: Too warm." in queue.out
    assert back.out == "CPU takes submissions again.\n"


async def test_the_schema_is_checked(app: App, plain: CommandLine, database_url: str) -> None:
    good = await plain("db", "check", DATABASE_URL=database_url)
    again = await plain("db", "upgrade", DATABASE_URL=database_url)
    without = await plain("db", "check")
    async with app.database.transaction() as connection:
        await connection.exec_driver_sql("ALTER TABLE cards DROP COLUMN shown")
    bad = await plain("db", "check", DATABASE_URL=database_url)

    assert (good.code, again.code) == (0, 0), good.err + again.err
    assert without.code == 1
    assert "DATABASE_URL" in without.err
    assert bad.code == 1
    assert "kernelbot db upgrade" in bad.err


async def test_what_people_wrote_cannot_command_the_terminal(
    app: App, kernelbot: CommandLine
) -> None:
    actor = await make_actor(app, "ada")
    token = await token_of(app, "evil")
    view = await submit.accept(app, actor, make_draft())
    await judge_one(app, make_verdict(message=EVIL))
    administrator = {"KERNELBOT_TOKEN": ADMIN_TOKEN}

    shown = await kernelbot("show", str(view.id), **administrator)
    listed = await kernelbot("tokens", "create", EVIL.replace("\x9b", ""), KERNELBOT_TOKEN=token)

    for outcome in (shown, listed):
        words = outcome.out + outcome.err
        assert not set(words) & {"\x1b", "\x07", "\x9b", "\u202e"}, words


def test_text_is_shown_as_it_is() -> None:
    assert screen.clean(EVIL) == ("\\x1b[31m[bold red]x[/bold red]\\u202e\\x07\\x9b2J")
    assert screen.clean("µ 🚀 é\tb\n", lines=True) == "µ 🚀 é\tb\n"
    assert screen.clean("a\r\nb") == "a\\x0d\\x0ab"


def test_a_table_in_a_pipe_is_aligned_and_whole(capsys: pytest.CaptureFixture[str]) -> None:
    screen.table(("Who", "Time"), [("x" * 200, "1 µs"), ("[bold]y\x1b[0m", 2)])

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Who" + " " * 199 + "Time"
    assert lines[1] == "x" * 200 + "  1 µs"
    assert lines[2].startswith("[bold]y\\x1b[0m ")


def test_a_log_keeps_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    render.log("\n".join(f"line {n}" for n in range(500)), whole=False)
    short = capsys.readouterr().out
    render.log("\n".join(f"line {n}" for n in range(500)), whole=True)
    whole = capsys.readouterr().out

    assert "line 499" in short
    assert "line 3\n" not in short
    assert "line 3\n" in whole


def test_events_are_read_as_the_standard_says() -> None:
    lines = [
        ": ping", "", "event: case", "id: 7", 'data: {"a":', "data: 1}", "",
        "data: not json", "", "data: [1]", "", 'data:{"b": 2}', "", "event: lost", 'data: {"c": 3}',
    ]  # fmt: skip

    assert list(parse_events(iter(lines))) == [
        ServerEvent("case", "7", {"a": 1}),
        ServerEvent("message", "", {"b": 2}),
    ]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
        (" https://example.org/bot/ ", "https://example.org/bot"),
        ("https://example.org?x=1#y", "https://example.org"),
    ],
)
def test_an_address_is_kept_without_what_it_does_not_need(given: str, kept: str) -> None:
    assert clean_url(given) == kept


@pytest.mark.parametrize(
    "url", ["", "example.org", "ftp://x", "http://", "http://me:pw@example.org", "file:///etc"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(Declined, match="not the address of a server"):
        clean_url(url)


def test_a_newer_token_replaces_the_older_and_others_stay() -> None:
    stored = Stored().with_token("http://a", "1").with_token("http://b", "2")

    changed = stored.with_token("http://a", "3")

    assert (changed.token("http://a"), changed.token("http://b")) == ("3", "2")
    assert changed.url == "http://a"
    assert changed.without("http://a").token("http://a") is None


def zipped(*names: str, link: bool = False) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name in names:
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFLNK if link else stat.S_IFREG) << 16
            file.writestr(info, CODE)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no zip",
        zipped("good.py", "../evil.py"),
        zipped("/etc/evil.py"),
        zipped("a\\..\\evil.py"),
        zipped("a\x1b[31m.py"),
        zipped("link.py", link=True),
        zipped(*(f"{n}.py" for n in range(400))),
    ],
    ids=["empty", "not zip", "climbing", "absolute", "backslash", "escape", "link", "many"],
)
def test_a_hostile_archive_writes_nothing(tmp_path: Path, content: bytes) -> None:
    target = tmp_path / "target"

    with pytest.raises(Declined):
        archive.unpack(content, target)

    assert os.listdir(tmp_path) == []


async def test_a_broken_configuration_is_named(plain: CommandLine) -> None:
    config = plain.home / ".config/kernelbot/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text("url = \n")

    outcome = await plain("me")

    assert outcome.code == 1
    assert str(config) in outcome.err


async def test_the_version_is_said(plain: CommandLine) -> None:
    assert json.loads((await plain("version", "--json")).out) == {"version": "0.1.0"}
