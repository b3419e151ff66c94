"""A result against its owner's best, the place in front, and other code."""

from __future__ import annotations

from kernelbot.app import App
from kernelbot.domain.people import Actor
from kernelbot.judge.protocol import VerdictKind
from kernelbot.services import comparison, identity, moderation, submissions
from kernelbot.services.views import Comparison, SubmissionView
from tests.conftest import ADMIN_TOKEN
from tests.factories import CODE, judge_one, make_actor, make_verdict, ranked, submitted

OTHER = CODE + b"# other\n"


async def compared(app: App, view: SubmissionView, actor: Actor) -> Comparison:
    shown = await submissions.submission(app, actor, view.id)
    (found,) = await comparison.of(app, shown)
    return found


async def test_the_same_code_is_not_its_own_rival_and_void_code_nobodys(app: App) -> None:
    ada, admin = await make_actor(app), await identity.authenticate(app, ADMIN_TOKEN, "api")
    first = await ranked(app, ada, 30_000)
    again = await ranked(app, ada, 30_000)

    assert (await compared(app, again, ada)).best is None

    other = await ranked(app, ada, 20_000, OTHER)
    best = (await compared(app, other, ada)).best
    assert best is not None
    assert best.submission_id == first.id

    await moderation.void(app, admin, first.id, "copied")
    assert (await compared(app, other, ada)).best is None


async def test_who_shares_a_rank_is_in_front_of_nobody_who_shares_it(app: App) -> None:
    for name, ns in (("bob", 10_000), ("eve", 20_000)):
        await ranked(app, await make_actor(app, name), ns)
    ada = await make_actor(app)
    view = await ranked(app, ada, 20_000)

    ahead = (await compared(app, view, ada)).ahead

    assert ahead is not None
    assert (ahead.rank, round(ahead.seconds * 1e9)) == (1, 10_000)


async def test_the_fastest_has_nobody_in_front_and_a_failed_run_is_held_against_nothing(
    app: App,
) -> None:
    ada = await make_actor(app)
    view = await ranked(app, ada, 20_000)
    failed = await submitted(app, ada)
    await judge_one(app, make_verdict(VerdictKind.CRASHED))

    assert (await compared(app, view, ada)).ahead is None
    assert await comparison.of(app, await submissions.submission(app, ada, failed.id)) == ()
