"""Programs that are forked from one that has imported them behave as those that an interpreter starts."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import programs
from tests.processes import alive

TELLS = """\
import os, sys, time
print(sys.argv[1:], os.getcwd(), sorted(os.environ.items()), sys.path[0], __name__, __spec__.name)
print(time.localtime(0).tm_hour, os.getsid(0) == os.getpid(), os.get_blocking(0), sorted(os.listdir("/proc/self/fd")))
print(sys.stdout.line_buffering, sys.stderr.line_buffering, sys.stdin.read(), file=sys.stderr)
sys.exit(7)
"""


async def told(tmp_path: Path, environment: dict[str, str], *, forked: bool) -> tuple[object, ...]:
    (tmp_path / "tells.py").write_text(TELLS)
    start = programs.start if forked else from_nothing
    process = await start(
        "tells", "a", "b c", env=environment, cwd=tmp_path, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert isinstance(process, programs.Program) == forked
    async with asyncio.timeout(120):
        said = await process.communicate()
    return (*said, process.returncode)


async def from_nothing(program: str, *arguments: str, **more: object) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", program, *arguments, stdin=subprocess.DEVNULL,
        **more,  # type: ignore[arg-type]
    )  # fmt: skip


async def test_a_program_finds_what_an_interpreter_would_have_found(tmp_path: Path) -> None:
    keep = {k: v for k, v in os.environ.items() if k.startswith(programs.READ_BY_THE_INTERPRETER)}
    environment = keep | {"TZ": "Asia/Tokyo", "HOME": "/nowhere", "PYTHONPATH": str(programs.ROOT)}

    forked = await told(tmp_path, environment, forked=True)
    begun = await told(tmp_path, environment, forked=False)

    assert forked == begun
    assert forked[2] == 7


async def test_a_signal_that_ends_a_program_is_its_exit_code(tmp_path: Path) -> None:
    (tmp_path / "sleeps.py").write_text("import time\nprint('here', flush=True)\ntime.sleep(600)\n")
    started = [
        await programs.start("sleeps", env=dict(os.environ), cwd=tmp_path, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    for process, number in zip(started, (signal.SIGKILL, signal.SIGTERM), strict=True):
        assert process.stdout is not None
        async with asyncio.timeout(120):
            assert await process.stdout.readline() == b"here\n"
        process.send_signal(number)
        assert await asyncio.wait_for(process.wait(), 120) == -number
        assert not alive([process.pid])
        with pytest.raises(ProcessLookupError):
            process.kill()


async def test_what_the_interpreter_itself_reads_takes_an_interpreter_of_its_own(
    tmp_path: Path,
) -> None:
    (tmp_path / "tells.py").write_text("import os, sys\nprint(sys.flags.utf8_mode)\n")
    process = await programs.start(
        "tells", env={**os.environ, "PYTHONUTF8": "1"}, cwd=tmp_path, stdout=subprocess.PIPE
    )
    async with asyncio.timeout(120):
        assert (await process.communicate())[0] == b"1\n"
