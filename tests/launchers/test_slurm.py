"""The Slurm launcher: the contract on a cluster of small real programs, and each way in which a job can end."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import json
import os
import re
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest
import pytest_asyncio

from kernelbot.config import ROOT
from kernelbot.domain.target import Target
from kernelbot.errors import InvalidInput
from kernelbot.judge import staging
from kernelbot.judge.protocol import Artefact, Event, Job, Stage, Verdict, VerdictKind, dump
from kernelbot.launchers import slurm
from kernelbot.launchers.base import Launch, Package, Site
from kernelbot.launchers.slurm import Pace, SlurmLauncher
from kernelbot.launchers.targets import load_targets
from tests.factories import make_verdict
from tests.launchers.contract import CORRECT, ENDLESS, LauncherContract, outcome, package
from tests.launchers.test_local import list_of
from tests.patience import until
from tests.processes import alive, family, processes

PROGRAMS = Path(__file__).with_name("fake_slurm")
FAST = Pace(
    look_s=0.04,
    poll_s=0.1,
    taken_s=20.0,
    away_s=20.0,
    missing_s=0.3,
    visible_s=20.0,
    glance_s=0.3,
    end_s=20.0,
)
# Beside times that are taken.
CALM = dataclasses.replace(FAST, look_s=0.1, poll_s=0.5, glance_s=2.0)
IMPATIENT = dataclasses.replace(FAST, taken_s=0.3, away_s=0.3, visible_s=0.3, end_s=0.3)
# A job that ends by itself gets the time that a busy machine takes for it.
PATIENT = dataclasses.replace(FAST, glance_s=20.0)


@dataclass
class Cluster:
    """A cluster of this test, with a folder that its nodes share with the machine that submits."""

    home: Path
    behaves: dict[str, Any] = field(default_factory=dict)
    seen: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        for folder in (self.home / "jobs", self.shared):
            folder.mkdir(parents=True)
        self.now()

    @property
    def shared(self) -> Path:
        return self.home / "shared"

    @property
    def environment(self) -> dict[str, str]:
        python = os.path.dirname(os.path.realpath(sys.executable))  # not one of pyenv's scripts
        path = os.pathsep.join([str(PROGRAMS), python, os.environ["PATH"]])
        return {**os.environ, "PATH": path, "SLURM_CONF": str(self.home)}

    def now(self, **behaves: Any) -> None:
        """From now on it behaves so."""
        self.behaves |= behaves
        fresh = self.home / ".conf.json"
        fresh.write_text(json.dumps(self.behaves))
        fresh.replace(self.home / "conf.json")

    def launcher(self, pace: Pace = FAST, **options: Any) -> SlurmLauncher:
        return SlurmLauncher(
            self.shared, self.home / "mine", self.environment, pace=pace, **options
        )

    def jobs(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in sorted(self.home.glob("jobs/*.json"))]

    def states(self) -> list[str]:
        return [job["state"] for job in self.jobs()]

    async def decide(self, state: str) -> None:
        """Somebody or something ends the one job that runs."""
        await until(lambda: self.states() == ["RUNNING"])
        (job,) = self.jobs()
        (self.home / "jobs" / f"{job['id']}.order").write_text(state)

    def processes(self, marker: str) -> list[int]:
        for pid in processes(f"{self.shared}/run-{marker}-"):
            self.seen += [found for found in family(pid) if found not in self.seen]
        return alive(self.seen)

    def remains(self) -> list[str]:
        mine = [self.home / "mine" / name for name in list_of(self.home / "mine")]
        scratch = [self.home / "nodes" / name / "tmp" for name in list_of(self.home / "nodes")]
        return [name for folder in (self.shared, *mine, *scratch) for name in list_of(folder)]


@dataclass
class There:
    """The place of the contract."""

    launcher: SlurmLauncher
    cluster: Cluster

    @property
    def maker(self) -> functools.partial[SlurmLauncher]:
        home = self.cluster.home / "mine"
        return functools.partial(
            SlurmLauncher, self.cluster.shared, home, self.cluster.environment, pace=CALM
        )

    def processes(self, marker: str) -> list[int]:
        return self.cluster.processes(marker)

    def remains(self) -> list[str]:
        return self.cluster.remains()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path / "cluster")
    yield made
    for job in made.jobs():  # of a test that did not get to its end
        (made.home / "jobs" / f"{job['id']}.order").write_text("CANCELLED")


@pytest_asyncio.fixture
async def place(cluster: Cluster) -> AsyncIterator[There]:
    launcher = cluster.launcher(CALM)
    yield There(launcher, cluster)
    await launcher.close()


class TestSlurmLauncher(LauncherContract):
    canaries_travel = True


# --- with a judge that is a line of shell --------------------------------------------------------

VERDICT = dump(make_verdict(run_id=7))
WRITES = 'printf %s "$2" >"$1/.v" && mv "$1/.v" "$1/verdict.json"'


class Judge(Protocol):
    def __call__(self, script: str, verdict: str = VERDICT) -> None: ...


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Judge:
    """Says what the judge is instead: a script that has the job's folder and a verdict."""

    def becomes(script: str, verdict: str = VERDICT) -> None:
        def command(directory: Path, **_: Any) -> list[str]:
            return ["/bin/sh", "-c", script, "judge", str(directory), verdict]

        monkeypatch.setattr(staging, "command", command)

    return becomes


