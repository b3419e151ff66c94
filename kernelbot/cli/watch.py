"""Following a submission: live from the event stream, by asking now and then where that fails."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kernelbot.cli.failure import Unreachable
from kernelbot.cli.screen import clean, note
from kernelbot.cli.server import Server, ServerEvent

if TYPE_CHECKING:
    from rich.live import Live

PAUSE_S = 1.0
OUTAGE_S = 120.0
"""The submission is judged whether or not we watch: a server that restarts is worth waiting for."""


def follow(server: Server, submission: Mapping[str, Any]) -> Mapping[str, Any]:
    """The finished submission. Shows its progress on stderr.

    Raises Unreachable when the server stays away for OUTAGE_S.
    """
    path = f"/v1/submissions/{submission['id']}"
    current, last, seen = submission, "", time.monotonic()
    with Progress(current) as progress:
        while not current["done"]:
            try:
                for event in server.events(submission["id"], last):
                    last = event.id or last
                    progress.event(event)
            except Unreachable:
                progress.lost()
            try:
                current, seen = server.get(path), time.monotonic()
                progress.document(current)
            except Unreachable:
                if time.monotonic() - seen > OUTAGE_S:
                    raise
            if not current["done"]:
                time.sleep(PAUSE_S)
    return current


class Progress:
    """One line for each GPU: redrawn in place on a terminal, written when it changes in a pipe."""

    def __init__(self, submission: Mapping[str, Any]) -> None:
        self._gpus = {run["id"]: run["gpu"] for run in submission["runs"]}
        self._words = {run["id"]: run["headline"] for run in submission["runs"]}
        self._said: dict[int, str] = {}
        self._live: Live | None = None

    def __enter__(self) -> Progress:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            self._live = Live(
                console=Console(stderr=True), refresh_per_second=8, transient=True, screen=False
            )
            self._live.start()
        self._show()
        return self

    def __exit__(self, *failure: object) -> None:
        if self._live is not None:
            self._live.stop()

    def event(self, event: ServerEvent) -> None:
        run_id, data = event.data.get("run_id"), event.data.get("data")
        if run_id in self._words and isinstance(data, dict):
            self._words[run_id] = words(event.kind, data) or self._words[run_id]
            self._show(in_passing=event.kind == "case")

    def document(self, submission: Mapping[str, Any]) -> None:
        self._words = {run["id"]: run["headline"] for run in submission["runs"]}
        self._show()

    def lost(self) -> None:
        self._words = dict.fromkeys(self._words, "connection lost, trying again; the run goes on")
        self._show()

    def _show(self, *, in_passing: bool = False) -> None:
        """``in_passing`` changes are worth a redraw but not a line in a log."""
        if self._live is not None:
            self._live.update(self._drawing())
        elif not in_passing:
            self._say_changes()

    def _drawing(self) -> Any:
        from rich.spinner import Spinner
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=(0, 1))
        for run_id, text in self._words.items():
            line = Text(f"{clean(self._gpus[run_id])}: {clean(text)}")
            grid.add_row(Spinner("dots"), line)
        return grid

    def _say_changes(self) -> None:
        for run_id, text in self._words.items():
            if self._said.get(run_id) != text:
                self._said[run_id] = text
                note(f"{clean(self._gpus[run_id])}: {clean(text)}")


def words(kind: str, data: Mapping[str, Any]) -> str:
    """An event in words; empty when it changes nothing that is shown."""
    match kind:
        case "wait":
            return str(data.get("text", ""))
        case "started":
            return "started"
        case "stage" | "case":
            return counted(data)
        case "retry":
            return f"{data.get('why', 'a fault of ours')}; it runs again, nothing is lost"
        case "finished":
            return str(data.get("verdict", "")).replace("_", " ")
        case "decided":
            return f"{data.get('decision', '')}: {data.get('reason', '')}"
        case "cancelled":
            return f"cancelled: {data['why']}" if "why" in data else "cancelled"
        case _:
            return ""


def counted(data: Mapping[str, Any]) -> str:
    """``check 3 of 5``."""
    stage, done, total = data.get("stage", ""), data.get("done"), data.get("total")
    return f"{stage} {done} of {total}" if total else str(stage)
