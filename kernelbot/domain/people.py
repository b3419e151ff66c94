"""Who is acting, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from kernelbot.errors import Forbidden


class Scope(StrEnum):
    """What a token may be used for. A person in Discord has all but ``admin``, which administrators have there for
    the commands of ``/admin`` alone, and to let a command line in that has it for a day."""

    READ = "read"  # own submissions, code and logs
    SUBMIT = "submit"  # send and cancel submissions
    TOKENS = "tokens"  # make and revoke tokens
    ADMIN = "admin"  # moderation; also needs the admin role


class Role(StrEnum):
    MEMBER = "member"
    ADMIN = "admin"


PERSONAL_SCOPES = frozenset({Scope.READ, Scope.SUBMIT, Scope.TOKENS})
ALL_SCOPES = frozenset(Scope)


@dataclass(frozen=True, kw_only=True)
class Actor:
    """The person behind a request, and the door they came through."""

    user_id: int
    name: str
    channel: str  # "api" | "cli" | "popcorn" | "discord" | "web"
    role: Role = Role.MEMBER
    scopes: frozenset[Scope] = PERSONAL_SCOPES
    banned_until: datetime | None = None
    ban_reason: str = ""
    expires_at: datetime | None = None  # of the token; None: it has no end, or there is none

    def needs(self, scope: Scope) -> None:
        """Raise Forbidden unless this actor's token carries the scope (and the role it needs)."""
        if scope is Scope.ADMIN and self.role is not Role.ADMIN:
            raise Forbidden("This is for administrators.", code="not_an_admin")
        if scope not in self.scopes:
            have = ", ".join(sorted(self.scopes)) or "none"
            discord = " In Discord you let a command line in that has it for a day: `kernelbot login --discord`."
            raise Forbidden(
                f"This needs the scope {scope.value!r}; your token has: {have}. "
                "Use one that has it; with that you can also make another: "
                f"`kernelbot tokens create NAME --scope {scope.value}`."
                f"{discord if scope is Scope.ADMIN else ''}",
                code="missing_scope",
                detail={"scope": scope.value},
            )
