"""Files of a submission over the API: listed, streamed, saved and never shown."""

from __future__ import annotations

import hashlib

import httpx2

from kernelbot.app import App
from tests.api.conftest import Submit, refused
from tests.factories import claim_one
from tests.services.test_artefacts import REPORT, ended


async def profiled(app: App, submit: Submit, ada: httpx2.AsyncClient) -> int:
    answer = await submit(ada, mode="profile")
    assert answer.status_code == 202, answer.text
    await ended(app, await claim_one(app), {"profile.ncu-rep": REPORT})
    return int(answer.json()["id"])


async def test_a_file_is_listed_and_downloaded_whole(
    app: App, ada: httpx2.AsyncClient, submit: Submit
) -> None:
    submission = await profiled(app, submit, ada)

    (item,) = (await ada.get(f"/v1/submissions/{submission}/artefacts")).json()["items"]
    answer = await ada.get(item["url"])

    assert (item["name"], item["bytes"]) == ("CPU-profile.ncu-rep", len(REPORT))
    assert answer.content == REPORT
    assert hashlib.sha256(answer.content).hexdigest() == item["sha256"]
    assert answer.headers["content-length"] == str(len(REPORT))
    run = (await ada.get(f"/v1/submissions/{submission}")).json()["runs"][0]
    assert run["artefacts"] == ["CPU-profile.ncu-rep"]


async def test_a_file_is_only_ever_saved(app: App, ada: httpx2.AsyncClient, submit: Submit) -> None:
    submission = await profiled(app, submit, ada)

    answer = await ada.get(f"/v1/submissions/{submission}/artefacts/CPU-profile.ncu-rep")

    assert answer.headers["content-disposition"].startswith("attachment;")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-type"] == "application/gzip"


async def test_files_are_their_owners(
    app: App, ada: httpx2.AsyncClient, bob: httpx2.AsyncClient, anonymous: httpx2.AsyncClient,
    submit: Submit,
) -> None:  # fmt: skip
    submission = await profiled(app, submit, ada)
    path = f"/v1/submissions/{submission}/artefacts"

    for url in (path, f"{path}/CPU-profile.ncu-rep"):
        assert (await bob.get(url)).status_code == 404
        assert (await anonymous.get(url)).status_code == 401


async def test_a_file_that_is_not_there_is_named_with_those_that_are(
    app: App, ada: httpx2.AsyncClient, submit: Submit
) -> None:
    submission = await profiled(app, submit, ada)

    answer = await ada.get(f"/v1/submissions/{submission}/artefacts/other")

    assert answer.status_code == 404
    assert "CPU-profile.ncu-rep" in answer.json()["error"]["message"]


async def test_a_profile_is_of_the_case_that_was_asked_for(
    app: App, ada: httpx2.AsyncClient, submit: Submit
) -> None:
    assert (await submit(ada, mode="profile", case="1")).status_code == 202
    assert (await claim_one(app)).job.profile_case == 1


async def test_without_a_case_the_judge_chooses(
    app: App, ada: httpx2.AsyncClient, submit: Submit
) -> None:
    assert (await submit(ada, mode="profile")).status_code == 202
    assert (await claim_one(app)).job.profile_case == -1


async def test_a_case_that_cannot_be_is_refused(ada: httpx2.AsyncClient, submit: Submit) -> None:
    for fields, code in (
        ({"mode": "profile", "case": "99"}, "unknown_case"),
        ({"mode": "profile", "case": "-1"}, "bad_case"),
        ({"mode": "profile", "case": "first"}, "bad_case"),
        ({"mode": "ranked", "case": "0"}, "case_without_profile"),
    ):
        refused(await submit(ada, **fields), 400, code)
