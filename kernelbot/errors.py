"""Everything that can go wrong, as one tree. Each kind knows its words, its code and its HTTP status.

::

    KernelbotError
    ├── Refused                  the person can do something about it; the message says what
    │   ├── InvalidInput         400  a value is malformed; names which and how to fix it
    │   ├── NotSignedIn          401  no token, or one that is unknown, expired or revoked
    │   ├── Forbidden            403  signed in, but not allowed (scope, role, ban, window)
    │   ├── NotFound             404  no such thing, or none that this person may see
    │   ├── Conflict             409  it was true once; the state has moved on
    │   ├── TooLarge             413  the body is over a bound; names the bound
    │   ├── UnsupportedMediaType 415  the body is of a kind that this address does not take
    │   └── RateLimited          429  says when to retry
    └── Fault                    500  ours; the person gets an id, the log gets the rest
        └── Unavailable          503  the database does not answer just now; the same request may pass

Channels translate in one place each: ``api/errors.py``, ``bot/errors.py``, ``cli/main.py``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar


class KernelbotError(Exception):
    """Safe to show: ``message`` is written for the person who caused it.

    ``code`` is for programs and stays the same when words change. ``detail`` holds whatever else a
    program may want: a limit, a list of choices, seconds to wait.
    """

    status: ClassVar[int] = 500
    default_code: ClassVar[str] = "fault"

    def __init__(self, message: str, *, code: str = "", detail: Mapping[str, Any] | None = None):
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.detail = dict(detail or {})


class Refused(KernelbotError):
    """The person's side of the line: never logged as a failure of ours."""

    status = 400
    default_code = "refused"


class InvalidInput(Refused):
    status = 400
    default_code = "invalid_input"


class NotSignedIn(Refused):
    status = 401
    default_code = "not_signed_in"


class Forbidden(Refused):
    status = 403
    default_code = "forbidden"


class NotFound(Refused):
    status = 404
    default_code = "not_found"


class Conflict(Refused):
    status = 409
    default_code = "conflict"


class TooLarge(Refused):
    status = 413
    default_code = "too_large"


class UnsupportedMediaType(Refused):
    status = 415
    default_code = "unsupported_media_type"


class RateLimited(Refused):
    """``retry_after_s`` seconds from now the same request may pass."""

    status = 429
    default_code = "rate_limited"

    def __init__(self, message: str, *, retry_after_s: int, code: str = "", **detail: Any):
        super().__init__(message, code=code, detail={**detail, "retry_after_s": retry_after_s})
        self.retry_after_s = retry_after_s


class Fault(KernelbotError):
    """Ours. ``message`` is for the person; the cause goes to the log under the same id."""


class Unavailable(Fault):
    """The database does not answer: nothing was decided, the same request may pass in a moment."""

    status = 503
    default_code = "unavailable"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``" Did you mean 'vectoradd'?"`` when something known is close, else nothing."""
    choices = {choice.lower(): choice for choice in known}
    # Matching takes the square of the length, and the word comes from strangers.
    close = difflib.get_close_matches(word[:100].lower(), choices, n=1, cutoff=0.6)
    return f" Did you mean {choices[close[0]]!r}?" if close else ""