@contextlib.asynccontextmanager
async def launched(launcher: SlurmLauncher, sent: Package | None = None) -> AsyncIterator[Launch]:
    launch = await launcher.start(sent or package(CORRECT))
    try:
        yield launch
    finally:
        await launcher.close()


async def ended(launcher: SlurmLauncher, sent: Package | None = None) -> Verdict:
    async with launched(launcher, sent) as launch:
        return (await outcome(launch)).verdict


async def test_a_job_is_asked_for_with_what_the_target_says_and_a_time_from_the_problems_limits(
    cluster: Cluster, judge: Judge
) -> None:
    judge(WRITES)
    target = Target(name="H100", device="cuda", match="H100", gpus=2, launchers=("slurm",))
    settings = {
        "shared": str(cluster.shared), "partition": "gpu", "gres": "gpu:h100:2", "slots": 3,
        "options": ["--account=kernels", "--exclusive"],
    }  # fmt: skip
    site = Site(folder=cluster.home / "mine", environment=cluster.environment)

    slurm.check(target, settings)
    first, second, third = slurm.make(target, settings, site)
    assert first is second is third
    verdict = (await outcome(await first.start(package(CORRECT)))).verdict
    await first.close()

    assert verdict.passed
    (job,) = cluster.jobs()
    told = job["told"]
    assert told["partition"] == "gpu"
    assert told["gres"] == "gpu:h100:2"
    assert told["account"] == "kernels"
    assert told["nodes"] == told["ntasks"] == "1"
    assert told["time"] == "6"  # 120 s to start, twice 60 + 30 + 30
    assert {"exclusive", "no-requeue"} <= set(told)


async def test_nothing_of_a_run_reaches_a_shell_and_no_script_is_written_for_it(
    cluster: Cluster,
) -> None:
    evil = '";touch evil;$(touch evil)`touch evil`\n#SBATCH --output=evil\n'
    sent = package(b"# " + evil.encode(), run_id=f"7{evil}")
    job = dataclasses.replace(sent.job, submission="$(touch evil).py")

    async with launched(cluster.launcher(), dataclasses.replace(sent, job=job)) as launch:
        await until(lambda: cluster.jobs())
        await launch.cancel()

    (found,) = cluster.jobs()
    assert found["script"] == '#!/bin/sh\nexec "$@"\n'
    written = json.dumps([found["told"], found["name"]])
    assert not set(written) & set("$`;#\n")
    assert found["name"].startswith("kernelbot-run-7touchevil")
    assert not list(cluster.home.rglob("evil"))


