"""``kernelbot``: submit, watch, read and run. Every command's errors end up in ``main``.

Modules that are slow to import are imported by the command that needs them: ``--help`` and a
mistyped option must answer at once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

import kernelbot
from kernelbot.cli import banners
from kernelbot.cli.competition import competition_app
from kernelbot.cli.exits import Exit, of_submission
from kernelbot.cli.failure import CommandFailed, Declined
from kernelbot.cli.fleet import device_app, runners, usage
from kernelbot.cli.intake import intake_app
from kernelbot.cli.options import (
    AsJson,
    Days,
    Device,
    Most,
    Token,
    TokenDays,
    Url,
    collected,
    connect,
    segment,
)
from kernelbot.cli.person import allowance_app, person, rerun, role
from kernelbot.cli.problem import problem_app
from kernelbot.cli.runner import runner_app
from kernelbot.cli.screen import clean, document, note, result
from kernelbot.errors import Fault, Refused

PLAIN: dict[str, Any] = {"no_args_is_help": True, "pretty_exceptions_enable": False}

app = typer.Typer(
    help="Competitions for GPU kernels: submit, watch, read the standings.",
    context_settings={"help_option_names": ["-h", "--help"]},
    **PLAIN,
)
tokens_app = typer.Typer(help="Your API tokens.", **PLAIN)
db_app = typer.Typer(help="The database of this installation.", **PLAIN)
admin_app = typer.Typer(help="Moderation; needs an administrator's token.", **PLAIN)
app.add_typer(tokens_app, name="tokens")
app.add_typer(problem_app, name="problem")
app.add_typer(competition_app, name="competition")
app.add_typer(db_app, name="db")
app.add_typer(admin_app, name="admin")
admin_app.add_typer(runner_app, name="runner")
admin_app.add_typer(device_app, name="device")
admin_app.add_typer(intake_app, name="intake")
admin_app.add_typer(allowance_app, name="allowance")

SubmissionId = Annotated[int, typer.Argument(min=1, max=2**63 - 1, metavar="ID")]
RunId = Annotated[int, typer.Argument(min=1, max=2**63 - 1, metavar="RUN")]
Scopes = Annotated[
    list[str] | None,
    typer.Option("--scope", help="read, submit, tokens or admin; repeat it for several."),
]
Reason = Annotated[
    str,
    typer.Option(
        "--reason", help="Kept in the audit log; of a ban or a decision the person reads it."
    ),
]
After = Annotated[str | None, typer.Option("--cursor", help="Go on after the part before.")]
PageSize = Annotated[int, typer.Option("--limit", min=1, max=100)]


def _mode(word: str) -> str:
    """As the API reads it, so that the field's words for modes are understood here too."""
    from kernelbot.domain.submission import parse_mode
    from kernelbot.errors import InvalidInput

    try:
        return parse_mode(word).value
    except InvalidInput as refused:
        raise typer.BadParameter(refused.message) from None


ModeOption = Annotated[
    str,
    typer.Option(
        "--mode",
        parser=_mode,
        metavar="MODE",
        help="test: is it right; benchmark: and how fast; ranked: it counts; "
        "profile: where the time goes.",
    ),
]
CaseOption = Annotated[
    int | None,
    typer.Option(
        "--case", min=0, max=99_999, help="Of a profile: which benchmark, from 0. Else the slowest."
    ),
]


# --- submitting --------------------------------------------------------------------------------


@app.command()
def submit(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Your kernel.")],
    leaderboard: Annotated[
        str | None,
        typer.Option("--leaderboard", "-l", help="Else what the file's first lines say."),
    ] = None,
    gpu: Annotated[
        list[str] | None, typer.Option("--gpu", "-g", help="GPU kind; repeat it for several.")
    ] = None,
    mode: ModeOption = "test",
    case: CaseOption = None,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Only hand it in; watch it another time.")
    ] = False,
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Submit FILE and watch it until it is judged. The exit code is the verdict's."""
    import uuid

    from kernelbot.cli.local_judge import read_code

    code = read_code(file)
    fields = {"leaderboard": leaderboard, "gpus": gpu, "mode": mode, "case": _word(case)}
    with connect(url, token) as server:
        accepted = server.submit(file, code, fields, key=str(uuid.uuid4()))
        note(f"Submission {accepted['id']} to {clean(accepted['leaderboard'])} is accepted.")
        if accepted.get("note"):
            note(f"Warning: {clean(accepted['note'])}")
        banners.tell(banners.current(server), {run["gpu"] for run in accepted["runs"]})
        if no_wait:
            _tell_accepted(accepted, as_json=as_json)
            return
        _watch(server, accepted, as_json=as_json)


