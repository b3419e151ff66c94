"""Me, my tokens, my allowance; and administration."""

from __future__ import annotations

import json

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from kernelbot.app import App
from kernelbot.services import identity, logins
from tests.api.conftest import Submit, client, refused, token_of
from tests.factories import judge_one, make_verdict


async def test_me_says_who_and_what_the_token_may(ada: httpx2.AsyncClient) -> None:
    body = (await ada.get("/v1/me")).json()

    assert (body["name"], body["role"]) == ("ada", "member")
    assert body["scopes"] == ["read", "submit", "tokens"]


async def test_a_token_is_shown_once_works_and_can_be_revoked(
    api: FastAPI, ada: httpx2.AsyncClient
) -> None:
    made = await ada.post("/v1/me/tokens", json={"name": "laptop", "scopes": ["read"], "days": 7})
    assert made.status_code == 201
    token = made.json()
    listed = (await ada.get("/v1/me/tokens")).text
    async with client(api, token["secret"]) as laptop:
        assert (await laptop.get("/v1/me")).json()["scopes"] == ["read"]
        assert (await ada.delete(f"/v1/me/tokens/{token['id']}")).status_code == 200

        refused(await laptop.get("/v1/me"), 401, "revoked_token")

    assert token["secret"] not in listed
    assert token["hint"] in listed


async def test_a_token_is_renewed_for_as_long_as_is_asked(
    api: FastAPI, ada: httpx2.AsyncClient
) -> None:
    token = (await ada.post("/v1/me/tokens", json={"name": "laptop", "days": 2})).json()
    async with client(api, token["secret"]) as laptop:
        renewed = await laptop.post(f"/v1/me/tokens/{token['id']}/renew", json={"days": 30})
        me = (await laptop.get("/v1/me")).json()

    assert renewed.status_code == 200
    assert "secret" not in renewed.json()
    assert renewed.json()["expires_at"] == me["token_expires_at"] > token["expires_at"]
    refused(await ada.post("/v1/me/tokens/999/renew", json={}), 404, "unknown_token")


async def test_a_token_gives_no_more_than_the_one_that_made_it(ada: httpx2.AsyncClient) -> None:
    response = await ada.post("/v1/me/tokens", json={"name": "root", "scopes": ["admin"]})

    refused(response, 403, "missing_scope")


async def test_a_token_that_may_only_read_makes_none(api: FastAPI, app: App) -> None:
    async with client(api, await token_of(app, "reader", scopes=("read",))) as reader:
        refused(await reader.post("/v1/me/tokens", json={"name": "more"}), 403, "missing_scope")


async def test_somebody_elses_token_cannot_be_revoked(
    ada: httpx2.AsyncClient, bob: httpx2.AsyncClient
) -> None:
    (token,) = (await ada.get("/v1/me/tokens")).json()["items"]

    refused(await bob.delete(f"/v1/me/tokens/{token['id']}"), 404, "unknown_token")
    assert (await ada.get("/v1/me")).status_code == 200


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({}, "body.name"),
        ({"name": ""}, "body.name"),
        ({"name": "a\0b"}, "body.name"),
        ({"name": "a\ud800"}, "body.name"),
        ({"name": "x" * 101}, "body.name"),
        ({"name": 5}, "body.name"),
        ({"name": "n", "scopes": ["root"]}, "body.scopes.0"),
        ({"name": "n", "scopes": []}, "body.scopes"),
        ({"name": "n", "days": 0}, "body.days"),
        ({"name": "n", "days": 10**30}, "body.days"),
        ({"name": "n", "admin": True}, "body.admin"),
        ([], "body"),
        ("text", "body"),
    ],
    ids=str,
)
async def test_a_malformed_wish_names_the_field(
    eve: httpx2.AsyncClient, body: object, where: str
) -> None:
    # ASCII, because that is how a lone surrogate can be sent at all.
    content, headers = json.dumps(body), {"content-type": "application/json"}

    response = await eve.post("/v1/me/tokens", content=content, headers=headers)

    assert refused(response, 422, "invalid_input").startswith(f"{where}: ")


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 422, "invalid_input"),
        (b"{", 422, "invalid_input"),
        (b'{"name": "\xff"}', 400, "malformed_request"),
        (b"[" * 60_000, 400, "malformed_request"),
        (b'{"name": NaN}', 422, "invalid_input"),
    ],
)
async def test_a_body_that_is_not_json_is_refused(
    eve: httpx2.AsyncClient, content: bytes, status: int, code: str
) -> None:
    headers = {"content-type": "application/json"}

    refused(await eve.post("/v1/me/tokens", content=content, headers=headers), status, code)


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=b"])
async def test_a_json_body_without_end_is_refused_whatever_it_is_called(
    eve: httpx2.AsyncClient, kind: str
) -> None:
    content = b'{"name": "' + b"x" * 2_000_000 + b'"}'
    headers = {"content-type": kind}

    refused(await eve.post("/v1/me/tokens", content=content, headers=headers), 413, "too_large")
    refused(await eve.post("/v1/runner/lease", content=content, headers=headers), 413, "too_large")