async def test_a_job_learns_no_secret_of_the_worker_and_its_node_says_what_it_sees(
    cluster: Cluster, judge: Judge
) -> None:
    judge('env >"$1/../../../seen"; ' + WRITES)
    told = {
        "DATABASE_URL": "postgresql://hush", "DISCORD_TOKEN": "hush", "SLURM_JWT": "hush",
        "SBATCH_PARTITION": "hush", "CUDA_VISIBLE_DEVICES": "hush", "TMPDIR": "/hush",
    }  # fmt: skip
    launcher = SlurmLauncher(
        cluster.shared, cluster.home / "mine", {**cluster.environment, **told}, pace=FAST
    )

    assert (await ended(launcher)).passed

    seen = (cluster.home / "seen").read_text()
    assert "hush" not in seen
    assert "SLURM_JOB_ID=41" in seen
    assert f"PYTHONPATH={ROOT}" in seen


async def test_a_run_that_waits_in_the_clusters_queue_gets_its_turn(
    cluster: Cluster, judge: Judge
) -> None:
    judge(WRITES)
    cluster.now(pending_s=0.5)

    assert (await ended(cluster.launcher())).passed


async def test_a_run_that_waits_for_too_long_is_given_back_with_the_clusters_reason(
    cluster: Cluster, judge: Judge
) -> None:
    judge(WRITES)
    cluster.now(pending_s=60, reason="ReqNodeNotAvail")

    verdict = await ended(cluster.launcher(wait_s=0.3))

    assert verdict.kind is VerdictKind.JUDGE_FAILED
    assert "queue (ReqNodeNotAvail)" in verdict.fault
    assert await until(lambda: cluster.states() == ["CANCELLED"])
    assert cluster.remains() == []


@pytest.mark.parametrize(
    ("script", "behaves", "words"),
    [
        ("exit 0", {}, "ended without a verdict (COMPLETED)"),
        ("echo torn >&2; exit 3", {}, "failed without a verdict (FAILED)"),
        ("exec sleep 60", {"minute_s": 0.02}, "was ended at its time limit without a verdict (TIMEOUT)"),
    ],
    ids=["completed", "failed", "timeout"],
)  # fmt: skip
async def test_a_job_that_ends_by_itself_without_a_verdict_is_our_fault(
    cluster: Cluster, judge: Judge, script: str, behaves: dict[str, Any], words: str
) -> None:
    judge(script)
    cluster.now(**behaves)

    verdict = await ended(cluster.launcher(IMPATIENT))

    assert verdict.kind is VerdictKind.JUDGE_FAILED
    assert words in verdict.fault
    assert "Slurm" not in verdict.message
    assert cluster.remains() == []


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("NODE_FAIL", "lost its node"),
        ("PREEMPTED", "had to make room for another"),
        ("OUT_OF_MEMORY", "ran out of the memory that Slurm had given it"),
        ("CANCELLED", "was cancelled by somebody else"),
    ],
)
@pytest.mark.parametrize("purge_s", [300.0, 0.0], ids=["known", "forgotten"])
async def test_a_job_that_others_end_is_our_fault_also_where_only_the_accounts_know(
    cluster: Cluster, judge: Judge, state: str, words: str, purge_s: float
) -> None:
    judge("sleep 60")
    cluster.now(purge_s=purge_s)

    async with launched(cluster.launcher(IMPATIENT)) as launch:
        await cluster.decide(state)
        verdict = (await outcome(launch)).verdict

    assert verdict.kind is VerdictKind.JUDGE_FAILED
    assert f"{words} without a verdict ({state})" in verdict.fault
    assert cluster.remains() == []


