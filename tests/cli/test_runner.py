"""``kernelbot admin runner``: machines are let in, looked at, drained and shut out."""

from __future__ import annotations

from tests.api.serving import Listening
from tests.cli.conftest import CommandLine
from tests.conftest import ADMIN_TOKEN


async def test_an_administrator_lets_a_machine_in_and_shuts_it_out(
    plain: CommandLine, server: Listening
) -> None:
    signed_in = {"KERNELBOT_URL": server.url, "KERNELBOT_TOKEN": ADMIN_TOKEN}
    admin = CommandLine(plain.home, plain.environment | signed_in)

    made = await admin("admin", "runner", "create", "donor", "--targets", "h200,H200x4,NVIDIA")
    again = await admin("admin", "runner", "create", "Donor", "--targets", "CPU")
    wrong = await admin("admin", "runner", "create", "other", "--targets", "H2000")
    drained = await admin("admin", "runner", "drain", "donor")
    listed = await admin("admin", "runner", "list", "--json")
    resumed = await admin("admin", "runner", "drain", "donor", "--resume")
    gone = await admin("admin", "runner", "revoke", "donor")
    absent = await admin("admin", "runner", "revoke", "donor")
    left = await admin("admin", "runner", "list", "--revoked")

    assert made.code == drained.code == resumed.code == gone.code == 0, made.err
    assert len(made.out.strip().splitlines()) == 3
    assert "kbr_" in made.out
    assert made.out.count("kernelbot-agent.token") == 4  # not in the venv: submissions read that
    assert server.url in made.out
    (item,) = listed.document["items"]
    assert item["targets"] == ["H200", "H200x4", "B200"]
    assert (item["state"], item["trusted"], item["running"]) == ("new", False, 0)
    assert "There is a runner Donor already" in again.err
    assert "Did you mean 'H200'?" in wrong.err
    assert "no runner 'donor'" in absent.err
    assert "revoked" in left.out
    assert "kbr_" not in listed.out.replace(item["hint"], "")


async def test_letting_a_machine_in_is_for_administrators(kernelbot: CommandLine) -> None:
    for line in (
        ("create", "donor", "--targets", "CPU"),
        ("list",),
        ("revoke", "x"),
        ("drain", "x"),
    ):
        assert "for administrators" in (await kernelbot("admin", "runner", *line)).err