async def test_administration_is_closed_to_members(eve: httpx2.AsyncClient) -> None:
    for request in (
        eve.get("/v1/admin/audit"),
        eve.post("/v1/admin/users", json={"name": "eve"}),
        eve.post("/v1/admin/users/bob/ban", json={"reason": "r"}),
        eve.delete("/v1/admin/users/bob/ban"),
        eve.post("/v1/admin/submissions/1/void", json={"reason": "r"}),
        eve.post("/v1/admin/submissions/1/restore", json={"reason": "r"}),
        eve.post("/v1/admin/rejudge", json={"submissions": [1]}),
        eve.get("/v1/admin/rejudge"),
    ):
        assert refused(await request, 403, "not_an_admin") == "This is for administrators."


async def test_an_administrator_makes_people_bans_and_unbans_them(
    api: FastAPI, admin: httpx2.AsyncClient, submit: Submit
) -> None:
    made = (await admin.post("/v1/admin/users", json={"name": "grace"})).json()
    async with client(api, made["secret"]) as grace:
        ban = {"reason": "Spam.", "days": 2}
        assert (await admin.post("/v1/admin/users/grace/ban", json=ban)).json() == {"done": True}
        refused(await submit(grace), 403, "banned")
        assert (await admin.delete("/v1/admin/users/grace/ban")).status_code == 200
        assert (await submit(grace)).status_code == 202

    audit = (await admin.get("/v1/admin/audit")).json()["items"]
    assert [item["action"] for item in audit[:2]] == ["user.unban", "user.ban"]
    assert audit[1]["detail"]["reason"] == "Spam."
    about = {"target": audit[1]["target"], "limit": 1}
    newest = (await admin.get("/v1/admin/audit", params=about)).json()
    older = (
        await admin.get("/v1/admin/audit", params={**about, "cursor": newest["cursor"]})
    ).json()
    assert newest["items"] + older["items"] == audit[:2]


async def test_a_ban_without_days_has_no_end(
    ada: httpx2.AsyncClient, admin: httpx2.AsyncClient, submit: Submit
) -> None:
    await admin.post("/v1/admin/users/ada/ban", json={"reason": "Cheating."})

    refused(await submit(ada), 403, "banned")
    assert (await ada.get("/v1/me")).json()["banned_until"].startswith("9999")


async def test_banning_nobody_is_not_found(admin: httpx2.AsyncClient) -> None:
    response = await admin.post("/v1/admin/users/nobody/ban", json={"reason": "r"})

    refused(response, 404, "unknown_user")


async def test_a_voided_submission_leaves_the_standings_and_comes_back(
    app: App, ada: httpx2.AsyncClient, admin: httpx2.AsyncClient, submit: Submit
) -> None:
    sent = (await submit(ada, mode="ranked")).json()["id"]
    await judge_one(app)

    async def total() -> int:
        page = await ada.get("/v1/leaderboards/vectoradd/standings", params={"gpu": "CPU"})
        return int(page.json()["total"])

    assert await total() == 1
    await admin.post(f"/v1/admin/submissions/{sent}/void", json={"reason": "Cached inputs."})
    assert await total() == 0
    await admin.post(f"/v1/admin/submissions/{sent}/restore", json={"reason": "Appeal."})
    assert await total() == 1


async def test_an_administrator_reads_anybodys_submission(
    ada: httpx2.AsyncClient, admin: httpx2.AsyncClient, submit: Submit
) -> None:
    url = (await submit(ada)).json()["url"]

    assert (await admin.get(url)).json()["user_name"] == "ada"