async def test_a_verdict_counts_whatever_became_of_the_job_after_it(
    cluster: Cluster, judge: Judge
) -> None:
    judge(f"{WRITES}; sleep 60")

    async with launched(cluster.launcher(PATIENT)) as launch:
        await until(lambda: list(cluster.shared.glob("*/job/verdict.json")))
        await cluster.decide("NODE_FAIL")
        assert (await outcome(launch)).verdict.passed


async def test_a_judge_that_does_not_end_after_its_verdict_is_ended(
    cluster: Cluster, judge: Judge
) -> None:
    judge(f"{WRITES}; sleep 60")

    assert (await ended(cluster.launcher())).passed

    assert await until(lambda: cluster.states() == ["CANCELLED"])
    assert cluster.remains() == []


async def test_a_job_that_nobody_knows_any_more_is_our_fault(
    cluster: Cluster, judge: Judge
) -> None:
    judge("sleep 60")
    cluster.now(accounting=False)

    async with launched(cluster.launcher()) as launch:
        await until(lambda: cluster.states() == ["RUNNING"])
        (number,) = [job["id"] for job in cluster.jobs()]
        (cluster.home / "jobs" / f"{number}.order").write_text("NODE_FAIL")
        cluster.now(purge_s=0.0)
        verdict = (await outcome(launch)).verdict

    assert verdict.kind is VerdictKind.JUDGE_FAILED
    assert "is unknown to the cluster without a verdict" in verdict.fault


async def test_a_verdict_is_found_where_the_cluster_keeps_no_accounts_and_has_forgotten_the_job(
    cluster: Cluster, judge: Judge
) -> None:
    judge(WRITES)
    cluster.now(accounting=False, purge_s=0.0)

    assert (await ended(cluster.launcher())).passed


async def test_files_that_are_seen_late_are_waited_for(cluster: Cluster, judge: Judge) -> None:
    item = Artefact(name="trace.json.gz", media_type="application/gzip", bytes=5)
    verdict = dump(dataclasses.replace(make_verdict(run_id=7), artefacts=(item,)))
    event = Event(kind="stage", stage=Stage.CHECK)
    told = dump(event)
    judge(
        f'echo \'{told}\'; mkdir "$1/artefacts"; printf 12345 >"$1/artefacts/trace.json.gz"; {WRITES}',
        verdict,
    )
    cluster.now(lag_s=0.5)

    async with launched(cluster.launcher()) as launch:
        found = await outcome(launch)
        content = b"".join([chunk async for chunk in launch.artefact(item.name)])

    assert found.verdict.passed
    assert found.events == [event]
    assert content == b"12345"
    assert cluster.remains() == []


async def test_what_a_job_writes_that_is_no_event_is_passed_over(
    cluster: Cluster, judge: Judge
) -> None:
    event = Event(kind="stage", stage=Stage.CHECK)
    judge(f"echo nonsense; echo '{{}}'; echo '{dump(event)}'; {WRITES}")

    async with launched(cluster.launcher()) as launch:
        assert (await outcome(launch)).events == [event]


async def test_links_and_pipes_in_place_of_files_are_not_followed(
    cluster: Cluster, judge: Judge
) -> None:
    item = Artefact(name="trace.json.gz", media_type="application/gzip", bytes=5)
    verdict = dump(dataclasses.replace(make_verdict(run_id=7), artefacts=(item,)))
    judge(
        'rm "$1/../events"; mkfifo "$1/../events"; mkdir "$1/artefacts"; '
        'ln -s /etc/passwd "$1/artefacts/trace.json.gz"; ' + WRITES,
        verdict,
    )

    async with launched(cluster.launcher(IMPATIENT)) as launch:
        found = await outcome(launch)
        with pytest.raises(OSError, match=r"trace\.json"):
            await anext(launch.artefact(item.name))

    assert found.events == []


async def test_a_verdict_about_another_run_counts_as_none(cluster: Cluster, judge: Judge) -> None:
    judge(WRITES, dump(make_verdict(run_id=8)))

    verdict = await ended(cluster.launcher())

    assert verdict.kind is VerdictKind.JUDGE_FAILED
    assert "about run '8'" in verdict.fault


