"""The field's own command line, as it is, against this server: everything that it can be asked to do."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from fastapi import FastAPI

from kernelbot.api.upload import MAX_BODY_BYTES
from kernelbot.app import App
from kernelbot.domain.competition import Visibility
from kernelbot.domain.people import Actor
from kernelbot.judge.protocol import VerdictKind
from kernelbot.services import identity, invitations, moderation
from tests.api.conftest import client, token_of
from tests.conftest import ADMIN_TOKEN
from tests.factories import CODE, claim_one, judge_one, make_verdict
from tests.fakes.popcorn import Popcorn, PopcornError
from tests.services.contest import HOUR, board, contest, now, published
from tests.services.test_artefacts import REPORT, ended


@asynccontextmanager
async def popcorn_of(api: FastAPI, cli_id: str) -> AsyncIterator[Popcorn]:
    async with client(api) as made:
        made.headers["X-Popcorn-Cli-Id"] = cli_id
        yield Popcorn(made)


@pytest_asyncio.fixture
async def popcorn(api: FastAPI, app: App) -> AsyncIterator[Popcorn]:
    async with popcorn_of(api, await token_of(app, "ada")) as made:
        yield made


async def administrator(app: App) -> Actor:
    return await identity.authenticate(app, ADMIN_TOKEN, "api")


async def test_it_offers_what_is_open_and_the_gpus_of_each(popcorn: Popcorn) -> None:
    offered = dict(await popcorn.leaderboards())

    assert "vectoradd" in offered
    assert offered["vectoradd"].strip()
    assert "CPU" in await popcorn.gpus("vectoradd")


async def test_what_is_closed_is_not_offered(app: App, popcorn: Popcorn, shelf: Path) -> None:
    await published(app, shelf, contest(board(closes=now() - HOUR), board("matmul")))

    assert [name for name, _ in await popcorn.leaderboards()] == ["matmul"]


async def test_a_test_is_followed_with_its_place_and_ends_with_its_rows(
    app: App, popcorn: Popcorn
) -> None:
    number = await popcorn.send(CODE, "VectorAdd", "cpu", "test")
    waiting = await popcorn.ask(number, "CPU", "test")
    await judge_one(app)
    text = await popcorn.ask(number, "CPU", "test")

    assert waiting is None
    accepted, queued, ended_words = popcorn.shown
    assert accepted == f"Submission {number} accepted, KernelBot CPU queue: 0 queued"
    assert "status: pending: next in line" in queued
    assert "status: succeeded" in ended_words
    assert text == "PASS size: 127"


async def test_a_running_submission_says_that_it_runs(app: App, popcorn: Popcorn) -> None:
    number = await popcorn.send(CODE, "vectoradd", "CPU", "test")
    await claim_one(app)

    assert await popcorn.ask(number, "CPU", "test") is None
    assert "status: running: " in popcorn.shown[-1]


async def test_a_benchmark_ends_with_its_times_in_nanoseconds(app: App, popcorn: Popcorn) -> None:
    number = await popcorn.send(CODE, "vectoradd", "CPU", "benchmark")
    await judge_one(app, make_verdict(ns=22_400.0))

    assert await popcorn.ask(number, "CPU", "benchmark") == "PASS size: 512 22400.0"


async def test_a_ranked_submission_ends_with_its_score_and_says_its_rank(
    app: App, popcorn: Popcorn
) -> None:
    number = await popcorn.send(CODE, "vectoradd", "CPU", "leaderboard")
    await judge_one(app, make_verdict(ns=22_400.0))

    text = await popcorn.ask(number, "CPU", "leaderboard")

    assert text is not None
    assert text.startswith("Geomean score (public) on CPU: 2.24")
    assert "Ranked 1st of 1 with 22.4" in popcorn.shown[-1]


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (VerdictKind.WRONG_ANSWER, "failed"),
        (VerdictKind.BUILD_FAILED, "failed"),
        (VerdictKind.TIMED_OUT, "timed_out"),
        (VerdictKind.DISQUALIFIED, "hacked"),
        (VerdictKind.QUARANTINED, "failed"),
    ],
)
@pytest.mark.parametrize("mode", ["test", "leaderboard"])
async def test_what_did_not_pass_is_a_failure_with_the_whole_story(
    app: App, popcorn: Popcorn, kind: VerdictKind, word: str, mode: str
) -> None:
    number = await popcorn.send(CODE, "vectoradd", "CPU", mode)
    await judge_one(app, make_verdict(kind, message="Element 3 is off."))

    with pytest.raises(PopcornError) as failure:
        await popcorn.ask(number, "CPU", mode)

    story = str(failure.value)
    assert story.startswith(f"Submission {number} {word}: ")
    assert "Element 3 is off." in story or kind is VerdictKind.QUARANTINED
    assert "Not ranked: " in story


async def test_a_ranked_run_that_passed_and_does_not_count_is_no_success(
    app: App, popcorn: Popcorn
) -> None:
    number = await popcorn.send(CODE, "vectoradd", "CPU", "leaderboard")
    await judge_one(app)
    await moderation.void(app, await administrator(app), number, "Copied from another.")

    with pytest.raises(PopcornError, match="taken this code off the leaderboard"):
        await popcorn.ask(number, "CPU", "leaderboard")


async def test_nothing_printed_by_a_secret_run_is_told(app: App, popcorn: Popcorn) -> None:
    number = await popcorn.send(CODE, "vectoradd", "CPU", "leaderboard")
    verdict = make_verdict(VerdictKind.WRONG_ANSWER, message="Off.")
    await judge_one(app, replace(verdict, log="the seed is zyxwvuts"))

    document = await popcorn.show(number)

    assert "zyxwvuts" not in str(document["job"]) + str(document["runs"])


async def test_what_is_refused_says_why(app: App, popcorn: Popcorn) -> None:
    with pytest.raises(PopcornError, match=r"400.*'Fortran'.*CPU"):
        await popcorn.send(CODE, "vectoradd", "Fortran", "test")
    with pytest.raises(
        PopcornError, match=r"404.*There is no leaderboard 'vectorad'. Did you mean"
    ):
        await popcorn.send(CODE, "vectorad", "CPU", "test")
    with pytest.raises(PopcornError, match=r"404.*There is no leaderboard"):
        await popcorn.gpus("vectorad")
    with pytest.raises(PopcornError, match=r"400.*There is no mode 'private'"):
        await popcorn.send(CODE, "vectoradd", "CPU", "private")
    with pytest.raises(PopcornError, match=r"413.*1,000,000"):
        await popcorn.send(b"x" * (MAX_BODY_BYTES + 1), "vectoradd", "CPU", "test")
    with pytest.raises(PopcornError, match=r"400.*empty"):
        await popcorn.stream(b"", "vectoradd", "CPU", "profile")
    with pytest.raises(PopcornError, match=r"422.*submission_id"):
        await popcorn.show(0)
    with pytest.raises(PopcornError, match=r"404.*You have no submission 999999"):
        await popcorn.show(999_999)


async def test_over_the_allowance_says_when_to_come_again(
    app: App, popcorn: Popcorn, shelf: Path
) -> None:
    await published(app, shelf, contest(other_per_hour=1))
    await popcorn.send(CODE, "vectoradd", "CPU", "test")

    with pytest.raises(PopcornError, match=r"429.*1 of 1.*Try again in"):
        await popcorn.send(CODE, "vectoradd", "CPU", "test")
    with pytest.raises(PopcornError, match=r"429.*1 of 1.*Try again in"):
        await popcorn.stream(CODE, "vectoradd", "CPU", "profile")


async def test_the_word_stream_is_a_word_like_any_other(popcorn: Popcorn) -> None:
    code = b"# torch.cuda.current_stream()\n" + CODE

    assert await popcorn.send(code, "vectoradd", "CPU", "test")


@pytest.mark.parametrize("cli_id", ["6b9c4c27-400a-4953-af34-e850ee9e3480", ""])
async def test_an_id_of_another_server_is_told_where_one_of_this_comes_from(
    api: FastAPI, cli_id: str
) -> None:
    async with popcorn_of(api, cli_id) as stranger:
        for asked in (
            stranger.send(CODE, "vectoradd", "CPU", "test"),
            stranger.stream(CODE, "vectoradd", "CPU", "profile"),
            stranger.submissions("vectoradd"),
            stranger.register(),
        ):
            with pytest.raises(PopcornError, match=r"40[01].*cli_id: TOKEN.*\.popcorn\.yaml"):
                await asked


async def test_a_profile_is_watched_and_its_files_are_saved(app: App, popcorn: Popcorn) -> None:
    watching = asyncio.create_task(popcorn.stream(CODE, "vectoradd", "CPU", "profile"))
    await ended(app, await claim_one(app), {"profile.ncu-rep": REPORT})
    report = await asyncio.wait_for(watching, 60)

    (packed,) = popcorn.saved
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert archive.read("CPU-profile.ncu-rep") == REPORT
    assert "Not ranked: this was a profile run." in report
    assert any("next in line" in line or "started" in line for line in popcorn.shown)


async def test_an_older_one_is_told_everything_in_the_stream(app: App, popcorn: Popcorn) -> None:
    watching = asyncio.create_task(popcorn.stream(CODE, "vectoradd", "CPU", "leaderboard"))
    await judge_one(app, make_verdict(ns=22_400.0))
    report = await asyncio.wait_for(watching, 60)

    assert "CPU: Passed: 22.4" in report
    assert "Ranked 1st of 1" in report


async def test_a_sample_that_names_another_board_is_taken_and_the_stream_says_so(
    app: App, popcorn: Popcorn
) -> None:
    sample = b"#!POPCORN leaderboard matmul\n" + CODE
    watching = asyncio.create_task(popcorn.stream(sample, "vectoradd", "CPU", "profile"))
    await judge_one(app)
    await asyncio.wait_for(watching, 60)

    assert any("you named 'vectoradd'" in line for line in popcorn.shown)


async def test_ones_submissions_are_listed_and_shown(app: App, popcorn: Popcorn) -> None:
    first = await popcorn.send(CODE, "vectoradd", "CPU", "leaderboard")
    await judge_one(app, make_verdict(ns=22_400.0))
    second = await popcorn.send(CODE, "vectoradd", "CPU", "test")

    newest, before = await popcorn.submissions("vectoradd")
    assert (newest["id"], newest["done"], newest["runs"]) == (second, False, [])
    assert (before["id"], before["done"]) == (first, True)
    (run,) = before["runs"]
    assert run["gpu_type"] == "CPU"
    assert run["score"] == pytest.approx(22.4e-6)
    assert [item["id"] for item in await popcorn.submissions("vectoradd", limit=1)] == [second]
    assert (await popcorn.client.get("/user/submissions?offset=1")).json() == [before]
    shown = await popcorn.show(first)
    assert shown["code"].encode() == CODE
    assert (await popcorn.show(second))["code"] == ""
    assert isinstance(shown["user_id"], str)
    assert shown["runner_queue"] is None


async def test_another_persons_submission_is_not_there(
    api: FastAPI, app: App, popcorn: Popcorn
) -> None:
    number = await popcorn.send(CODE, "vectoradd", "CPU", "test")

    async with popcorn_of(api, await token_of(app, "bob")) as bob:
        for asked in (bob.show(number), bob.delete(number)):
            with pytest.raises(PopcornError, match=f"404.*You have no submission {number}"):
                await asked


async def test_nothing_that_was_submitted_is_deleted(app: App, popcorn: Popcorn) -> None:
    number = await popcorn.send(CODE, "vectoradd", "CPU", "test")
    with pytest.raises(PopcornError, match=f"409.*kernelbot cancel {number}"):
        await popcorn.delete(number)
    await judge_one(app)
    with pytest.raises(PopcornError, match=r"403.*nothing that was submitted is deleted"):
        await popcorn.delete(number)

    assert (await popcorn.show(number))["done"]


async def test_a_code_lets_one_into_a_closed_competition(
    app: App, popcorn: Popcorn, shelf: Path
) -> None:
    await published(app, shelf, contest(visibility=Visibility.INVITE))
    made = await invitations.create(app, await administrator(app), "getting-started", None, None)
    assert made.code is not None

    assert await popcorn.leaderboards() == []
    with pytest.raises(PopcornError, match=r"404.*There is no leaderboard"):
        await popcorn.send(CODE, "vectoradd", "CPU", "test")
    with pytest.raises(PopcornError, match=r"404.*no competition that this code lets you into"):
        await popcorn.join("guessed")
    assert await popcorn.join(made.code) == ["vectoradd"]
    assert [name for name, _ in await popcorn.leaderboards()] == ["vectoradd"]
    assert await popcorn.send(CODE, "vectoradd", "CPU", "test")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/admin/stop"),
        ("GET", "/admin/stats"),
        ("DELETE", "/admin/submissions/1"),
        ("POST", "/admin/leaderboards"),
        ("GET", "/admin/leaderboards/vectoradd/invites"),
    ],
)
async def test_its_administration_is_told_where_ours_is(
    popcorn: Popcorn, method: str, path: str
) -> None:
    answer = await popcorn.client.request(method, path)

    assert answer.status_code == 404
    assert "`kernelbot admin`" in answer.json()["detail"]


async def test_its_addresses_take_nothing_from_ours(popcorn: Popcorn) -> None:
    for method, path in (("POST", "/v1/me/nothing"), ("GET", "/v1/no/such"), ("GET", "/x")):
        answer = await popcorn.client.request(method, path)
        assert answer.status_code in (404, 405), path
        assert answer.json().keys() == {"error"}
