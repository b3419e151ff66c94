"""What a configuration implies."""

from __future__ import annotations

from typing import Any

import pytest

from kernelbot.config import Settings


@pytest.mark.parametrize(
    ("choices", "demanded"),
    [
        ({}, ""),
        ({"public_url": "http://localhost:8000"}, ""),
        ({"public_url": "http://127.0.0.1:8000", "host": "::1"}, ""),
        ({"public_url": "https://kernels.example.org"}, "fenced"),
        ({"host": "0.0.0.0"}, "fenced"),
        ({"host": "192.0.2.7"}, "fenced"),
        ({"public_url": "kernels.example.org"}, "fenced"),
        ({"discord_token": "a-bot"}, "fenced"),
        ({"database_url": "postgresql://u:p@db.example.org/kernelbot"}, "fenced"),
        ({"database_url": "postgresql://u:p@127.0.0.1/kernelbot"}, ""),
        ({"public_url": "https://kernels.example.org", "isolation": "bubblewrap"}, "bubblewrap"),
        ({"public_url": "https://kernels.example.org", "isolation": "processes"}, "processes"),
        ({"isolation": "user"}, "user"),
    ],
)
def test_a_server_that_others_reach_demands_a_fence_unless_told_otherwise(
    choices: dict[str, Any], demanded: str
) -> None:
    assert Settings(**choices).demanded_isolation == demanded
