"""Identity: one user per external account, tokens kept as hashes, scopes that only shrink."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from kernelbot.app import App
from kernelbot.domain.people import ALL_SCOPES, Actor, Role, Scope
from kernelbot.errors import Forbidden, InvalidInput, NotFound, NotSignedIn
from kernelbot.services import identity, persons
from tests.conftest import ADMIN_TOKEN
from tests.factories import make_actor


async def rows(app: App, query: str, **values: Any) -> list[Any]:
    async with app.database.transaction() as connection:
        result = await connection.execute(text(query), values)
        return list(result.all()) if result.returns_rows else []


async def admin(app: App) -> Actor:
    return await identity.authenticate(app, ADMIN_TOKEN, "api")


# --- external accounts ---------------------------------------------------------------------------


async def test_twenty_first_sightings_at_once_make_one_user(app: App) -> None:
    found = await asyncio.gather(
        *(identity.person(app, "discord", "42", "ada", "discord") for _ in range(20))
    )

    assert len({actor.user_id for actor in found}) == 1
    assert (await rows(app, "SELECT count(*) FROM users WHERE name = 'ada'"))[0][0] == 1


async def test_each_provider_has_its_own_numbers(app: App) -> None:
    discord = await identity.person(app, "discord", "42", "ada", "discord")
    github = await identity.person(app, "github", "42", "ada", "web")

    assert discord.user_id != github.user_id


async def test_a_new_name_is_taken_over_and_the_person_stays(app: App) -> None:
    before = await identity.person(app, "discord", "42", "ada", "discord")
    await identity.person(app, "discord", "42", "Ada L.", "discord")
    after = await identity.person(app, "discord", "42", "Ada L.", "discord")

    assert (after.user_id, after.name) == (before.user_id, "Ada L.")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("  ada\n\tlovelace ", "adalovelace"),
        ("ada\u2028lovelace", "ada lovelace"),
        ("\u202eada\0\x1b", "ada"),
        ("\ud800", "somebody"),
        ("", "somebody"),
        ("x" * 500, "x" * 64),
    ],
)
def test_a_name_can_be_shown_anywhere(given: str, shown: str) -> None:
    assert identity.display_name(given) == shown


async def test_a_person_from_a_provider_never_has_the_admin_scope(app: App) -> None:
    ada = await make_actor(app)

    with pytest.raises(Forbidden):
        ada.needs(Scope.ADMIN)


# --- tokens --------------------------------------------------------------------------------------


async def test_a_token_stands_for_its_person_with_its_scopes(app: App) -> None:
    ada = await make_actor(app)
    made = await identity.create_token(app, ada, "laptop", ["submit"], 30)
    assert made.secret is not None

    found = await identity.authenticate(app, made.secret, "cli")

    assert (found.user_id, found.channel) == (ada.user_id, "cli")
    assert found.scopes == {Scope.SUBMIT}


async def test_only_a_hash_of_a_token_is_kept(app: App) -> None:
    ada = await make_actor(app)
    made = await identity.create_token(app, ada, "laptop", [], None)
    assert made.secret is not None

    for table in ("tokens", "audit_log", "users", "identities"):
        for row in await rows(app, f"SELECT t::text FROM {table} t"):
            assert made.secret not in row[0]
            assert made.secret.encode().hex() not in row[0]
    (listed,) = await identity.tokens(app, ada)
    assert listed.secret is None
    assert made.secret.startswith(listed.hint)
    assert len(listed.hint) <= 8


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (
            "UPDATE tokens SET expires_at = now() - interval '1 second'",
            "expired_token",
            "has expired",
        ),
        ("UPDATE tokens SET revoked_at = now()", "revoked_token", "was revoked"),
        ("DELETE FROM tokens", "unknown_token", "is not known"),
    ],
)
async def test_a_token_that_no_longer_works_says_why(
    app: App, change: str, code: str, words: str
) -> None:
    made = await identity.create_token(app, await make_actor(app), "x", [], 1)
    assert made.secret is not None
    await rows(app, change)

    with pytest.raises(NotSignedIn, match=words) as refusal:
        await identity.authenticate(app, made.secret, "api")

    assert refusal.value.code == code
    assert "kernelbot login" in refusal.value.message


@pytest.mark.parametrize("secret", ["", "None", "x" * 201, "\ud800", "kb_\0", "größe"])
async def test_what_is_no_token_of_ours_signs_nobody_in(app: App, secret: str) -> None:
    with pytest.raises(NotSignedIn) as refusal:
        await identity.authenticate(app, secret, "api")

    assert refusal.value.code == "unknown_token"
    assert secret == "" or secret not in refusal.value.message.replace("None of", "")


async def test_a_token_cannot_give_what_its_maker_does_not_have(app: App) -> None:
    ada = await make_actor(app)
    small = dataclasses.replace(ada, scopes=frozenset({Scope.TOKENS, Scope.READ}))

    with pytest.raises(Forbidden, match="does not have: submit"):
        await identity.create_token(app, small, "x", ["read", "submit"], None)
    with pytest.raises(Forbidden, match="does not have: admin"):
        await identity.create_token(app, ada, "x", ["admin"], None)
    with pytest.raises(Forbidden, match="'tokens'"):
        reader = dataclasses.replace(ada, scopes=frozenset({Scope.READ}))
        await identity.create_token(app, reader, "x", ["read"], None)

    assert await identity.tokens(app, ada) == ()


async def test_the_default_scopes_do_not_exceed_the_makers_either(app: App) -> None:
    ada = dataclasses.replace(await make_actor(app), scopes=frozenset({Scope.TOKENS}))

    with pytest.raises(Forbidden, match="does not have: read, submit"):
        await identity.create_token(app, ada, "x", [], None)


@pytest.mark.parametrize("days", [0, -1, 3651])
async def test_a_lifetime_out_of_bounds_is_refused(app: App, days: int) -> None:
    with pytest.raises(InvalidInput, match="1 to 3650 days"):
        await identity.create_token(app, await make_actor(app), "x", [], days)


async def test_a_token_made_without_a_word_about_it_ends_in_half_a_year(app: App) -> None:
    own = await identity.create_token(app, await make_actor(app), "x", [], None)
    handed = await identity.create_user_token(app, await admin(app), "pupil", "x", [], None)

    for made in (own, handed):
        assert made.expires_at is not None
        assert made.expires_at - made.created_at > timedelta(days=179)
        assert made.expires_at - made.created_at < timedelta(days=181)


async def test_a_live_token_is_renewed_and_keeps_its_secret(app: App) -> None:
    made = await identity.create_token(app, await make_actor(app), "x", ["read", "tokens"], 1)
    assert made.secret is not None
    mine = await identity.authenticate(app, made.secret, "cli")
    assert (await identity.me(app, mine)).token_expires_at == made.expires_at

    renewed = await identity.renew_token(app, mine, made.id, 90)

    again = await identity.authenticate(app, made.secret, "cli")
    assert again.expires_at == renewed.expires_at
    assert renewed.expires_at is not None
    assert renewed.expires_at > datetime.now(UTC) + timedelta(days=89)
    with pytest.raises(InvalidInput, match="1 to 3650 days"):
        await identity.renew_token(app, mine, made.id, 3651)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE tokens SET expires_at = now() - interval '1 second' WHERE name = 'x'",
        "UPDATE tokens SET revoked_at = now() WHERE name = 'x'",
        "UPDATE tokens SET expires_at = NULL WHERE name = 'x'",
        "UPDATE tokens SET user_id = 1 WHERE name = 'x'",
    ],
    ids=["expired", "revoked", "endless", "somebody else's"],
)
async def test_what_is_no_live_token_of_ones_own_with_an_end_is_not_renewed(
    app: App, change: str
) -> None:
    ada = await make_actor(app)
    made = await identity.create_token(app, ada, "x", [], 1)
    await rows(app, change)

    with pytest.raises(NotFound, match="no live token"):
        await identity.renew_token(app, ada, made.id, None)


async def test_a_token_renews_none_that_may_do_more(app: App) -> None:
    ada = await make_actor(app)
    made = await identity.create_token(app, ada, "x", ["read", "submit"], 1)
    small = dataclasses.replace(ada, scopes=frozenset({Scope.READ, Scope.TOKENS}))

    with pytest.raises(Forbidden, match="submit"):
        await identity.renew_token(app, small, made.id, 9)

    (listed,) = await identity.tokens(app, ada)
    assert listed.expires_at == made.expires_at


async def test_an_unknown_scope_is_answered_with_those_there_are(app: App) -> None:
    with pytest.raises(InvalidInput, match="read, submit, tokens, admin"):
        await identity.create_token(app, await make_actor(app), "x", ["everything"], None)


async def test_there_is_an_end_to_how_many_live_tokens_one_has(app: App) -> None:
    ada = await make_actor(app)
    made = [await identity.create_token(app, ada, f"t{i}", [], None) for i in range(50)]

    with pytest.raises(InvalidInput, match="revoke one first"):
        await identity.create_token(app, ada, "one more", [], None)
    await identity.revoke_token(app, ada, made[0].id)
    await identity.create_token(app, ada, "one more", [], None)


async def test_a_token_is_revoked_once_and_by_its_owner(app: App) -> None:
    ada, bob = await make_actor(app, "ada"), await make_actor(app, "bob")
    made = await identity.create_token(app, ada, "x", [], None)
    assert made.secret is not None

    with pytest.raises(NotFound):
        await identity.revoke_token(app, bob, made.id)
    await identity.authenticate(app, made.secret, "api")
    await identity.revoke_token(app, ada, made.id)
    with pytest.raises(NotFound):
        await identity.revoke_token(app, ada, made.id)
    with pytest.raises(NotSignedIn, match="revoked"):
        await identity.authenticate(app, made.secret, "api")


async def test_using_a_token_is_noted_at_most_once_a_minute(app: App) -> None:
    made = await identity.create_token(app, await make_actor(app), "x", [], None)
    assert made.secret is not None

    seen = []
    for _ in range(3):
        await identity.authenticate(app, made.secret, "api")
        seen.append((await rows(app, "SELECT last_used_at FROM tokens WHERE name = 'x'"))[0][0])

    assert seen[0] is not None
    assert len(set(seen)) == 1


# --- administrators ------------------------------------------------------------------------------


async def test_the_installations_token_is_an_administrator(app: App) -> None:
    actor = await admin(app)

    actor.needs(Scope.ADMIN)
    assert (await identity.me(app, actor)).role == "admin"


async def test_a_changed_administrator_token_ends_the_one_before(app: App) -> None:
    await asyncio.gather(*(identity.ensure_admin(app, "kb_new") for _ in range(3)))

    assert (await identity.authenticate(app, "kb_new", "api")).role is Role.ADMIN
    with pytest.raises(NotSignedIn, match="was revoked"):
        await identity.authenticate(app, ADMIN_TOKEN, "api")


async def test_a_changed_administrator_token_is_written_down_once_and_without_itself(
    app: App,
) -> None:
    query = (
        "SELECT actor_id, target, detail FROM audit_log WHERE action = 'admin.token' ORDER BY id"
    )
    (first,) = await rows(app, query)
    assert first.detail["revoked"] == 0

    await asyncio.gather(*(identity.ensure_admin(app, "kb_new-and-secret") for _ in range(3)))

    root = await identity.authenticate(app, "kb_new-and-secret", "api")
    _, changed = await rows(app, query)
    assert (changed.actor_id, changed.target) == (None, f"user:{root.user_id}")
    assert changed.detail == {"hint": "kb_new-a", "revoked": 1}


async def test_an_administrator_makes_a_person_with_a_token_and_others_cannot(app: App) -> None:
    made = await identity.create_user_token(app, await admin(app), "pupil", "class", [], 7)
    assert made.secret is not None

    pupil = await identity.authenticate(app, made.secret, "api")

    assert (pupil.name, pupil.scopes) == ("pupil", {Scope.READ, Scope.SUBMIT})
    with pytest.raises(Forbidden):
        await identity.create_user_token(app, pupil, "x", "y", [], None)


async def test_the_admin_scope_makes_no_administrator_of_a_member(app: App) -> None:
    made = await identity.create_user_token(app, await admin(app), "pupil", "class", ["admin"], 7)
    assert made.secret is not None
    pupil = await identity.authenticate(app, made.secret, "api")

    with pytest.raises(Forbidden, match="administrators"):
        pupil.needs(Scope.ADMIN)


async def test_who_is_demoted_has_kept_no_token_of_another_administrator(app: App) -> None:
    """Neither of the installation's own nor of somebody who becomes one later."""
    handed = await identity.create_user_token(
        app, await admin(app), "grace", "laptop", ["admin", "tokens"], 7
    )
    await persons.set_role(app, await admin(app), "grace", "admin")
    grace = await identity.authenticate(app, handed.secret or "", "api")

    for name in ("admin", "bob"):
        with pytest.raises(Forbidden, match="own administrator"):
            await identity.create_user_token(app, grace, name, "x", ["admin"], None)
    assert await identity.create_user_token(app, grace, "bob", "x", ["submit"], None)
    own = await identity.create_user_token(app, grace, "grace", "x", ["admin"], None)
    await persons.set_role(app, await admin(app), "grace", "member")

    demoted = await identity.authenticate(app, own.secret or "", "api")
    with pytest.raises(Forbidden, match="administrators"):
        demoted.needs(Scope.ADMIN)


async def test_one_sees_ones_identities_and_role(app: App) -> None:
    ada = await identity.person(app, "discord", "42", "ada", "discord")

    me = await identity.me(app, ada)

    assert (me.name, me.role, me.banned_until) == ("ada", "member", None)
    assert me.identities == ({"provider": "discord", "name": "ada"},)
    assert me.scopes == tuple(sorted(ALL_SCOPES - {Scope.ADMIN}))


async def test_an_administrators_token_that_comes_back_is_valid_again(app: App) -> None:
    await identity.ensure_admin(app, "kb_first")
    await identity.ensure_admin(app, "kb_second")

    await identity.ensure_admin(app, "kb_first")

    assert (await identity.authenticate(app, "kb_first", "api")).role is Role.ADMIN
    with pytest.raises(NotSignedIn):
        await identity.authenticate(app, "kb_second", "api")
