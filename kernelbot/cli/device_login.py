"""Being let in by somebody who types a code in Discord."""

from __future__ import annotations

import platform
import time
from datetime import UTC, datetime

from kernelbot.cli.failure import Declined, ServerRefused
from kernelbot.cli.screen import clean, note
from kernelbot.cli.server import Server


def token(server: Server) -> str:
    """Show the code and wait until it was typed. Raises Declined when nobody does in time."""
    asked = server.post("/v1/logins", {"client": f"kernelbot on {platform.node()[:60] or '?'}"})
    note(f"In Discord type:  /link code:{clean(asked['code'])}")
    note("Waiting for that; Ctrl-C ends it ...")
    ends = datetime.fromisoformat(asked["expires_at"])
    while datetime.now(UTC) < ends:
        time.sleep(asked["interval_s"])
        try:
            made = server.post("/v1/logins/token", {"secret": asked["secret"]})
        except ServerRefused as error:
            if error.code != "authorization_pending":
                raise
        else:
            return str(made["secret"])
    raise Declined("Nobody typed the code in time. Run `kernelbot login --discord` again.")