async def test_a_job_that_the_cluster_refuses_is_not_started_and_the_clusters_words_are_told(
    cluster: Cluster, judge: Judge
) -> None:
    judge(WRITES)

    with pytest.raises(OSError, match=r"refused the job: sbatch.*Invalid partition name specified"):
        await cluster.launcher(options=("--partition=cpu",)).start(package(CORRECT))

    assert cluster.jobs() == []
    assert cluster.remains() == []


async def test_a_job_that_a_controller_takes_none_of_for_long_is_not_started(
    cluster: Cluster, judge: Judge
) -> None:
    judge(WRITES)
    cluster.now(away=True)

    with pytest.raises(OSError, match=r"takes no job: sbatch: .* Unable to contact"):
        await cluster.launcher(IMPATIENT).start(package(CORRECT))

    assert cluster.jobs() == []
    assert cluster.remains() == []


@pytest.mark.parametrize(
    "words", ["Job violates accounting/QOS policy (job submit limit)", "Connection refused"]
)
async def test_a_cluster_that_takes_no_job_just_now_is_asked_again(
    cluster: Cluster, judge: Judge, words: str
) -> None:
    judge(WRITES)
    cluster.now(refuse=words)

    launcher = cluster.launcher()
    starting = asyncio.create_task(launcher.start(package(CORRECT)))
    await asyncio.sleep(0.3)
    assert not starting.done()
    cluster.now(refuse="")
    assert (await outcome(await starting)).verdict.passed
    await launcher.close()


async def test_a_job_that_was_taken_though_the_answer_was_lost_is_followed_and_not_sent_twice(
    cluster: Cluster, judge: Judge
) -> None:
    judge(WRITES)
    cluster.now(swallow=True)

    assert (await ended(cluster.launcher(PATIENT))).passed

    assert cluster.states() == ["COMPLETED"]


async def test_a_controller_that_is_away_for_a_while_costs_no_run(
    cluster: Cluster, judge: Judge
) -> None:
    judge(f"until [ -e {cluster.home}/go ]; do sleep 0.02; done; {WRITES}")

    async with launched(cluster.launcher()) as launch:
        await until(lambda: cluster.states() == ["RUNNING"])
        cluster.now(away=True)
        await asyncio.sleep(0.4)
        (cluster.home / "go").touch()
        cluster.now(away=False)
        assert (await outcome(launch)).verdict.passed


async def test_a_verdict_is_taken_while_the_controller_is_away(
    cluster: Cluster, judge: Judge
) -> None:
    judge(f"until [ -e {cluster.home}/go ]; do sleep 0.02; done; {WRITES}")

    async with launched(cluster.launcher()) as launch:
        await until(lambda: cluster.states() == ["RUNNING"])
        cluster.now(away=True)
        (cluster.home / "go").touch()
        assert (await outcome(launch)).verdict.passed


async def test_a_controller_that_stays_away_is_our_fault_and_the_folder_is_gone(
    cluster: Cluster, judge: Judge
) -> None:
    judge("sleep 60")

    async with launched(cluster.launcher(IMPATIENT)) as launch:
        await until(lambda: cluster.states() == ["RUNNING"])
        cluster.now(away=True)
        verdict = (await outcome(launch)).verdict

    assert verdict.kind is VerdictKind.JUDGE_FAILED
    assert "the cluster does not answer: squeue: " in verdict.fault
    assert list_of(cluster.shared) == []
    await cluster.decide("CANCELLED")


async def test_a_machine_without_the_commands_starts_nothing_and_serves_no_target(
    cluster: Cluster, judge: Judge
) -> None:
    judge(WRITES)
    target = Target(name="H100", device="cuda", match="H100")
    without = {**cluster.environment, "PATH": "/nonexistent"}
    launcher = SlurmLauncher(cluster.shared, cluster.home / "mine", without, pace=FAST)

    with pytest.raises(OSError, match="sbatch"):
        await launcher.start(package(CORRECT))
    site = Site(folder=cluster.home, environment=without)
    assert slurm.make(target, {"shared": str(cluster.shared)}, site) == []


