"""Pausing over HTTP, as programs and the command line do it."""

from __future__ import annotations

import httpx2

from tests.api.conftest import Submit, refused

WHY = "The room is too warm."


async def test_what_is_paused_refuses_with_the_reason_and_is_shown_to_everybody(
    admin: httpx2.AsyncClient,
    ada: httpx2.AsyncClient,
    anonymous: httpx2.AsyncClient,
    submit: Submit,
) -> None:
    paused = await admin.post(
        "/v1/admin/intake/pause", json={"gpu": "cpu", "reason": WHY, "hold": True}
    )
    answer = await submit(ada)
    queues = (await anonymous.get("/v1/queues")).json()["items"]
    listed = (await admin.get("/v1/admin/intake")).json()["items"]

    assert paused.status_code == 200, paused.text
    assert WHY in refused(answer, 409, "intake_paused")
    assert answer.json()["error"]["detail"]["reason"] == WHY
    (cpu,) = [item["paused"] for item in queues if item["gpu"] == "CPU"]
    assert (cpu["gpu"], cpu["reason"], cpu["holds"]) == ("CPU", WHY, True)
    assert "paused_by" not in cpu
    assert [(item["gpu"], item["paused_by"]) for item in listed] == [("CPU", "admin")]

    assert (await admin.post("/v1/admin/intake/resume", json={"gpu": "CPU"})).status_code == 200
    refused(await admin.post("/v1/admin/intake/resume", json={"gpu": "CPU"}), 409, "not_paused")
    assert (await submit(ada)).status_code == 202
    refused(await ada.post("/v1/admin/intake/pause", json={"reason": WHY}), 403, "not_an_admin")
    refused(await ada.get("/v1/admin/intake"), 403, "not_an_admin")
