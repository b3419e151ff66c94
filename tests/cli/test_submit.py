"""Submitting and watching from the command line, as a person and as a script."""

from __future__ import annotations

import asyncio
import os
import pty
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from kernelbot.app import App
from kernelbot.judge.protocol import Event, Mode, Stage, VerdictKind
from kernelbot.services import dispatch, identity
from tests import programs
from tests.api.conftest import token_of
from tests.api.serving import ROOT, Listening, serving
from tests.cli.conftest import CommandLine
from tests.factories import claim_one, judge_one, make_verdict, submitted
from tests.ports import free_port
from tests.services.test_artefacts import aged, ended

TO_VECTORADD = ("--leaderboard", "vectoradd", "--gpu", "CPU")

CODES = {
    VerdictKind.PASSED: 0,
    VerdictKind.WRONG_ANSWER: 10,
    VerdictKind.BUILD_FAILED: 11,
    VerdictKind.CRASHED: 12,
    VerdictKind.TIMED_OUT: 13,
    VerdictKind.OUT_OF_MEMORY: 14,
    VerdictKind.DISQUALIFIED: 15,
    VerdictKind.QUARANTINED: 17,
}


async def count(app: App) -> int:
    async with app.database.read() as connection:
        found = await connection.scalar(text("SELECT count(*) FROM submissions"))
    assert isinstance(found, int)
    return found


async def test_a_submission_is_watched_to_its_verdict(app: App, kernelbot: CommandLine) -> None:
    command = await kernelbot.start(
        "submit", kernelbot.write("k.py"), *TO_VECTORADD, "--mode", "ranked"
    )
    await command.says("next in line")
    held = await claim_one(app)
    await dispatch.progress(app, held, Event(kind="stage", stage=Stage.CHECK, done=1, total=4))
    await command.says("check 1 of 4")
    await dispatch.finish(app, held, make_verdict(ns=22_400.0))
    outcome = await command.ends()

    assert outcome.code == 0, outcome.err
    assert "Passed: 22.4" in outcome.out
    assert "size: 127" in outcome.out
    assert "Ranked" in outcome.out
    assert "accepted" not in outcome.out


async def test_the_exit_code_is_the_verdicts(app: App, kernelbot: CommandLine) -> None:
    ada = await identity.authenticate(app, kernelbot.environment["KERNELBOT_TOKEN"], "api")
    for kind, code in CODES.items():
        sent = await submitted(app, ada, mode="test", code=f"import torch  # {kind}\n".encode())
        await judge_one(app, make_verdict(kind, message="Element 3 is off."))

        outcome = await kernelbot("watch", str(sent.id), "--json")

        assert outcome.code == code, kind
        (run,) = outcome.document["runs"]
        assert run["verdict"] == kind.value


async def test_json_is_one_document_with_progress_kept_apart(
    app: App, kernelbot: CommandLine
) -> None:
    command = await kernelbot.start("submit", kernelbot.write("k.py"), *TO_VECTORADD, "--json")
    await command.says("accepted")
    await judge_one(app)
    outcome = await command.ends()

    assert outcome.code == 0
    assert outcome.document["done"]
    assert outcome.out.isascii()


async def test_without_waiting_the_number_is_the_result(app: App, kernelbot: CommandLine) -> None:
    code = "#!kernelbot leaderboard vectoradd\n#!kernelbot gpu CPU\nimport torch\n"

    outcome = await kernelbot("submit", kernelbot.write("k.py", code), "--no-wait")

    assert outcome.code == 0
    assert outcome.out.strip().isdecimal()
    assert f"kernelbot watch {outcome.out.strip()}" in outcome.err


async def test_a_file_that_names_another_board_is_warned_of(
    app: App, kernelbot: CommandLine
) -> None:
    file = kernelbot.write("k.py", b"#!POPCORN leaderboard vectoradd_py\nimport torch\n")

    outcome = await kernelbot("submit", file, *TO_VECTORADD, "--no-wait")

    assert outcome.code == 0, outcome.err
    assert "Warning: Your file says the leaderboard 'vectoradd_py'" in outcome.err


async def test_an_interrupt_leaves_the_submission_running_and_says_how_to_return(
    app: App, kernelbot: CommandLine
) -> None:
    command = await kernelbot.start("submit", kernelbot.write("k.py"), *TO_VECTORADD)
    await command.says("next in line")
    command.interrupt()
    outcome = await command.ends()

    assert outcome.code == 130
    assert "Watch it again with: kernelbot watch " in outcome.err
    number = outcome.err.rsplit("kernelbot watch ", 1)[1].split()[0]
    await judge_one(app)
    assert (await kernelbot("watch", number)).code == 0


