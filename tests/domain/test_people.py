"""What an actor may do, by scope and role."""

from __future__ import annotations

import pytest

from kernelbot.domain.people import ALL_SCOPES, Actor, Role, Scope
from kernelbot.errors import Forbidden


def actor(scopes: frozenset[Scope], role: Role = Role.MEMBER) -> Actor:
    return Actor(user_id=1, name="ada", channel="api", scopes=scopes, role=role)


def test_a_missing_scope_is_named_with_those_there_are_and_the_way_to_get_it() -> None:
    with pytest.raises(Forbidden) as refusal:
        actor(frozenset({Scope.READ})).needs(Scope.SUBMIT)

    assert refusal.value.code == "missing_scope"
    assert "'submit'" in refusal.value.message
    assert "has: read" in refusal.value.message
    assert "kernelbot tokens create" in refusal.value.message


def test_a_token_without_any_scope_says_none() -> None:
    with pytest.raises(Forbidden, match="none"):
        actor(frozenset()).needs(Scope.READ)


def test_a_member_is_not_sent_for_a_token_that_members_cannot_have() -> None:
    with pytest.raises(Forbidden, match=r"^This is for administrators\.$"):
        actor(frozenset({Scope.READ})).needs(Scope.ADMIN)


def test_the_admin_scope_without_the_admin_role_is_not_enough() -> None:
    with pytest.raises(Forbidden) as refusal:
        actor(ALL_SCOPES).needs(Scope.ADMIN)

    assert refusal.value.code == "not_an_admin"


def test_the_admin_role_without_the_admin_scope_is_not_enough() -> None:
    with pytest.raises(Forbidden) as refusal:
        actor(frozenset({Scope.READ}), Role.ADMIN).needs(Scope.ADMIN)

    assert refusal.value.code == "missing_scope"
    assert "`kernelbot login --discord`" in refusal.value.message


@pytest.mark.parametrize("scope", list(Scope))
def test_an_administrator_with_every_scope_may_do_everything(scope: Scope) -> None:
    actor(ALL_SCOPES, Role.ADMIN).needs(scope)