async def test_a_shared_folder_that_is_not_there_is_an_os_error_and_not_made(
    cluster: Cluster,
) -> None:
    cluster.shared.rmdir()

    with pytest.raises(OSError, match="mount or make it"):
        await cluster.launcher().start(package(CORRECT))

    assert not cluster.shared.exists()


async def test_a_package_that_cannot_be_staged_leaves_nothing(cluster: Cluster) -> None:
    sent = package(CORRECT)

    with pytest.raises(ValueError, match="not a path inside"):
        await cluster.launcher().start(
            Package(job=sent.job, problem_files={"../x.py": b""}, code=sent.code)
        )

    assert cluster.remains() == []


async def test_a_start_that_is_cancelled_leaves_nothing(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, may_go_on = staging.stage, threading.Event()

    def slowly(directory: Path, job: Job, files: Mapping[str, bytes], code: bytes) -> None:
        may_go_on.wait(30)
        stage(directory, job, files, code)

    monkeypatch.setattr(staging, "stage", slowly)
    starting = asyncio.create_task(cluster.launcher().start(package(ENDLESS)))
    await until(lambda: list_of(cluster.shared))

    starting.cancel()
    asyncio.get_running_loop().call_later(0.1, may_go_on.set)

    with pytest.raises(asyncio.CancelledError):
        await starting
    assert cluster.remains() == []
    assert cluster.jobs() == []


async def test_a_job_for_more_devices_or_more_time_than_it_would_get_is_refused_before_it_is_staged(
    cluster: Cluster,
) -> None:
    sent = package(CORRECT)
    two = dataclasses.replace(sent.job, world_size=2, device="cuda")

    with pytest.raises(ValueError, match="needs 2 devices at once, and a job here has 1"):
        await cluster.launcher().start(dataclasses.replace(sent, job=two))
    with pytest.raises(
        ValueError, match=r"may take 120 s, and slurm\.time_limit_s gives a job 100 s"
    ):
        await cluster.launcher(longest_s=100.0).start(sent)
    with pytest.raises(ValueError, match=r"may take 120 s, with its canary \d+ s, and"):
        await cluster.launcher(longest_s=130.0).start(dataclasses.replace(sent, canary=sent))

    assert cluster.remains() == []


async def test_what_a_killed_worker_left_is_ended_and_removed_by_the_next_and_no_living_ones(
    cluster: Cluster, judge: Judge
) -> None:
    script = f"""
import asyncio, os
from pathlib import Path
from kernelbot.judge import staging
from kernelbot.launchers.slurm import SlurmLauncher
from tests.launchers.contract import ENDLESS, package

staging.command = lambda directory, **_: ["/bin/sh", "-c", "sleep 60", "judge", str(directory)]

async def main():
    launcher = SlurmLauncher(Path({str(cluster.shared)!r}), Path({str(cluster.home / "mine")!r}), os.environ)
    await launcher.start(package(ENDLESS))
    await asyncio.sleep(600)

asyncio.run(main())
"""
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, cwd=ROOT, env=cluster.environment
    )
    await until(lambda: cluster.states() == ["RUNNING"])
    launcher, living = cluster.launcher(PATIENT), cluster.launcher()
    judge("sleep 60")
    theirs = await living.start(package(CORRECT, run_id="8"))
    await until(lambda: cluster.states() == ["RUNNING", "RUNNING"])
    worker.kill()
    await worker.wait()

    judge(WRITES)
    async with launched(launcher) as launch:
        assert (await outcome(launch)).verdict.passed
        assert await until(lambda: len(cluster.remains()) == 2)  # here and there

    assert cluster.states() == ["CANCELLED", "RUNNING", "COMPLETED"]
    await theirs.close()
    assert cluster.remains() == []