async def test_watching_survives_a_restart_of_the_server(
    app: App, environment: dict[str, str], plain: CommandLine, tmp_path: Path
) -> None:
    port = free_port()
    token = await token_of(app, "ada")
    kernelbot = CommandLine(
        plain.home,
        plain.environment | {"KERNELBOT_URL": f"http://127.0.0.1:{port}", "KERNELBOT_TOKEN": token},
    )
    async with serving(environment, tmp_path / "first.log", port=port) as first:
        command = await kernelbot.start("submit", kernelbot.write("k.py"), *TO_VECTORADD)
        await command.says("next in line")
        await first.stop(kill=True)
        await command.says("connection lost")
    async with serving(environment, tmp_path / "second.log", port=port):
        await judge_one(app)
        outcome = await command.ends()

    assert outcome.code == 0, outcome.err
    assert await count(app) == 1


async def test_a_submission_sent_while_the_server_restarts_is_stored_once(
    app: App, environment: dict[str, str], plain: CommandLine, tmp_path: Path
) -> None:
    port = free_port()
    token = await token_of(app, "ada")
    kernelbot = CommandLine(
        plain.home,
        plain.environment | {"KERNELBOT_URL": f"http://127.0.0.1:{port}", "KERNELBOT_TOKEN": token},
    )
    command = await kernelbot.start("submit", kernelbot.write("k.py"), *TO_VECTORADD, "--no-wait")
    await command.says("trying again")
    async with serving(environment, tmp_path / "api.log", port=port):
        outcome = await command.ends()

    # Whether the server was back in time is the machine's business; half a submission is not.
    assert (outcome.code, await count(app)) in ((0, 1), (21, 0))


async def test_an_answer_lost_on_the_way_does_not_submit_twice(
    app: App, server: Listening, kernelbot: CommandLine
) -> None:
    lost = 0

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal lost
        host, port = server.url.removeprefix("http://").split(":")
        to_reader, to_writer = await asyncio.open_connection(host, int(port))

        async def upward() -> None:
            while chunk := await reader.read(65536):
                to_writer.write(chunk)

        up = asyncio.create_task(upward())
        answer = await to_reader.read(65536)
        if lost < 2:
            lost += 1  # the server has taken it, the client never hears of it
        else:
            writer.write(answer)
            while chunk := await to_reader.read(65536):
                writer.write(chunk)
        up.cancel()
        writer.close()
        to_writer.close()

    proxy = await asyncio.start_server(forward, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
    async with proxy:
        outcome = await kernelbot(
            "submit", kernelbot.write("k.py"), *TO_VECTORADD, "--no-wait", KERNELBOT_URL=address
        )

    assert lost == 2
    assert outcome.code == 0, outcome.err
    assert await count(app) == 1


async def test_a_refusal_says_why_on_stderr_and_in_json(app: App, kernelbot: CommandLine) -> None:
    plain = await kernelbot("submit", kernelbot.write("k.py"), "-l", "vectorad", "-g", "CPU")
    machine = await kernelbot("submit", kernelbot.write("k.py"), "-l", "vectorad", "--json")

    assert (plain.code, plain.out) == (1, "")
    assert "Did you mean 'vectoradd'?" in plain.err
    assert "Traceback" not in plain.err
    assert machine.code == 1
    assert machine.document["error"]["code"] == "unknown_leaderboard"
    assert await count(app) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("submit", "missing.py"), "No such file"),
        (("submit", "."), "Is a directory"),
        (("login", "--url", "ftp://x", "--token", "t"), "not the address of a server"),
        (("leaderboard", ".."), "not a name"),
        (("logout",), "No token is stored"),
    ],
)
async def test_what_cannot_be_is_refused_without_asking_a_server(
    plain: CommandLine, arguments: tuple[str, ...], words: str
) -> None:
    outcome = await plain(*arguments)

    assert outcome.code == 1
    assert words in outcome.err
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("submit",),
        ("submit", "k.py", "--mode", "fast"),
        ("show", "x"),
        ("show", "0"),
        ("watch", str(2**63)),
        ("nonsense",),
        ("submissions", "--limit", "-1"),
        ("problems", "--download", "."),
    ],
    ids=" ".join,
)
async def test_a_wrong_command_line_is_usage(
    plain: CommandLine, arguments: tuple[str, ...]
) -> None:
    outcome = await plain(*arguments)

    assert outcome.code == 2
    assert "Traceback" not in outcome.err


async def test_no_server_is_said_with_what_to_do(plain: CommandLine) -> None:
    outcome = await plain("leaderboard", "--url", f"http://127.0.0.1:{free_port()}")

    assert outcome.code == 21
    assert "kernelbot up" in outcome.err