async def test_secrets_are_kept_as_digests_only(app: App, ada: httpx2.AsyncClient) -> None:
    secret = (await ada.post("/v1/me/tokens", json={"name": "n"})).json()["secret"]

    async with app.database.read() as connection:
        rows = (await connection.execute(text("SELECT tokens::text FROM tokens"))).scalars().all()

    assert not any(secret in row for row in rows)


async def test_an_administrator_has_an_entry_judged_again_and_sees_whether_it_agrees(
    app: App, ada: httpx2.AsyncClient, admin: httpx2.AsyncClient, submit: Submit
) -> None:
    sent = (await submit(ada, mode="ranked")).json()["id"]
    await judge_one(app, make_verdict(ns=1e6))
    wish = {"leaderboard": "vectoradd", "top": 1}

    planned = (await admin.post("/v1/admin/rejudge", json={**wish, "dry_run": True})).json()
    queued = (await admin.post("/v1/admin/rejudge", json=wish)).json()
    repeated = (await admin.post("/v1/admin/rejudge", json={"submissions": [sent]})).json()
    await judge_one(app, make_verdict(ns=1.2e6))
    told = (await admin.get("/v1/admin/rejudge", params={"submission": sent})).json()
    board = (await admin.get("/v1/leaderboards/vectoradd/standings?gpu=CPU")).json()
    mine = (await ada.get(f"/v1/submissions/{sent}")).json()

    assert [(item["state"], item["rejudge_id"]) for item in planned["items"]] == [("planned", None)]
    (first,), (again,), (found,) = queued["items"], repeated["items"], told["items"]
    assert (first["state"], first["under_way"]) == ("queued", False)
    assert (again["rejudge_id"], again["under_way"]) == (first["rejudge_id"], True)
    assert (found["state"], found["run_id"]) == ("differs", first["run_id"])
    assert found["counted"]["seconds"] == pytest.approx(1e-3)
    assert found["score"]["seconds"] == pytest.approx(1.2e-3)
    assert found["apart"] > 3
    assert [item["submission_id"] for item in board["items"]] == [sent]
    assert board["items"][0]["runs"] == 1
    assert f"organizer's wish: submission {first['rejudge_id']}." in mine["runs"][0]["ranking"]
    refused(await admin.post("/v1/admin/rejudge", json={}), 400, "nothing_to_judge")
    refused(
        await admin.post("/v1/admin/rejudge", json={"submissions": [99]}),
        404,
        "unknown_submission",
    )
    refused(await admin.post("/v1/admin/rejudge", json={**wish, "top": 0}), 422, "invalid_input")


async def test_a_command_line_is_let_in_by_a_code(api: FastAPI, app: App) -> None:
    async with client(api) as nobody:
        made = await nobody.post("/v1/logins", json={"client": "laptop"})
        assert made.status_code == 201
        asked = made.json()
        body = {"secret": asked["secret"]}
        refused(await nobody.post("/v1/logins/token", json=body), 409, "authorization_pending")
        refused(await nobody.post("/v1/logins/token", json={"secret": "x"}), 404, "unknown_login")

        ada = await identity.person(app, "discord", "1", "ada", "discord")
        await logins.approve(app, ada, asked["code"])
        token = (await nobody.post("/v1/logins/token", json=body)).json()["secret"]

    async with client(api, token) as laptop:
        assert (await laptop.get("/v1/me")).json()["name"] == "ada"


async def test_gpu_seconds_are_shown_and_beyond_them_the_answer_says_when_again(
    app: App, ada: httpx2.AsyncClient, submit: Submit
) -> None:
    async with app.database.transaction() as connection:
        limit = '{"gpu_seconds_per_day": {"CPU": 20}}'
        await connection.execute(
            text("UPDATE competitions SET document = document || CAST(:limit AS jsonb)"),
            {"limit": limit},
        )
    assert (await submit(ada)).status_code == 202

    answer = await submit(ada)

    refused(answer, 429, "over_gpu_seconds")
    assert 0 < int(answer.headers["retry-after"]) <= 3600
    (item,) = (await ada.get("/v1/me/allowance?leaderboard=vectoradd")).json()["items"]
    (balance,) = item["gpu_seconds"]
    assert (balance["gpu"], balance["limit_s"], balance["left_s"]) == ("CPU", 20, 0)
    assert balance["reserved_s"] == 20
    assert balance["more_at"] is not None
