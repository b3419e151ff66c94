"""Sending submissions and reading them back."""

from __future__ import annotations

import asyncio

import httpx2
from fastapi import FastAPI

from kernelbot.app import App
from kernelbot.judge.protocol import VerdictKind
from kernelbot.services import identity, quarantine
from tests.api.conftest import Submit, client, refused, token_of
from tests.conftest import ADMIN_TOKEN
from tests.factories import CODE, claim_one, judge_one, make_verdict


async def test_a_submission_is_accepted_with_its_place_in_the_queue(
    ada: httpx2.AsyncClient, submit: Submit
) -> None:
    response = await submit(ada)

    assert response.status_code == 202
    body = response.json()
    assert response.headers["location"] == body["url"] == f"/v1/submissions/{body['id']}"
    assert (body["leaderboard"], body["mode"], body["status"]) == ("vectoradd", "test", "queued")
    assert body["user_name"] == "ada"
    (run,) = body["runs"]
    assert run["gpu"] == "CPU"
    assert run["wait"]["position"] == 1
    assert run["wait"]["text"].startswith("next in line")
    assert run["ranking"] == "Not decided yet."


async def test_one_submission_can_go_to_several_gpus_repeated_or_by_comma(
    ada: httpx2.AsyncClient, submit: Submit
) -> None:
    repeated = await submit(ada, gpus=["cpu", "H100"])
    listed = await submit(ada, gpus="CPU, h100")

    for response in (repeated, listed):
        assert [run["gpu"] for run in response.json()["runs"]] == ["CPU", "H100"]


async def test_the_files_first_lines_say_where_it_goes(
    ada: httpx2.AsyncClient, submit: Submit
) -> None:
    code = b"#!POPCORN leaderboard vectoradd\n#!POPCORN gpu CPU\n" + CODE

    response = await submit(ada, code, leaderboard=None, gpus=None, mode=None)

    assert response.status_code == 202
    body = response.json()
    assert (body["leaderboard"], body["mode"]) == ("vectoradd", "test")


async def test_a_file_that_names_another_board_goes_to_the_one_in_the_request_and_says_so(
    ada: httpx2.AsyncClient, submit: Submit
) -> None:
    body = (await submit(ada, b"#!POPCORN leaderboard matmul\n" + CODE)).json()

    assert body["leaderboard"] == "vectoradd"
    assert body["note"].startswith("Your file says the leaderboard 'matmul', you named 'vectoradd'")


async def test_a_judged_submission_shows_cases_times_and_whether_it_is_ranked(
    app: App, ada: httpx2.AsyncClient, submit: Submit
) -> None:
    sent = (await submit(ada, mode="ranked")).json()
    await judge_one(app, make_verdict(ns=22_400.0))

    body = (await ada.get(sent["url"])).json()

    assert body["done"]
    (run,) = body["runs"]
    assert run["verdict"] == "passed"
    assert run["headline"].startswith("Passed: 22.4")
    assert run["ranking"].startswith("Ranked")
    assert run["cases"][1]["measurement"]["ns"] == 22_400.0
    assert run["device"]["name"] == "a processor"
    assert run["harness"]["isolation"] == "processes"


async def test_a_wrong_answer_says_so_and_carries_no_time(
    app: App, ada: httpx2.AsyncClient, submit: Submit
) -> None:
    sent = (await submit(ada, mode="ranked")).json()
    await judge_one(app, make_verdict(VerdictKind.WRONG_ANSWER, message="Element 3 is off."))

    (run,) = (await ada.get(sent["url"])).json()["runs"]

    assert (run["verdict"], run["seconds"]) == ("wrong_answer", None)
    assert run["headline"] == "Wrong answer: Element 3 is off."
    assert run["ranking"] == "Not ranked: wrong answer."


async def test_a_decision_about_a_quarantined_run_is_in_the_submission_and_ends_its_events(
    app: App, ada: httpx2.AsyncClient, submit: Submit
) -> None:
    sent = (await submit(ada, mode="ranked")).json()
    run_id = (await judge_one(app, make_verdict(VerdictKind.QUARANTINED))).run_id
    before = (await ada.get(sent["url"])).json()["runs"][0]

    await quarantine.release(
        app, await identity.authenticate(app, ADMIN_TOKEN, "api"), run_id, "A noisy machine."
    )

    run = (await ada.get(sent["url"])).json()["runs"][0]
    assert (before["verdict"], before["decision"]) == ("quarantined", None)
    assert (run["verdict"], run["decision"]["outcome"]) == ("passed", "released")
    assert run["decision"]["reason"] == "A noisy machine."
    assert run["ranking"].startswith("Ranked 1st of 1")
    events = (await ada.get(sent["events_url"])).text
    assert "event: decided" in events
    assert '"decision":"released"' in events
    assert '"reason":"A noisy machine."' in events
    assert events.index("event: finished") < events.index("event: decided")


