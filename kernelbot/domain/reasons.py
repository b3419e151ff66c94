"""Why somebody decided something: a sentence that is kept, and read by whom it is about."""

from __future__ import annotations

from kernelbot.errors import InvalidInput

MAX_REASON_CHARACTERS = 500


def bounded_reason(reason: str) -> None:
    """Raises InvalidInput for a reason that says nothing, or too much."""
    if not reason.strip() or len(reason) > MAX_REASON_CHARACTERS or "\0" in reason:
        raise InvalidInput(
            f"Give a reason of 1 to {MAX_REASON_CHARACTERS} characters.", code="bad_reason"
        )
