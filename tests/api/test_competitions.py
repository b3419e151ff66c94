"""Competitions over HTTP: hidden ones, codes, standings across problems, code that has opened."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import httpx2
import pytest

from kernelbot.app import App
from kernelbot.domain.competition import Phase, Visibility
from kernelbot.domain.competition_scoring import CompetitionScoring
from tests.api.conftest import Submit, refused
from tests.factories import judge_one, make_verdict
from tests.services.contest import HOUR, board, contest, frozen, now, published

CLASS = "/v1/competitions/getting-started"
INVITES = "/v1/admin/competitions/getting-started/invites"
LICENCE = "Apache-2.0 — ©\nof the class"


@pytest.fixture
async def closed_class(app: App, shelf: Path) -> None:
    phases = (Phase(name="one"), Phase(name="two"))
    boards = (
        board(points=100, phase="one", code_opens=now() - HOUR),
        board("matmul", points=50, phase="two", opens=now() + HOUR),
    )
    await published(
        app,
        shelf,
        contest(
            *boards,
            visibility=Visibility.INVITE,
            licence=LICENCE,
            phases=phases,
            scoring=CompetitionScoring(),
        ),
    )


@pytest.mark.usefixtures("closed_class")
async def test_from_a_code_to_the_standings_across_problems(
    admin: httpx2.AsyncClient, ada: httpx2.AsyncClient, submit: Submit
) -> None:
    for path in (CLASS, f"{CLASS}/standings"):
        refused(await ada.get(path), 404, "unknown_competition")
    made = await admin.post(INVITES, json={"most": 1, "days": 1})
    assert made.status_code == 201

    code = made.json()["code"]
    joined = await ada.post(f"{CLASS}/join", json={"code": code})
    assert joined.json()["joined"]
    await submit(ada, mode="ranked")
    await judge_one(_app(ada), make_verdict(ns=1e6))

    page = (await ada.get(f"{CLASS}/standings")).json()
    assert (page["phase"], page["total"], page["frozen_until"]) == ("one", 1, None)
    assert page["events"] == [
        {"leaderboard": "vectoradd", "gpu": "CPU", "worth": 100.0, "counts": True}
    ]
    assert page["mine"] == page["items"][0]
    assert page["items"][0]["score"] == 100
    assert page["items"][0]["parts"][0]["rank"] == 1
    assert (await ada.get(f"{CLASS}/standings?phase=TWO")).json()["total"] == 0
    refused(await ada.get(f"{CLASS}/standings?phase=three"), 400, "unknown_phase")
    listed = (await ada.get("/v1/competitions")).json()["items"]
    assert [(item["name"], item["joined"]) for item in listed] == [("getting-started", True)]


def _app(client: httpx2.AsyncClient) -> App:
    found: App = client._transport.app.state.context  # type: ignore[attr-defined]
    return found


@pytest.mark.usefixtures("closed_class")
async def test_codes_are_listed_without_themselves_and_can_be_revoked(
    admin: httpx2.AsyncClient, ada: httpx2.AsyncClient, bob: httpx2.AsyncClient
) -> None:
    made = (await admin.post(INVITES, json={})).json()
    await ada.post(f"{CLASS}/join", json={"code": made["code"]})

    (listed,) = (await admin.get(INVITES)).json()["items"]
    assert (listed["joined"], listed["most"], "code" in listed) == (1, None, False)
    assert (await admin.delete(f"{INVITES}/{listed['id']}")).status_code == 200

    wrong = await bob.post(f"{CLASS}/join", json={"code": made["code"]})
    refused(wrong, 404, "unknown_invitation")
    assert (await ada.get(CLASS)).status_code == 200


@pytest.mark.usefixtures("closed_class")
async def test_codes_are_for_administrators(ada: httpx2.AsyncClient) -> None:
    refused(await ada.post(INVITES, json={}), 403, "not_an_admin")
    refused(await ada.get(INVITES), 403, "not_an_admin")
    refused(await ada.delete(f"{INVITES}/1"), 403, "not_an_admin")


@pytest.mark.usefixtures("closed_class")
async def test_a_code_is_not_made_from_a_wish_with_a_key_that_means_nothing(
    admin: httpx2.AsyncClient,
) -> None:
    said = refused(await admin.post(INVITES, json={"people": 30}), 422, "invalid_input")

    assert "people" in said
    assert (await admin.get(INVITES)).json()["items"] == []


async def test_opened_code_comes_with_its_licence(
    app: App,
    shelf: Path,
    ada: httpx2.AsyncClient,
    bob: httpx2.AsyncClient,
    submit: Submit,
) -> None:
    await published(app, shelf, contest(board(code_opens=now() - HOUR), licence=LICENCE))
    sent = (await submit(ada, mode="ranked")).json()
    refused(await bob.get(f"{sent['url']}/code"), 404, "unknown_submission")
    await judge_one(app, make_verdict(ns=1e6))

    found = await bob.get(f"{sent['url']}/code")

    assert found.content == (await ada.get(f"{sent['url']}/code")).content
    assert unquote(found.headers["x-licence"]) == LICENCE
    refused(await bob.get(sent["url"]), 404, "unknown_submission")


async def test_a_long_licence_is_cut_where_it_is_a_header_and_whole_in_the_competition(
    app: App, shelf: Path, ada: httpx2.AsyncClient, submit: Submit
) -> None:
    long = "©" * 2000
    await published(app, shelf, contest(board(), licence=long))
    sent = (await submit(ada)).json()

    found = await ada.get(f"{sent['url']}/code")

    assert unquote(found.headers["x-licence"]) == "©" * 100 + "…"
    assert (await ada.get(CLASS)).json()["definition"]["licence"] == long


async def test_a_frozen_page_is_one_for_everybody_and_another_for_who_is_faster_now(
    app: App,
    shelf: Path,
    ada: httpx2.AsyncClient,
    admin: httpx2.AsyncClient,
    anonymous: httpx2.AsyncClient,
    submit: Submit,
) -> None:
    await published(app, shelf, contest(board(freeze=frozen())))
    await submit(ada, mode="ranked")
    await judge_one(app, make_verdict(ns=1e6))

    totals = {}
    for reader in (anonymous, ada, admin):
        page = (await reader.get("/v1/leaderboards/vectoradd/standings?gpu=CPU")).json()
        assert page["frozen_until"] is not None
        totals[reader] = (page["total"], page["seen_through"])

    assert totals == {anonymous: (0, False), ada: (1, False), admin: (1, True)}