def _word(number: int | None) -> str | None:
    return None if number is None else str(number)


def _tell_accepted(accepted: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        document(accepted)
        return
    for run in accepted["runs"]:
        note(f"{clean(run['gpu'])}: {clean(run['headline'])}")
    note(f"Watch it with: kernelbot watch {accepted['id']}")
    result(str(accepted["id"]))


@app.command()
def watch(
    submission_id: SubmissionId, as_json: AsJson = False, url: Url = None, token: Token = None
) -> None:
    """Follow a submission until it is judged. The exit code is the verdict's."""
    with connect(url, token) as server:
        _watch(server, server.get(f"/v1/submissions/{submission_id}"), as_json=as_json)


def _watch(server: Any, submission: dict[str, Any], *, as_json: bool) -> None:
    from kernelbot.cli import render
    from kernelbot.cli.watch import follow

    try:
        finished = follow(server, submission)
    except (KeyboardInterrupt, CommandFailed) as error:
        note(
            f"Submission {submission['id']} goes on without us. "
            f"Watch it again with: kernelbot watch {submission['id']}"
        )
        if isinstance(error, KeyboardInterrupt):
            raise typer.Exit(Exit.INTERRUPTED) from None
        raise
    if as_json:
        document(finished)
    else:
        render.submission(finished)
    raise typer.Exit(of_submission(finished))


@app.command()
def submissions(
    leaderboard: Annotated[str | None, typer.Option("--leaderboard", "-l")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Your submissions, the newest first."""
    from kernelbot.cli import render

    with connect(url, token) as server:
        items = collected(server, "/v1/submissions", limit, leaderboard=leaderboard)["items"]
    if as_json:
        document({"items": items})
    elif items:
        render.submissions(items)
    else:
        note("None yet. Begin with: kernelbot problems")


@app.command()
def show(
    submission_id: SubmissionId,
    code: Annotated[bool, typer.Option("--code", help="Print the file as it was sent.")] = False,
    log: Annotated[bool, typer.Option("--log", help="Print the whole log.")] = False,
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """One of your submissions: verdicts, cases, times, log. Others' code once it is open."""
    from kernelbot.cli import render

    path = f"/v1/submissions/{submission_id}"
    with connect(url, token) as server:
        if code:
            _print_code(*server.get_licensed(f"{path}/code"))
            return
        found = server.get(path)
    if as_json:
        document(found)
    else:
        render.submission(found, whole_log=log)


def _print_code(code: bytes, licence: str) -> None:
    note(f"Licence: {clean(licence)}")
    # To a file or a pipe byte for byte; on a terminal what it shows must be what is there.
    if sys.stdout.isatty():
        result(clean(code.decode("utf-8", "replace"), lines=True))
    else:
        sys.stdout.buffer.write(code)
        sys.stdout.buffer.flush()


@app.command()
def artefacts(
    submission_id: SubmissionId,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Save them to DIR.")
    ] = None,
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Files that a submission left, a profile's report and trace; saves them when told where."""
    from kernelbot.cli import render

    with connect(url, token) as server:
        found = server.get(f"/v1/submissions/{submission_id}/artefacts")
        items = found["items"]
        if output is not None:
            for item in items:
                item["path"] = str(_saved(server, item, output))
    if as_json:
        document(found)
        return
    if items:
        render.artefacts(items)
    render.expired(found["expired"])
    if not items and not found["expired"]:
        note("It left none. Files come of submissions in mode profile.")


def _saved(server: Any, item: dict[str, Any], folder: Path) -> Path:
    """Stream one file into the folder, under the last part of its name whatever the server says."""
    path = folder / (Path(clean(item["name"])).name.lstrip(".") or "file")
    folder.mkdir(parents=True, exist_ok=True)
    server.save(item["url"], path, item["bytes"])
    return path


@app.command()
def cancel(
    submission_id: SubmissionId, as_json: AsJson = False, url: Url = None, token: Token = None
) -> None:
    """Cancel a submission of yours that waits or runs."""
    with connect(url, token) as server:
        found = server.post(f"/v1/submissions/{submission_id}/cancel", repeat=True)
    if as_json:
        document(found)
    else:
        done = "is cancelled" if found["done"] else "is being cancelled"
        result(f"Submission {submission_id} {done}.")


# --- reading -----------------------------------------------------------------------------------


@app.command()
def leaderboard(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Left out: all leaderboards.")
    ] = None,
    gpu: Annotated[str | None, typer.Option("--gpu", "-g")] = None,
    limit: Most = 50,
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """The standings of a leaderboard, or the list of leaderboards."""
    from kernelbot.cli import render

    with connect(url, token) as server:
        if name is None:
            found = server.get("/v1/leaderboards")
        else:
            path = f"/v1/leaderboards/{segment(name)}/standings"
            found = collected(server, path, limit, gpu=gpu)
    if as_json:
        document(found)
    elif name is None:
        render.leaderboards(found["items"])
    else:
        render.standings(found)


@app.command()
def problems(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Left out: all problems.")
    ] = None,
    download: Annotated[
        Path | None,
        typer.Option("--download", metavar="DIR", help="Write its files to DIR/NAME."),
    ] = None,
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """A problem with its statement, or the list of problems."""
    from kernelbot.cli import render

    if download is not None and name is None:
        raise typer.BadParameter("name the problem to download")
    with connect(url, token) as server:
        if name is None:
            found = server.get("/v1/problems")
        else:
            found = server.get(f"/v1/problems/{segment(name)}")
        if download is not None and name is not None:
            archive = server.get_bytes(f"/v1/problems/{segment(name)}/archive")
    if as_json:
        document(found)
    elif download is not None:
        _unpack(archive, download)
    elif name is None:
        render.problems(found["items"])
    else:
        render.problem(found)


def _unpack(archive: bytes, target: Path) -> None:
    from kernelbot.cli.archive import unpack

    for path in unpack(archive, target):
        result(clean(path))


@app.command()
def join(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The competition.")],
    code: Annotated[str, typer.Argument(metavar="CODE", help="What its organizer gave you.")],
    url: Url = None,
    token: Token = None,
) -> None:
    """Come into a competition with a code."""
    with connect(url, token) as server:
        path = f"/v1/competitions/{segment(name)}/join"
        found = server.post(path, {"code": code}, repeat=True)
    boards = ", ".join(board["name"] for board in found["definition"]["leaderboards"])
    result(f"You are in {clean(found['title'])}. Its leaderboards: {clean(boards)}.")


@app.command()
def queue(as_json: AsJson = False, url: Url = None) -> None:
    """How many runs wait and run for each GPU kind, and what everybody should know of the machines."""
    from kernelbot.cli import render

    with connect(url, None) as server:
        found = {**server.get("/v1/queues"), "notices": banners.current(server)}
    if as_json:
        document(found)
    else:
        render.queues(found["items"])
        banners.tell(found["notices"])


app.command()(runners)


# --- judging here ------------------------------------------------------------------------------


@app.command()
def judge(
    problem_dir: Annotated[
        Path, typer.Argument(metavar="PROBLEM_DIR", help="A folder with a problem.yaml.")
    ],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Your kernel.")],
    mode: ModeOption = "test",
    device: Device = "cpu",
    case: CaseOption = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Where a profile's files are saved."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Judge FILE on this machine exactly as a server's worker would, without a server."""
    from kernelbot.cli import local_judge, render
    from kernelbot.cli.exits import OF_VERDICT
    from kernelbot.judge.protocol import Mode, to_json
    from kernelbot.services.catalog import load_problem

    problem = load_problem(problem_dir)
    verdict = local_judge.judge(problem, file, Mode(mode), device, case, output)
    if as_json:
        document(to_json(verdict))
    else:
        render.verdict(verdict, local_judge.bounds(problem, device, verdict))
    raise typer.Exit(OF_VERDICT[verdict.kind.value])


# --- signing in --------------------------------------------------------------------------------


@app.command()
def login(
    url: Url = None,
    token: Token = None,
    by_discord: Annotated[
        bool, typer.Option("--discord", help="Say who you are in Discord; no token to paste.")
    ] = False,
) -> None:
    """Store a server and a token for it, once the server has confirmed the token."""
    from kernelbot.cli import device_login, profile, render
    from kernelbot.cli.server import Server

    address = profile.resolve(url, None).url
    if by_discord and token is None:
        with Server(profile.Profile(address)) as server:
            token = device_login.token(server)
    secret = token or typer.prompt(f"Token for {clean(address)}", hide_input=True, err=True)
    with Server(
        profile.Profile(address, secret.strip(), "--token" if token else "the prompt")
    ) as server:
        found = server.get("/v1/me")
    profile.write(profile.read().with_token(address, secret.strip()))
    result(f"Signed in to {clean(address)} as {clean(found['name'])}.")
    render.expiry(found)


@app.command()
def logout(url: Url = None) -> None:
    """Forget the stored token. The token itself stays valid: see `kernelbot tokens revoke`."""
    from kernelbot.cli import profile

    address = profile.resolve(url, None).url
    stored = profile.read()
    if stored.token(address) is None:
        raise Declined(f"No token is stored for {clean(address)}.", code="not_stored")
    profile.write(stored.without(address))
    result(f"The token for {clean(address)} is forgotten.")


@app.command()
def me(as_json: AsJson = False, url: Url = None, token: Token = None) -> None:
    """Who you are to the server, and what you may still send this hour."""
    from kernelbot.cli import render

    with connect(url, token) as server:
        found = server.get("/v1/me")
        allowance = server.get("/v1/me/allowance")
        profile = server.profile
    if as_json:
        document({**found, "allowance": allowance["items"]})
    else:
        render.me(found, allowance["items"], profile.url, profile.origin)


@tokens_app.command("list")
def list_tokens(as_json: AsJson = False, url: Url = None, token: Token = None) -> None:
    """Your tokens, without their secrets."""
    from kernelbot.cli import render

    with connect(url, token) as server:
        found = server.get("/v1/me/tokens")
    if as_json:
        document(found)
    else:
        render.tokens(found["items"])


@tokens_app.command("create")
def create_token(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is for.")],
    scope: Scopes = None,
    days: TokenDays = None,
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Make a token and print it, this once."""
    with connect(url, token) as server:
        _print_token(
            server.post("/v1/me/tokens", _token_wish(name=name, scopes=scope, days=days)), as_json
        )


def _token_wish(**wish: Any) -> dict[str, Any]:
    return {key: value for key, value in wish.items() if value}


def _print_token(made: dict[str, Any], as_json: bool) -> None:
    from kernelbot.cli.render import moment

    if as_json:
        document(made)
        return
    scopes = ", ".join(made["scopes"])
    until = moment(made["expires_at"])
    note(f"Token {made['id']} ({clean(made['name'])}, {scopes}, until {until}), shown this once:")
    result(clean(made["secret"]))


@tokens_app.command("renew")
def renew_token(
    token_id: Annotated[int, typer.Argument(min=1, max=2**63 - 1, metavar="ID")],
    days: TokenDays = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """Let a token that still works expire later; its secret stays."""
    from kernelbot.cli.render import moment

    with connect(url, token) as server:
        found = server.post(f"/v1/me/tokens/{token_id}/renew", _token_wish(days=days))
    result(f"Token {token_id} works until {moment(found['expires_at'])}.")


@tokens_app.command("revoke")
def revoke_token(
    token_id: Annotated[int, typer.Argument(min=1, max=2**63 - 1, metavar="ID")],
    url: Url = None,
    token: Token = None,
) -> None:
    """From now on this token signs nobody in."""
    with connect(url, token) as server:
        server.delete(f"/v1/me/tokens/{token_id}")
    result(f"Token {token_id} is revoked.")


# --- running it --------------------------------------------------------------------------------


@app.command(
    context_settings={
        "allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": [],
    }
)  # fmt: skip
def up(ctx: typer.Context) -> None:
    """Run the platform on this machine: database, API, worker, bot. `kernelbot up --help` says more."""
    from kernelbot.cli import up as supervisor

    raise typer.Exit(supervisor.main(ctx.args))


@db_app.command()
def upgrade() -> None:
    """Bring the database's schema to this version. Safe to repeat, and from several machines."""
    from kernelbot.cli import db

    db.upgrade()
    result("The database is up to date.")


@db_app.command()
def check() -> None:
    """Whether the database's schema is that of this version; the exit code says it too."""
    from kernelbot.cli import db

    db.check()
    result("The database is as this version wants it.")


class KindWord(StrEnum):
    PROBLEM = "problem"
    COMPETITION = "competition"


@app.command()
def schema(kind: Annotated[KindWord, typer.Argument(help="Of which file.")]) -> None:
    """The JSON schema of problem.yaml or of a competition's file, for editors."""
    from kernelbot.cli.schema import of

    document(of(kind.value))


@app.command()
def version(as_json: AsJson = False) -> None:
    """Which version this is."""
    if as_json:
        document({"version": kernelbot.__version__})
    else:
        result(f"kernelbot {kernelbot.__version__}")


# --- administration ----------------------------------------------------------------------------

FIRST_TOKEN = "first token"  # noqa: S105  a name
UserName = Annotated[str, typer.Argument(metavar="NAME", help="A name, or '#' and an id.")]


@admin_app.command()
def user(
    name: UserName,
    token_name: Annotated[str, typer.Option("--token-name")] = FIRST_TOKEN,
    scope: Scopes = None,
    days: TokenDays = None,
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Make a person (or find them) and a token for them; print it, this once."""
    wish = _token_wish(name=name, token_name=token_name, scopes=scope, days=days)
    with connect(url, token) as server:
        _print_token(server.post("/v1/admin/users", wish), as_json)


@admin_app.command()
def ban(
    name: UserName,
    reason: Reason,
    days: Days = None,
    void: Annotated[
        bool, typer.Option("--void", help="Take all of theirs out of the standings too.")
    ] = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Let a person submit nothing, for some days or until it is lifted."""
    with connect(url, token) as server:
        body = {"reason": reason, "days": days, "void": void}
        server.post(f"/v1/admin/users/{segment(name)}/ban", body, repeat=True)
    result(f"{clean(name)} may not submit.")


@admin_app.command()
def unban(name: UserName, url: Url = None, token: Token = None) -> None:
    """Let a person submit again."""
    with connect(url, token) as server:
        server.delete(f"/v1/admin/users/{segment(name)}/ban")
    result(f"{clean(name)} may submit again.")


@admin_app.command()
def first(
    submission_id: SubmissionId, reason: Reason, url: Url = None, token: Token = None
) -> None:
    """Have what waits of a submission start before everything else on its GPUs."""
    with connect(url, token) as server:
        path = f"/v1/admin/submissions/{submission_id}/first"
        server.post(path, {"reason": reason}, repeat=True)
    result(f"Submission {submission_id} is next on its GPUs.")


@admin_app.command()
def void(submission_id: SubmissionId, reason: Reason, url: Url = None, token: Token = None) -> None:
    """Take a submission out of the standings."""
    with connect(url, token) as server:
        path = f"/v1/admin/submissions/{submission_id}/void"
        server.post(path, {"reason": reason}, repeat=True)
    result(f"Submission {submission_id} does not count.")


@admin_app.command()
def restore(
    submission_id: SubmissionId, reason: Reason, url: Url = None, token: Token = None
) -> None:
    """Let a voided submission count again."""
    with connect(url, token) as server:
        path = f"/v1/admin/submissions/{submission_id}/restore"
        server.post(path, {"reason": reason}, repeat=True)
    result(f"Submission {submission_id} counts again.")


@admin_app.command()
def quarantine(
    cursor: After = None,
    limit: PageSize = 50,
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Runs whose times contradict each other, with the evidence: release or refuse them."""
    from kernelbot.cli import render

    with connect(url, token) as server:
        found = server.get("/v1/admin/quarantine", cursor=cursor, limit=limit)
    _print_part(found, render.quarantine, as_json)
    if found["items"] and not as_json:
        note("Decide with `kernelbot admin release RUN --reason WHY`, or `refuse`.")


@admin_app.command()
def release(run_id: RunId, reason: Reason, url: Url = None, token: Token = None) -> None:
    """Let a quarantined run pass; it counts as if it always had."""
    with connect(url, token) as server:
        server.post(f"/v1/admin/runs/{run_id}/release", {"reason": reason})
    result(f"Run {run_id} passed.")


@admin_app.command()
def refuse(run_id: RunId, reason: Reason, url: Url = None, token: Token = None) -> None:
    """End a quarantined run as disqualified; its owner reads the reason."""
    with connect(url, token) as server:
        server.post(f"/v1/admin/runs/{run_id}/refuse", {"reason": reason})
    result(f"Run {run_id} is disqualified.")


@admin_app.command()
def rejudge(
    submissions: Annotated[
        list[int] | None,
        typer.Argument(min=1, max=2**63 - 1, metavar="SUBMISSION...", help="Ranked submissions."),
    ] = None,
    leaderboard: Annotated[
        str | None, typer.Option("--leaderboard", "-l", help="Instead: its first rows.")
    ] = None,
    gpu: Annotated[
        str | None, typer.Option("--gpu", "-g", help="GPU kind. Else every one.")
    ] = None,
    top: Annotated[
        int, typer.Option("--top", min=1, max=100, help="How many rows of the leaderboard.")
    ] = 3,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Queue nothing; only show what would be.")
    ] = False,
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Judge ranked entries again as they were sent, before a prize say. `rejudged` tells what came of it."""
    from kernelbot.cli import render

    wish = {"submissions": submissions or [], "leaderboard": leaderboard, "gpu": gpu}
    with connect(url, token) as server:
        # What is under way is not queued twice.
        body = {**wish, "top": top, "dry_run": dry_run}
        found = server.post("/v1/admin/rejudge", body, repeat=True)
    _print_part(found, render.rejudges, as_json)


@admin_app.command()
def rejudged(
    leaderboard: Annotated[str | None, typer.Option("--leaderboard", "-l")] = None,
    submission: Annotated[
        int | None, typer.Option(min=1, max=2**63 - 1, help="Only this entry.")
    ] = None,
    cursor: After = None,
    limit: PageSize = 50,
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """What was judged again and whether it agrees with what counted, the newest first."""
    from kernelbot.cli import render

    about = {"leaderboard": leaderboard, "submission": submission}
    with connect(url, token) as server:
        found = server.get("/v1/admin/rejudge", **about, cursor=cursor, limit=limit)
    _print_part(found, render.rejudges, as_json)


@admin_app.command()
def audit(
    target: Annotated[
        str | None, typer.Option(help="Only about this: user:7, submission:12, token:3.")
    ] = None,
    servers: Annotated[
        bool, typer.Option("--servers", help="Also what people chose for their servers.")
    ] = False,
    cursor: After = None,
    limit: PageSize = 50,
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Who did what, the newest first."""
    from kernelbot.cli import render

    with connect(url, token) as server:
        found = server.get(
            "/v1/admin/audit", target=target, servers=servers, cursor=cursor, limit=limit
        )
    _print_part(found, render.audit, as_json)
    if target and not found["items"]:
        note(
            f"Nothing is written down about {clean(target)}; say it as in user:7 or submission:12."
        )


admin_app.command()(usage)
admin_app.command()(person)
admin_app.command()(role)
admin_app.command()(rerun)


def _print_part(
    found: dict[str, Any], draw: Callable[[list[dict[str, Any]]], None], as_json: bool
) -> None:
    if as_json:
        document(found)
        return
    draw(found["items"])
    if found["cursor"] is not None:
        note(f"There is more: --cursor {found['cursor']}")


# --- the one place for errors ------------------------------------------------------------------


def main() -> None:
    """Run the command line; its exit code is documented in docs/cli.md."""
    try:
        app()
    except Refused as error:
        _report(error.message, error.code, error.detail, "")
        sys.exit(Exit.REFUSED)
    except CommandFailed as error:
        _report(error.message, error.code, error.detail, error.request_id)
        sys.exit(error.exit)
    except Fault as error:
        _report(error.message, error.code, error.detail, "")
        sys.exit(Exit.OUR_FAULT)
    except OSError as error:
        # A file or folder that was named on the command line and cannot be read or written.
        place = f"{error.filename}: " if error.filename else ""
        _report(f"{place}{error.strerror or error}.", "unusable_file", {}, "")
        sys.exit(Exit.REFUSED)


def _report(message: str, code: str, detail: dict[str, Any], request_id: str) -> None:
    note(f"kernelbot: {clean(message, lines=True)}")
    if request_id and code == "fault":
        note(f"kernelbot: the server's log has the rest under {clean(request_id)}.")
    if "--json" in sys.argv:
        body = {"code": code, "message": message, "detail": detail, "id": request_id}
        document({"error": body})


if __name__ == "__main__":
    main()
