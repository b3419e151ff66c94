"""People: who they are, what they may, and being told the effect before it is taken from them."""

from __future__ import annotations

import re
from pathlib import Path

from kernelbot.domain import lasting
from kernelbot.domain.competition import Visibility
from kernelbot.domain.people import Role
from kernelbot.services import guilds, identity, invitations, moderation, persons
from tests import factories
from tests.bot.scene import Scene, labels, words
from tests.services.contest import board, contest, published

BOARDS = "getting-started"


async def test_a_profile_tells_accounts_numbers_and_a_ban_and_shows_no_code(scene: Scene) -> None:
    await scene.organizer()
    bob = await identity.person(scene.app, "discord", "4711", "b*o*b", "discord")
    await factories.ranked(scene.app, bob, 1e6)
    await scene.slash("admin ban", person="<@4711>", lasts="2w", reason="Several accounts")

    shown = await scene.slash("admin person", person=f"#{bob.user_id}")

    assert shown.ephemeral
    text = words(shown.response)
    assert r"b\*o\*b · #" in text
    assert "`4711`, <@4711>" in text
    assert "Submissions: 1 ranked" in text
    assert "Places: 1" in text
    assert "**#1** 1st of 1 on vectoradd (CPU) with 1.000 ms" in text
    assert "**#1** vectoradd · ranked · passed" in text
    assert "custom_kernel" not in text
    assert not shown.response.attachments


async def test_people_are_offered_by_name_and_number_and_found_by_mention(scene: Scene) -> None:
    await scene.organizer()
    one = await identity.person(scene.app, "discord", "4711", "barbara", "discord")
    two = await factories.make_actor(scene.app, "ara")

    assert await scene.typed("admin person", "person", "ARA") == [
        f"#{two.user_id}",
        f"#{one.user_id}",
    ]
    assert await scene.typed("admin person", "person", f"#{one.user_id}") == [f"#{one.user_id}"]
    found = await scene.slash("admin person", person="<@4711>")
    unknown = await scene.slash("admin person", person="<@4712>")
    assert "barbara" in words(found.response)
    assert "has not used the bot yet" in words(unknown.response)


async def test_a_ban_says_which_places_would_fall_and_until_when_and_ends_early(
    scene: Scene,
) -> None:
    admin = await scene.organizer()
    bob, eve = [await factories.make_actor(scene.app, name) for name in ("bob", "eve")]
    await factories.ranked(scene.app, bob, 1e6)
    await factories.ranked(scene.app, eve, 2e6)
    await factories.submitted(scene.app, bob)

    mild = await scene.slash("admin ban", person="bob", lasts="7d", reason="Spam")
    hard = await scene.slash(
        "admin ban", person="bob", lasts="forever", reason="It *cheats*", void=True
    )

    assert re.search(r"\*\*bob\*\* \(#\d+\) may not submit until <t:\d+:f>", words(mild.response))
    assert "(1) is judged but does not count." in words(mild.response)
    assert "Their places stay: 1." in words(mild.response)
    text = words(hard.response)
    assert "for ever" in text
    assert r"It \*cheats\*" in text
    assert "Places that fall: 1. People who move up: 1." in text
    assert "• 1st of 2 on vectoradd (CPU): they have no other there" in text

    await scene.ada.click(hard.response, label="Confirm")
    assert "Nothing of theirs counts any more." in words(hard.response)
    assert (await persons.profile(scene.app, admin, "bob")).void == 1
    told = await scene.slash("admin person", person="bob")
    assert r"May not submit for ever: It \*cheats\*" in words(told.response)
    sooner = await scene.slash("admin ban", person="bob", lasts="7d", reason="Spam")
    assert r"**That ends a ban sooner** which is in force for ever, for: It \*cheats\*" in words(
        sooner.response
    )
    await scene.ada.click(sooner.response, label="Confirm")
    longer = await scene.slash("admin ban", person="bob", lasts="8d", reason="Spam")
    assert "It takes the place of a ban that is in force until <t:" in words(longer.response)
    told = await scene.slash("admin unban", person="bob", reason="It was a *twin*.")
    assert "may submit again" in words(told.response)
    assert r"It was a \*twin\*." in words((await scene.slash("admin audit")).response)
    assert (await persons.profile(scene.app, admin, "bob")).banned_until is None


async def test_a_time_that_cannot_be_read_is_refused_with_examples_and_others_are_offered(
    scene: Scene,
) -> None:
    await scene.organizer()
    await factories.make_actor(scene.app, "bob")

    told = await scene.slash("admin ban", person="bob", lasts="soon", reason="x")

    assert "Write 30m, 12h, 7d, 2w or forever" in words(told.response)
    assert await scene.typed("admin ban", "lasts", "1") == ["1h", "12h", "1d"]


async def test_somebody_becomes_an_administrator_and_may_use_the_group_at_once(
    scene: Scene,
) -> None:
    await scene.organizer()
    grace = scene.guild.add_member(scene.env.create_user("grace"))
    await grace.slash(scene.channel, "me")
    (command,) = [item for item in await scene.bot.tree.fetch_commands() if item.name == "admin"]
    scene.guild.set_command_permissions(command, {scene.ada: True, grace: True})
    refused = await grace.slash(scene.channel, "admin audit")

    asked = await scene.slash("admin role", person=f"<@{grace.id}>", role="admin")
    assert "becomes an administrator: they see every competition" in words(asked.response)
    assert f"discord: grace (`{grace.id}`, <@{grace.id}>)" in words(asked.response)
    by_name = await scene.slash("admin role", person="grace", role="admin")
    assert "Anybody can take a name." in words(by_name.response)
    await scene.ada.click(asked.response, label="Confirm")

    assert words(refused.response).startswith("This is for administrators.")
    log = await grace.slash(scene.channel, "admin audit")
    assert "`user.role`" in words(log.response)
    assert "is an administrator now." in words(asked.response)
    again = await scene.slash("admin role", person=f"<@{grace.id}>", role="admin")
    assert "is an administrator already." in words(again.response)


