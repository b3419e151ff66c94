"""Hostile and broken uploads: each gets what is wrong and how to fix it, and stores nothing."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from starlette.requests import Request
from starlette.types import Message

from kernelbot.api.upload import MAX_BODY_BYTES, read_draft
from kernelbot.app import App
from kernelbot.domain.admission import MAX_CODE_BYTES
from kernelbot.errors import InvalidInput
from kernelbot.services import identity, moderation
from tests.api.conftest import Submit, client, refused, token_of
from tests.conftest import ADMIN_TOKEN
from tests.factories import CODE

BOUNDARY = "b0undary"
FORM = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}


def part(disposition: str, content: bytes = CODE, *, end: bool = True) -> bytes:
    head = f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\n".encode()
    return head + content + b"\r\n" + (f"--{BOUNDARY}--\r\n".encode() if end else b"")


FILE = 'form-data; name="file"; filename="kernel.py"'


async def stored(app: App) -> int:
    async with app.database.read() as connection:
        count = await connection.scalar(text("SELECT count(*) FROM submissions"))
    assert isinstance(count, int)
    return count


@pytest.mark.parametrize(
    ("code", "status", "refusal", "words"),
    [
        (b"", 400, "empty_file", "empty"),
        (b" \n\t\r\n", 400, "empty_file", "empty"),
        (b"import torch\0\n", 400, "binary_file", "byte 12 is NUL"),
        (b"\x7fELF\x02\x01\x01\0", 400, "binary_file", "UTF-8 text"),
        (b"# fine\n# \xff\xfe\n", 400, "not_utf8", "line 2"),
        (b"# -*- coding: utf-7 -*-\n", 400, "foreign_encoding", "'utf-7'"),
        (b"x" * (MAX_CODE_BYTES + 1), 413, "file_too_large", "1,000,000"),
        (b"x" * (MAX_BODY_BYTES + 1), 413, "file_too_large", "1,000,000"),
        (b"#!kernelbot leaderbord vectoradd\n", 400, "bad_directive", "Did you mean"),
        (b"#!kernelbot gpu\n", 400, "bad_directive", "Line 1"),
        (b"#!kernelbot gpu H100\n", 400, "contradicting_gpu", "H100"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else None,
)
async def test_a_file_that_cannot_be_judged_is_refused(
    untouched: App,
    eve: httpx2.AsyncClient,
    submit: Submit,
    code: bytes,
    status: int,
    refusal: str,
    words: str,
) -> None:
    message = refused(await submit(eve, code), status, refusal)

    assert words in message
    assert await stored(untouched) == 0


@pytest.mark.parametrize(
    ("fields", "status", "refusal", "words"),
    [
        ({"leaderboard": "vectorad"}, 404, "unknown_leaderboard", "Did you mean 'vectoradd'?"),
        ({"leaderboard": None}, 400, "no_leaderboard", "#!kernelbot leaderboard NAME"),
        ({"leaderboard": "vec\0tor"}, 400, "bad_field", "NUL"),
        ({"leaderboard": "a" * 5000}, 413, "too_large", "4,000"),
        ({"leaderboard": "'; DROP TABLE submissions; --"}, 404, "unknown_leaderboard", "DROP"),
        ({"leaderboard": ["vectoradd", "matmul"]}, 400, "repeated_field", "2 times"),
        ({"gpus": "H10"}, 400, "unknown_gpu", "Did you mean 'H100'?"),
        ({"gpus": None}, 400, "no_gpu", "Choose from: CPU"),
        ({"mode": "rankd"}, 400, "unknown_mode", "Did you mean 'ranked'?"),
        ({"mode": "private"}, 400, "unknown_mode", "test, benchmark, profile, ranked"),
        ({"gpu": "CPU"}, 400, "unknown_field", "Did you mean 'gpus'?"),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_a_form_that_asks_for_what_is_not_there_is_refused(
    untouched: App,
    eve: httpx2.AsyncClient,
    submit: Submit,
    fields: dict[str, object],
    status: int,
    refusal: str,
    words: str,
) -> None:
    message = refused(await submit(eve, **fields), status, refusal)

    assert words in message
    assert await stored(untouched) == 0


@pytest.mark.parametrize(
    ("headers", "body", "status", "refusal"),
    [
        ({}, b"", 415, "unsupported_media_type"),
        ({"content-type": "application/json"}, b'{"file": "x"}', 415, "unsupported_media_type"),
        ({"content-type": "text/x-python"}, CODE, 415, "unsupported_media_type"),
        (
            {"content-type": "application/x-www-form-urlencoded"},
            b"file=x",
            415,
            "unsupported_media_type",
        ),
        ({"content-type": "multipart/form-data"}, part(FILE), 400, "bad_form"),
        ({"content-type": "multipart/form-data; boundary="}, part(FILE), 400, "bad_form"),
        (
            {"content-type": f"multipart/form-data; boundary={'b' * 300}"},
            part(FILE),
            400,
            "bad_form",
        ),
        ({"content-type": "multipart/form-data; boundary=other"}, part(FILE), 400, "bad_form"),
        (FORM, b"", 400, "cut_off"),
        (FORM, b"no form at all", 400, "bad_form"),
        (FORM, f"--{BOUNDARY}--\r\n".encode(), 400, "no_file"),
        (FORM, part('form-data; name="mode"', b"test"), 400, "no_file"),
        (FORM, part('form-data; name="file"'), 400, "file_as_text"),
        (FORM, part(FILE, end=False) + part(FILE), 400, "several_files"),
        (FORM, part('form-data; filename="kernel.py"'), 400, "bad_form"),
        (FORM, part('form-data; name="mode"; filename="m"'), 400, "bad_field"),
        (
            FORM,
            part(FILE, end=False) + part('form-data; name="leaderboard"', b"\xff\xfe"),
            400,
            "bad_field",
        ),
        (FORM, part(FILE, end=False), 400, "cut_off"),
        (FORM, part(FILE)[: len(CODE)], 400, "cut_off"),
        (FORM, part(f'form-data; name="{"x" * 9000}"'), 400, "bad_form"),
        (FORM, part('form-data; name="mode"', b"", end=False) * 50, 400, "bad_form"),
    ],
    ids=lambda value: str(value)[:24] if isinstance(value, str) else None,
)
async def test_a_body_that_is_no_form_with_one_file_is_refused(
    untouched: App,
    eve: httpx2.AsyncClient,
    headers: dict[str, str],
    body: bytes,
    status: int,
    refusal: str,
) -> None:
    refused(await eve.post("/v1/submissions", content=body, headers=headers), status, refusal)

    assert await stored(untouched) == 0


@pytest.mark.parametrize("name", ["kernel.txt", "kernel", "kernel.rs", "kernel.py.exe"])
async def test_a_file_of_another_kind_is_refused_with_the_kinds_that_are_taken(
    eve: httpx2.AsyncClient, submit: Submit, name: str
) -> None:
    message = refused(await submit(eve, name=name), 400, "wrong_extension")

    assert ".py" in message


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd.py",
        "C:\\windows\\k.py",
        "<img src=x onerror=alert(1)>.py",
        "\x1b[31mred\x1b[0m.py",
        "a\u202egnp.py",
        "[bold]k[/bold].py",
        "x" * 3000 + ".py",
        "k\r\nSet-Cookie: a=b.py",
    ],
)
async def test_a_file_name_is_kept_only_as_far_as_it_is_harmless(
    ada: httpx2.AsyncClient, name: str
) -> None:
    # By hand: a well-behaved client would escape what an attacker sends as it is.
    quoted = name.replace("\r\n", "%0D%0A")
    disposition = f'form-data; name="file"; filename="{quoted}"'
    body = part(disposition, end=False) + part(
        'form-data; name="leaderboard"', b"vectoradd", end=False
    )
    body += part('form-data; name="gpus"', b"CPU")

    response = await ada.post("/v1/submissions", content=body, headers=FORM)

    assert response.status_code == 202, response.text
    kept = response.json()["file_name"]
    assert kept.endswith(".py")
    assert len(kept) <= 100
    assert all(sign.isalnum() or sign in "._+-" for sign in kept)


async def test_a_body_that_grows_without_end_is_refused_while_it_streams(
    eve: httpx2.AsyncClient,
) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield part(FILE, b"", end=False)
        while sent < 100 * MAX_BODY_BYTES:
            sent += 65536
            yield b"x" * 65536

    gc.collect()
    tracemalloc.start()
    response = await eve.post("/v1/submissions", content=endless(), headers=FORM)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    refused(response, 413, "file_too_large")
    assert sent < 2 * MAX_BODY_BYTES
    assert peak < 5 * MAX_BODY_BYTES


async def test_a_body_whose_length_says_too_much_is_refused_unread(eve: httpx2.AsyncClient) -> None:
    async def unread() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    headers = {**FORM, "content-length": str(MAX_BODY_BYTES + 1)}

    refused(
        await eve.post("/v1/submissions", content=unread(), headers=headers), 413, "file_too_large"
    )


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 201, "é"])
async def test_an_odd_idempotency_key_is_refused(
    eve: httpx2.AsyncClient, submit: Submit, key: str
) -> None:
    refused(
        await submit(eve, headers={"idempotency-key": key.encode("latin-1")}),  # type: ignore[dict-item]
        422,
        "invalid_input",
    )


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("Bearer", "not_signed_in"),
        ("Bearer ", "not_signed_in"),
        ("Basic YWRhOnB3", "not_signed_in"),
        ("kb_abc", "not_signed_in"),
        ("Bearer nonsense", "unknown_token"),
        ("Bearer " + "x" * 5000, "unknown_token"),
        ("Bearer \xff\xfe", "unknown_token"),
    ],
)
async def test_a_header_that_signs_nobody_in_is_refused(
    eve: httpx2.AsyncClient, submit: Submit, header: str, code: str
) -> None:
    response = await submit(eve, headers={"authorization": header.encode("latin-1")})  # type: ignore[dict-item]

    refused(response, 401, code)


async def test_an_expired_token_is_refused_as_expired(
    api: FastAPI, app: App, submit: Submit
) -> None:
    token = await token_of(app, "late")
    async with app.database.transaction() as connection:
        await connection.execute(
            text(
                "UPDATE tokens SET expires_at = now() - interval '1 second' WHERE digest = :digest"
            ),
            {"digest": identity.digest(token)},
        )

    async with client(api, token) as late:
        refused(await submit(late), 401, "expired_token")


async def test_a_banned_person_is_told_until_when_and_why(
    app: App, ada: httpx2.AsyncClient, submit: Submit
) -> None:
    admin = await identity.authenticate(app, ADMIN_TOKEN, "api")
    await moderation.ban(app, admin, "ada", datetime.now(UTC) + timedelta(days=3), "Shared code.")

    message = refused(await submit(ada), 403, "banned")

    assert "Shared code." in message
    assert await stored(app) == 0


@pytest.mark.parametrize(
    ("column", "offset", "code"),
    [("closes_at", "-1 minute", "deadline_passed"), ("opens_at", "1 hour", "not_open_yet")],
)
async def test_outside_the_window_nothing_is_taken(
    app: App, ada: httpx2.AsyncClient, submit: Submit, column: str, offset: str, code: str
) -> None:
    async with app.database.transaction() as connection:
        await connection.execute(
            text(f"UPDATE leaderboards SET {column} = now() + interval '{offset}'")
        )

    refused(await submit(ada), 403, code)

    assert await stored(app) == 0


async def test_over_the_allowance_says_when_to_come_again(
    app: App, ada: httpx2.AsyncClient, submit: Submit
) -> None:
    async with app.database.transaction() as connection:
        await connection.execute(text("UPDATE leaderboards SET other_per_hour = 2"))
    assert [(await submit(ada)).status_code for _ in range(2)] == [202, 202]

    response = await submit(ada)

    message = refused(response, 429, "over_allowance")
    seconds = int(response.headers["retry-after"])
    assert 3500 < seconds <= 3601
    assert "within an hour. Try again in 60 min" in message
    left = (await ada.get("/v1/me/allowance", params={"leaderboard": "vectoradd"})).json()
    assert left["items"][0]["other_left"] == 0


async def test_requests_at_the_same_time_do_not_all_pass_the_allowance(
    app: App, ada: httpx2.AsyncClient, submit: Submit
) -> None:
    async with app.database.transaction() as connection:
        await connection.execute(text("UPDATE leaderboards SET other_per_hour = 2"))

    answers = await asyncio.gather(*(submit(ada) for _ in range(10)))

    assert sorted(answer.status_code for answer in answers) == [202] * 2 + [429] * 8
    assert await stored(app) == 2


async def test_one_key_sent_to_two_leaderboards_at_once_is_taken_for_one(
    app: App, ada: httpx2.AsyncClient, submit: Submit
) -> None:
    for attempt in range(5):
        key = {"idempotency-key": f"both-{attempt}"}
        boards = ("vectoradd", "matmul")

        answers = await asyncio.gather(
            *(submit(ada, headers=key, leaderboard=board) for board in boards)
        )

        assert {answer.status_code for answer in answers} <= {202, 409}
        assert await stored(app) == attempt + 1


async def test_an_upload_that_never_ends_is_given_up() -> None:
    async def silent() -> Message:
        await asyncio.Event().wait()
        raise AssertionError("nothing ever comes")

    headers = [(b"content-type", FORM["content-type"].encode())]
    request = Request({"type": "http", "headers": headers}, silent)

    with pytest.raises(InvalidInput, match="longer than") as refusal:
        await read_draft(request, None, patience_s=0.05)

    assert refusal.value.code == "too_slow"
