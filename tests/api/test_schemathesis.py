"""What the OpenAPI document promises, tried by a machine that knows every way to break a promise."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.api.serving import Serving, serving
from tests.conftest import ADMIN_TOKEN

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "ignored_auth",
)


@pytest_asyncio.fixture
async def server(environment: dict[str, str], tmp_path: Path) -> AsyncIterator[Serving]:
    async with serving(environment, tmp_path / "api.log") as started:
        yield started


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("credentials", [True, False], ids=["administrator", "anonymous"])
async def test_the_api_keeps_what_its_document_promises(server: Serving, credentials: bool) -> None:
    # Event streams have no end to wait for; revoking the token in use would end the trial.
    command = [
        str(Path(sys.executable).parent / "st"), "run", f"{server.url}/openapi.json",
        "--phases", "examples,coverage,fuzzing", "--checks", ",".join(CHECKS),
        "--max-examples", "3", "--seed", "1", "--generation-deterministic",
        "--exclude-path-regex", "/events$|/metrics$", "--no-color",
        "--request-timeout", "120", "--suppress-health-check", "all",
        "--exclude-operation-id", "revoke_token_v1_me_tokens__token_id__delete",
    ]  # fmt: skip
    if credentials:
        command += ["--header", f"Authorization: Bearer {ADMIN_TOKEN}"]
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=server.environment,
    )
    output, _ = await process.communicate()

    assert process.returncode == 0, output.decode()[-12000:]