async def test_who_puts_themselves_out_is_told_so_and_asked(scene: Scene) -> None:
    await scene.organizer()  # beside the installation's own administrator

    asked = await scene.slash("admin role", person="ada", role="member")
    assert "that is **you**" in words(asked.response)
    await scene.ada.click(asked.response, label="Confirm")

    assert "is a member now." in words(asked.response)
    told = await scene.slash("admin audit")
    assert words(told.response).startswith("This is for administrators.")
    actor = await scene.own()
    assert actor.role is Role.MEMBER


async def test_more_gpu_seconds_are_granted_shown_and_ended(scene: Scene, shelf: Path) -> None:
    await scene.organizer()
    await published(scene.app, shelf, contest(gpu_seconds_per_day={"CPU": 30.0}))
    await factories.make_actor(scene.app, "bob")
    wish = {"person": "bob", "competition": BOARDS, "gpu": "cpu", "reason": "A *paper*"}

    made = await scene.slash("admin allowance grant", **wish, seconds=70, lasts="3d")
    shown = await scene.slash("admin allowance show", person="bob")

    endless = await scene.slash("admin allowance grant", **wish, seconds=70, lasts="forever")
    offered = await scene.typed("admin allowance grant", "lasts", "")

    assert "Write 30m, 12h, 7d or 2w; 3650 days are the most" in words(endless.response)
    assert "90d" in offered
    assert "forever" not in offered
    assert "may use 70 GPU-seconds more within 24 hours" in words(made.response)
    assert "CPU: 0 of 100 GPU-seconds used in 24 h" in words(shown.response)
    assert r"A \*paper\*" in words(shown.response)
    assert [int(item) for item in await scene.typed("admin allowance end", "grant", "bo")] == [1]
    assert [int(item) for item in await scene.typed("admin allowance end", "grant", "2")] == []
    ended = await scene.slash("admin allowance end", grant=1)
    asked = words(ended.response)
    await scene.ada.click(ended.response, label="Confirm")
    assert "Grant **1** ends now, not until" in asked
    assert "may use 70 GPU-seconds less" in asked
    assert "Left to them then: 30." in asked
    twice = await scene.slash("admin allowance end", grant=1)
    after = await scene.slash("admin allowance show", person="bob", competition=BOARDS)
    assert "Grant 1 has ended." in words(ended.response)
    assert "There is no grant 1 in force." in words(twice.response)
    assert "CPU: 0 of 30 GPU-seconds" in words(after.response)


async def test_an_invitation_is_shown_once_listed_without_its_code_and_revoked(
    scene: Scene, shelf: Path
) -> None:
    admin = await scene.organizer()
    await published(scene.app, shelf, contest(board(), visibility=Visibility.INVITE))
    offered = (await scene.typed("admin invite create", "competition", "getting"))[0]

    made = await scene.slash("admin invite create", competition=offered, people=2, lasts="7d")
    assert made.ephemeral
    code = re.search(r"code:(\S+)`", words(made.response))
    assert code is not None
    await invitations.join(
        scene.app, await factories.make_actor(scene.app, "bob"), offered, code[1]
    )
    listed = await scene.slash("admin invite list", competition=offered)
    numbers = await scene.typed("admin invite revoke", "number", "", competition=offered)
    assert [int(item) for item in numbers] == [1]
    asked = await scene.slash("admin invite revoke", competition=offered, number=1)

    assert "1 of 2 came in · in use" in words(listed.response)
    assert code[1] not in words(listed.response)
    assert "The 1 who came in with it stay." in words(asked.response)
    await scene.ada.click(asked.response, label="Confirm")
    (item,) = await invitations.listed(scene.app, admin, offered)
    assert item.revoked_at is not None
    twice = await scene.slash("admin invite revoke", competition=offered, number=1)
    assert "There is no invitation 1 in use." in words(twice.response)


async def test_the_audit_log_is_turned_and_kept_to_one_target(scene: Scene) -> None:
    admin = await scene.organizer()
    bob = await factories.make_actor(scene.app, "bob")
    for _ in range(6):
        await moderation.ban(scene.app, admin, "bob", lasting.FOR_EVER, "x")
        await moderation.unban(scene.app, admin, "bob")

    shown = await scene.slash("admin audit", target=f"user:{bob.user_id}")
    assert labels(shown.response) == ["Older"]
    assert words(shown.response).count("ban` user:") == 10
    await scene.ada.click(shown.response, label="Older")
    assert words(shown.response).count("ban` user:") == 2
    assert labels(shown.response) == ["Newest"]
    for _ in range(3):
        await guilds.change(scene.app, bob.user_id, scene.guild.id, announcements_channel=7)
    plain = await scene.slash("admin audit")
    everything = await scene.slash("admin audit", servers=True)
    assert "guild.change" not in words(plain.response)
    assert words(everything.response).count("`guild.change`") == 1
    await scene.ada.click(everything.response, label="Older")
    await scene.ada.click(everything.response, label="Newest")
    assert "`guild.change`" in words(everything.response)
    offered = await scene.typed("admin audit", "target", "bo")
    assert offered == [f"user:{bob.user_id}"]
