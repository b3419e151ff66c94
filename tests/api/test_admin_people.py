"""Administrators about people: who they are, what they may, and more of it."""

from __future__ import annotations

from pathlib import Path

import httpx2
from fastapi import FastAPI

from kernelbot.app import App
from kernelbot.judge.protocol import VerdictKind
from tests.api.conftest import Submit, client, refused
from tests.factories import judge_one, make_verdict
from tests.services.contest import contest, published
from tests.services.test_turns import rows


async def test_somebody_becomes_an_administrator_and_the_last_stays_one(
    api: FastAPI, admin: httpx2.AsyncClient
) -> None:
    body = {"name": "grace", "scopes": ["read", "admin"]}
    made = (await admin.post("/v1/admin/users", json=body)).json()
    async with client(api, made["secret"]) as grace:
        refused(await grace.get("/v1/admin/audit"), 403, "not_an_admin")
        given = await admin.post("/v1/admin/users/grace/role", json={"role": "admin"})
        assert given.json() | {"user_id": 0} == {
            "user_id": 0,
            "name": "grace",
            "role": "admin",
            "changed": True,
        }
        assert (await grace.get("/v1/admin/audit")).json()["items"][0]["action"] == "user.role"

        again = await grace.post("/v1/admin/users/admin/role", json={"role": "member"})
        assert again.json()["changed"]
        oneself = "/v1/admin/users/grace/role"
        refused(await grace.post(oneself, json={"role": "member"}), 409, "last_administrator")
        await grace.post("/v1/admin/users/admin/role", json={"role": "admin"})
        refused(await grace.post(oneself, json={"role": "member"}), 409, "would_put_yourself_out")
        assert (await grace.post(oneself, json={"role": "member", "sure": True})).json()["changed"]
        refused(await grace.get("/v1/admin/audit"), 403, "not_an_admin")
    unknown = await admin.post("/v1/admin/users/grace/role", json={"role": "king"})
    assert unknown.status_code == 422


async def test_a_profile_has_accounts_and_numbers_and_no_code(
    ada: httpx2.AsyncClient, admin: httpx2.AsyncClient, submit: Submit
) -> None:
    sent = (await submit(ada)).json()["id"]

    found = await admin.get("/v1/admin/users/ada")

    body = found.json()
    assert body["identities"][0]["name"] == "ada"
    assert body["open_runs"] == 1
    assert [item["id"] for item in body["latest"]] == [sent]
    assert "custom_kernel" not in found.text
    refused(await admin.get("/v1/admin/users/discord:4711"), 404, "unknown_user")


async def test_more_gpu_seconds_hold_until_they_are_ended(
    app: App, shelf: Path, ada: httpx2.AsyncClient, admin: httpx2.AsyncClient, submit: Submit
) -> None:
    await published(app, shelf, contest(gpu_seconds_per_day={"CPU": 20.0}))
    await submit(ada)
    refused(await submit(ada), 429, "over_gpu_seconds")

    wish = {"competition": "getting-started", "gpu": "CPU", "gpu_seconds": 30, "reason": "Sorry."}
    made = await admin.post("/v1/admin/users/ada/grants", json=wish)
    assert made.status_code == 201
    assert (await submit(ada)).status_code == 202
    use = (await admin.get("/v1/admin/users/ada/allowance")).json()
    assert use["competitions"][0]["gpu_seconds"][0]["limit_s"] == 50
    assert [item["reason"] for item in use["grants"]] == ["Sorry."]

    assert (await admin.delete(f"/v1/admin/grants/{made.json()['id']}")).status_code == 200
    refused(await submit(ada), 429, "over_gpu_seconds")
    refused(
        await admin.post("/v1/admin/users/ada/grants", json={**wish, "gpu": "TPU"}),
        404,
        "unknown_gpu",
    )


async def test_what_a_machine_of_ours_failed_runs_once_more_at_no_cost(
    app: App, ada: httpx2.AsyncClient, admin: httpx2.AsyncClient, submit: Submit
) -> None:
    sent = (await submit(ada)).json()["id"]
    url = f"/v1/admin/submissions/{sent}/rerun"
    refused(await admin.post(url, json={"reason": "r"}), 409, "not_final")
    for _ in range(app.settings.attempts):
        await rows(app, "UPDATE pgqueuer SET execute_after = now()")
        await judge_one(app, make_verdict(VerdictKind.JUDGE_FAILED))

    made = (await admin.post(url, json={"reason": "Our disk."})).json()
    twice = (await admin.post(url, json={"reason": "Our disk."})).json()

    assert (made["user_name"], made["repeated"]) == ("ada", False)
    assert (twice["id"], twice["repeated"]) == (made["id"], True)


async def test_members_do_none_of_it(eve: httpx2.AsyncClient) -> None:
    grant = {"competition": "x", "gpu": "CPU", "gpu_seconds": 1, "reason": "x"}
    for request in (
        eve.get("/v1/admin/users/ada"),
        eve.post("/v1/admin/users/eve/role", json={"role": "admin"}),
        eve.get("/v1/admin/users/eve/allowance"),
        eve.post("/v1/admin/users/eve/grants", json=grant),
        eve.delete("/v1/admin/grants/1"),
        eve.post("/v1/admin/submissions/1/rerun", json={"reason": "x"}),
    ):
        refused(await request, 403, "not_an_admin")
