"""A second ``kernelbot up`` on a data folder that the first still serves."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from pathlib import Path

import pytest

from kernelbot.cli import up
from kernelbot.errors import Conflict
from kernelbot.storage import embedded
from tests.conftest import make_settings


def test_a_second_one_is_refused_and_ends_nothing_of_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "LOCK_PATIENCE_S", 0.2)
    noted = tmp_path / "processes"
    first = asyncio.run(embedded.take_charge(tmp_path / "lock", "The data folder", print))
    second = up.Supervisor(
        make_settings("postgresql://nowhere", tmp_path),
        {"unchecked": False, "accepted": ()},
        worker=False,
        bot=False,
    )
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as api:
        try:
            noted.write_text(json.dumps({str(api.pid): up.started_at(api.pid)}))

            with pytest.raises(Conflict, match=f"data folder {tmp_path} is in use by process"):
                asyncio.run(second.run())

            assert api.poll() is None
            assert up.leftovers(noted) == [api.pid]
        finally:
            api.kill()
            os.close(first)