async def test_what_the_judge_tells_the_operator_is_not_in_the_answer(
    app: App, ada: httpx2.AsyncClient, submit: Submit
) -> None:
    sent = (await submit(ada)).json()
    verdict = make_verdict(VerdictKind.WRONG_ANSWER, message="Off.")
    await judge_one(app, type(verdict)(**{**vars(verdict), "fault": "box-7 has no driver"}))

    assert "box-7" not in (await ada.get(sent["url"])).text


async def test_the_same_idempotency_key_gives_the_same_submission(
    ada: httpx2.AsyncClient, submit: Submit
) -> None:
    key = {"idempotency-key": "5f0c6b1e"}

    first, second = await submit(ada, headers=key), await submit(ada, headers=key)

    assert second.status_code == 202
    assert second.json()["id"] == first.json()["id"]
    assert (first.json()["repeated"], second.json()["repeated"]) == (False, True)


async def test_a_key_used_at_the_same_time_stores_one_submission(
    ada: httpx2.AsyncClient, submit: Submit
) -> None:
    key = {"idempotency-key": "at-once"}

    answers = await asyncio.gather(*(submit(ada, headers=key) for _ in range(8)))

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_a_key_does_not_stand_for_other_content(
    ada: httpx2.AsyncClient, submit: Submit
) -> None:
    key = {"idempotency-key": "once"}
    await submit(ada, headers=key)

    response = await submit(ada, CODE + b"# other\n", headers=key)

    refused(response, 409, "idempotency_key_reused")


async def test_submissions_are_listed_newest_first_in_parts(
    ada: httpx2.AsyncClient, submit: Submit
) -> None:
    sent = [(await submit(ada)).json()["id"] for _ in range(5)]

    first = (await ada.get("/v1/submissions", params={"limit": 3})).json()
    rest = (await ada.get("/v1/submissions", params={"cursor": first["cursor"]})).json()

    assert [item["id"] for item in first["items"] + rest["items"]] == sent[::-1]
    assert rest["cursor"] is None


async def test_submissions_are_listed_by_leaderboard(
    ada: httpx2.AsyncClient, submit: Submit
) -> None:
    await submit(ada)
    wanted = (await submit(ada, leaderboard="matmul")).json()["id"]

    found = (await ada.get("/v1/submissions", params={"leaderboard": "MatMul"})).json()

    assert [item["id"] for item in found["items"]] == [wanted]


async def test_somebody_elses_submission_is_not_found(
    ada: httpx2.AsyncClient, bob: httpx2.AsyncClient, submit: Submit
) -> None:
    url = (await submit(ada)).json()["url"]

    for path in ("", "/code", "/events"):
        refused(await bob.get(url + path), 404, "unknown_submission")
    refused(await bob.post(url + "/cancel"), 404, "unknown_submission")


async def test_code_comes_back_as_sent_and_never_as_a_page(
    ada: httpx2.AsyncClient, submit: Submit
) -> None:
    code = "# <script>alert(1)</script> µ\r\n".encode() + CODE
    sent = (await submit(ada, code, name='a"b<i>;.py')).json()

    response = await ada.get(sent["url"] + "/code")

    assert response.content == code
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["content-disposition"].startswith("attachment; filename*=UTF-8''")
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_a_queued_submission_is_cancelled_at_once_and_only_once(
    ada: httpx2.AsyncClient, submit: Submit
) -> None:
    url = (await submit(ada)).json()["url"]

    cancelled = (await ada.post(url + "/cancel")).json()

    assert (cancelled["status"], cancelled["done"]) == ("cancelled", True)
    assert cancelled["runs"][0]["ranking"] == "Not ranked: it was cancelled."
    refused(await ada.post(url + "/cancel"), 409, "already_final")


async def test_a_running_submission_is_told_to_stop(
    app: App, ada: httpx2.AsyncClient, submit: Submit
) -> None:
    url = (await submit(ada)).json()["url"]
    await claim_one(app)

    answer = (await ada.post(url + "/cancel")).json()

    assert (answer["status"], answer["done"]) == ("running", False)


async def test_a_token_without_the_scope_is_told_which_one_it_lacks(
    api: FastAPI, app: App, submit: Submit
) -> None:
    async with client(api, await token_of(app, "reader", scopes=("read",))) as reader:
        message = refused(await submit(reader), 403, "missing_scope")

    assert "'submit'" in message


async def test_an_anonymous_submission_is_refused_before_its_body_is_read(
    anonymous: httpx2.AsyncClient,
) -> None:
    async def endless() -> object:
        yield b"x"
        raise AssertionError("the body was read")

    response = await anonymous.post("/v1/submissions", content=endless())

    refused(response, 401, "not_signed_in")
    assert response.headers["www-authenticate"] == "Bearer"