async def test_an_address_that_is_another_program_is_said(plain: CommandLine) -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")
        writer.close()

    stranger = await asyncio.start_server(other, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{stranger.sockets[0].getsockname()[1]}"
    async with stranger:
        outcome = await plain("leaderboard", "--url", address)

    assert outcome.code == 21
    assert "not as KernelBot does" in outcome.err


async def test_without_a_token_it_says_how_to_get_one(
    plain: CommandLine, server: Listening
) -> None:
    outcome = await plain("submissions", "--url", server.url)

    assert outcome.code == 1
    assert "kernelbot login" in outcome.err


@pytest.mark.slow
async def test_a_real_worker_judges_what_was_submitted(
    server: Listening, kernelbot: CommandLine
) -> None:
    example = ROOT / "problems" / "vectoradd" / "starter" / "with_torch.py"
    worker = await programs.start(
        "kernelbot.worker",
        env=server.environment, stderr=asyncio.subprocess.DEVNULL, cwd=kernelbot.home,
    )  # fmt: skip
    try:
        outcome = await kernelbot(
            "submit", str(example), *TO_VECTORADD, "--mode", "ranked", "--json"
        )
        standings = await kernelbot("leaderboard", "vectoradd", "-g", "CPU")
    finally:
        worker.terminate()
        await worker.wait()

    assert outcome.code == 0, outcome.out + outcome.err
    (run,) = outcome.document["runs"]
    assert run["verdict"] == "passed"
    assert run["seconds"] > 0
    assert run["log"] == ""
    assert "ada (you)" in standings.out


async def test_on_a_terminal_progress_is_drawn_in_place(app: App, kernelbot: CommandLine) -> None:
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "kernelbot", "submit", kernelbot.write("k.py"), *TO_VECTORADD,
        env=kernelbot.environment | {"TERM": "xterm"}, cwd=kernelbot.home,
        stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    seen = bytearray()
    asyncio.get_running_loop().add_reader(ours, lambda: seen.extend(_read(ours)))

    await _until(lambda: b"next in line" in seen)
    await judge_one(app)
    assert await asyncio.wait_for(process.wait(), 120) == 0
    await _until(lambda: b"size: 127" in seen)
    asyncio.get_running_loop().remove_reader(ours)
    os.close(ours)

    assert b"\x1b[?25h" in seen, "the cursor was not given back"


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # the other end is closed, and all is read
        asyncio.get_running_loop().remove_reader(descriptor)
        return b""


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(120):
        while not condition():  # noqa: ASYNC110  a terminal has no event to wait for
            await asyncio.sleep(0.05)


async def test_a_mode_by_its_name_in_the_field_is_understood(
    app: App, kernelbot: CommandLine
) -> None:
    sent = await kernelbot(
        "submit", kernelbot.write("k.py"), *TO_VECTORADD, "--mode", "Leaderboard", "--no-wait"
    )

    assert sent.code == 0, sent.err
    assert (await claim_one(app)).job.mode is Mode.RANKED


async def test_a_mode_that_there_is_not_is_told_with_those_that_there_are(
    plain: CommandLine,
) -> None:
    outcome = await plain("submit", "k.py", "--mode", "rank", COLUMNS="200")

    assert "There is no mode 'rank'" in outcome.err
    assert "Did you mean 'ranked'?" in outcome.err


async def test_the_files_of_a_profile_are_named_and_saved(
    app: App, kernelbot: CommandLine, tmp_path: Path
) -> None:
    sent = await kernelbot(
        "submit",
        kernelbot.write("k.py"),
        *TO_VECTORADD,
        "--mode",
        "profile",
        "--case",
        "1",
        "--no-wait",
    )
    held = await claim_one(app)
    await ended(app, held, {"profile.ncu-rep": b"report"})
    submission = sent.out.strip()

    shown = await kernelbot("show", submission)
    saved = await kernelbot("artefacts", submission, "--output", str(tmp_path / "there"))

    assert held.job.profile_case == 1
    assert f"kernelbot artefacts {submission} --output ." in shown.out
    assert "CPU-profile.ncu-rep" in saved.out
    assert (tmp_path / "there" / "CPU-profile.ncu-rep").read_bytes() == b"report"

    await aged(app, int(submission), days=15)
    await dispatch.housekeeping(app)
    shown, found = await kernelbot("show", submission), await kernelbot("artefacts", submission)
    assert "Files:" not in shown.out
    assert "CPU-profile.ncu-rep has expired on 20" in shown.out
    assert "CPU-profile.ncu-rep has expired on 20" in found.out


async def test_a_submission_without_files_says_so(app: App, kernelbot: CommandLine) -> None:
    sent = await kernelbot("submit", kernelbot.write("k.py"), *TO_VECTORADD, "--no-wait")
    found = await kernelbot("artefacts", sent.out.strip())
    assert "It left none" in found.err
