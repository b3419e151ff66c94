"""What can go wrong between this command and the server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kernelbot.cli.exits import Exit
from kernelbot.errors import KernelbotError


class CommandFailed(KernelbotError):
    """Ends the command with ``exit``; ``message`` is for the person, ``code`` for programs."""

    exit = Exit.REFUSED

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        detail: Mapping[str, Any] | None = None,
        request_id: str = "",
    ):
        super().__init__(message, code=code, detail=detail)
        self.request_id = request_id


class ServerRefused(CommandFailed):
    """The server understood and said no."""

    default_code = "refused"


class ServerBroke(CommandFailed):
    """The server answered that it is its own fault."""

    exit = Exit.OUR_FAULT
    default_code = "fault"


class Unreachable(CommandFailed):
    """No answer at all, or none that is this API's."""

    exit = Exit.UNREACHABLE
    default_code = "unreachable"


class Declined(CommandFailed):
    """Refused here, before any server was asked."""

    default_code = "declined"
