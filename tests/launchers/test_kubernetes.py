"""The template of a Kubernetes Job makes the same call as every launcher, and hands out nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from kernelbot.config import ROOT
from kernelbot.judge import staging


@pytest.fixture(scope="module")
def documents() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((ROOT / "runners" / "kubernetes" / "job.yaml").read_text()))


def test_it_makes_the_one_call_into_the_judge(documents: list[dict[str, Any]]) -> None:
    (container,) = documents[0]["spec"]["template"]["spec"]["containers"]
    (mounted,) = [mount for mount in container["volumeMounts"] if mount["name"] == "jobs"]

    called = staging.command(Path(mounted["mountPath"]), isolation="fenced")

    assert container["command"] == ["python", *called[1:]]


def test_a_run_is_tried_once_and_finds_no_credentials_privileges_or_network(
    documents: list[dict[str, Any]],
) -> None:
    job, policy = documents
    pod = job["spec"]["template"]["spec"]
    rights = pod["containers"][0]["securityContext"]

    assert job["spec"]["backoffLimit"] == 0
    assert job["spec"]["activeDeadlineSeconds"] > 0
    assert pod["restartPolicy"] == "Never"
    assert pod["automountServiceAccountToken"] is False
    assert rights["privileged"] is rights["allowPrivilegeEscalation"] is False
    assert rights["capabilities"]["drop"] == ["ALL"]
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert not {"ingress", "egress"} & set(policy["spec"])
    chosen = policy["spec"]["podSelector"]["matchLabels"]
    assert chosen == job["spec"]["template"]["metadata"]["labels"]