async def test_jobs_that_stand_in_the_clusters_queue_are_its_backlog(
    cluster: Cluster, judge: Judge
) -> None:
    judge("sleep 60")
    cluster.now(pending_s=60.0)
    launcher = cluster.launcher()
    await launcher.start(package(CORRECT))
    await until(lambda: cluster.states() == ["PENDING"])
    cluster.now(pending_s=0.0)
    await launcher.start(package(CORRECT, run_id="8"))

    assert launcher.backlog == 2
    assert await until(lambda: launcher.backlog == 1)
    await launcher.close()
    assert launcher.backlog == 0


# --- as data -------------------------------------------------------------------------------------

RIGHT = {"shared": "/shared/kernelbot", "partition": "gpu", "gres": "gpu:h100:1"}


@pytest.fixture
def files(tmp_path: Path) -> Callable[[Mapping[str, Any]], Path]:
    def written(settings: Mapping[str, Any]) -> Path:
        path = tmp_path / "targets.yaml"
        entry = {"device": "cuda", "match": "H100", "launchers": ["local", "slurm"]}
        path.write_text(json.dumps({"H100": {**entry, "slurm": settings}}))
        return path

    return written


def test_the_example_of_the_page_is_read_as_it_stands(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "adding-a-gpu.md").read_text()
    (example,) = [
        block for block in re.findall(r"```yaml\n(.*?)```", page, re.S) if "slurm" in block
    ]
    path = tmp_path / "targets.yaml"
    path.write_text(example)

    assert set(load_targets(path)["H100"].settings["slurm"]) == set(slurm.KEYS)


def test_settings_are_read_with_the_target(files: Callable[[Mapping[str, Any]], Path]) -> None:
    more = {"time_limit_s": 600, "wait_s": 60, "slots": 8, "options": ["--mem=64G", "--exclusive"]}

    found = load_targets(files({**RIGHT, **more}))["H100"]

    assert found.launchers == ("local", "slurm")
    assert found.settings == {"slurm": {**RIGHT, **more}}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"shared": "runs"}, "slurm.shared must be the absolute path"),
        ({"shared": "/a\nb"}, "slurm.shared must be the absolute path"),
        ({"shared": None}, "slurm.shared must be the absolute path"),
        ({"partition": "a b"}, "slurm.partition must be a name as sbatch takes it, such as gpu"),
        ({"gres": "gpu;x"}, "slurm.gres must be a name as sbatch takes it, such as gpu:h100:1"),
        ({"gres": "gpu:h100:2"}, "slurm.gres must ask for as many GPUs as a run has (1)"),
        ({"slots": 0}, "slurm.slots must be a whole number from 1 to 1000"),
        ({"time_limit_s": "1:00"}, "slurm.time_limit_s must be a whole number"),
        ({"wait_s": True}, "slurm.wait_s must be a whole number"),
        ({"options": "--exclusive"}, "slurm.options must be a list such as"),
        ({"options": ["-x"]}, "slurm.options has '-x'; each must be of the form --NAME"),
        ({"options": ["--mem 3"]}, "slurm.options has '--mem 3'; each must be of the form"),
        ({"options": ["--output=x"]}, "slurm.options has '--output=x', which is ours to give"),
        ({"options": ["--outp=x"]}, "slurm.options has '--outp=x', which is ours to give"),
        ({"partitions": "gpu"}, "slurm has the unknown key 'partitions'. Did you mean 'partition'?"),
    ],
)  # fmt: skip
def test_wrong_settings_are_refused_with_file_entry_key_and_remedy(
    files: Callable[[Mapping[str, Any]], Path], changed: dict[str, Any], words: str
) -> None:
    path = files({**RIGHT, **changed})

    with pytest.raises(InvalidInput) as refusal:
        load_targets(path)

    assert refusal.value.message.startswith(f"{path}: H100 ")
    assert words in refusal.value.message
