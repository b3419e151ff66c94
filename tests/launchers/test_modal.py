"""The Modal launcher: the contract over real gRPC, and what can go wrong on the way."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import os
import pickle
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
from grpclib import Status
from modal import exception
from modal_proto import api_pb2

from kernelbot.config import ROOT
from kernelbot.domain.target import Target
from kernelbot.judge import parcels
from kernelbot.judge.artefacts import CHUNK_BYTES
from kernelbot.judge.protocol import (
    Artefact,
    Device,
    Harness,
    Limits,
    Verdict,
    VerdictKind,
    judge_digest,
)
from kernelbot.launchers import modal
from kernelbot.launchers.base import Package, Site
from kernelbot.launchers.modal import ModalLauncher
from kernelbot.launchers.registry import FACTORIES
from kernelbot.launchers.targets import load_targets
from tests.fakes.modal import TOKEN, FakeModal, serving
from tests.launchers.contract import CORRECT, ENDLESS, LauncherContract, outcome, package
from tests.launchers.test_local import list_of
from tests.patience import until
from tests.processes import alive, family

STATUS = api_pb2.GenericResult


@dataclass
class There:
    """The service, and the launcher that reaches it."""

    launcher: ModalLauncher
    fake: FakeModal
    seen: list[int] = field(default_factory=list)

    @property
    def maker(self) -> functools.partial[ModalLauncher]:
        return functools.partial(ModalLauncher, "CPU", TOKEN)

    def processes(self, marker: str) -> list[int]:
        for call in self.fake.servicer.calls.values():
            there = any(name.startswith(f"run-{marker}-") for name in list_of(call.folder))
            if call.process is not None and there:
                found = family(call.process.pid)
                self.seen += [pid for pid in found if pid not in self.seen]
        return alive(self.seen)

    def remains(self) -> list[str]:
        return [path.name for path in self.fake.folder.iterdir()]


@pytest_asyncio.fixture
async def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[There]:
    async with serving("CPU") as fake:
        monkeypatch.setenv("MODAL_SERVER_URL", fake.url)
        monkeypatch.setenv("MODAL_CONFIG_PATH", str(tmp_path / "none.toml"))
        monkeypatch.setattr(modal, "POLL_S", 0.5)
        launcher = ModalLauncher("CPU", TOKEN, away_s=0.05, count_s=0.1)
        yield There(launcher, fake)
        await launcher.close()


class TestModalLauncher(LauncherContract):
    canaries_travel = True


async def test_a_function_that_is_not_deployed_is_no_place_to_run_and_the_remedy_is_said(
    place: There,
) -> None:
    place.fake.servicer.functions.clear()

    with pytest.raises(OSError, match=r"modal deploy -m runners\.modal_app"):
        await place.launcher.start(package(CORRECT))


async def test_a_service_that_is_away_is_no_place_to_run(place: There) -> None:
    await place.fake.go_away()
    launcher = ModalLauncher("CPU", TOKEN, start_s=0.5)

    with pytest.raises(OSError, match="Modal takes no run for CPU"):
        await launcher.start(package(CORRECT))
    await launcher.close()


def within(measure_s: float) -> Package:
    sent = package(CORRECT)
    limits = Limits(build_s=60.0, check_s=30.0, measure_s=measure_s)
    return dataclasses.replace(sent, job=dataclasses.replace(sent.job, limits=limits))


async def test_a_container_may_live_as_long_as_its_run_may_take_with_its_canary(
    place: There,
) -> None:
    place.fake.servicer.busy = True
    canary = package(CORRECT, run_id="c")
    short, long = within(10.0), within(3600.0)
    with_canary = dataclasses.replace(within(60.0), canary=canary)
    for sent in (short, long, with_canary):
        await place.launcher.start(sent)

    given = [call.limit_s for call in place.fake.servicer.calls.values()]

    assert given == [600, 9600, 1200]
    assert parcels.deadline_s(long.job.limits) < given[1]
    both_s = parcels.deadline_s(with_canary.job.limits) + parcels.deadline_s(canary.job.limits)
    assert 600 < both_s < given[2]
    await until(lambda: place.launcher.backlog == 3)  # Modal counts each time limit by itself


async def test_a_run_that_may_take_longer_than_any_container_is_refused_before_anything_is_called(
    place: There,
) -> None:
    with pytest.raises(ValueError, match=r"may take 86580 s in all, and Modal .* 86400 s; lower"):
        await place.launcher.start(within(43_110.0))

    assert not place.fake.servicer.calls


class Mine(Exception):
    """Of a class that an answer may not name."""


class Harm:
    """Does something where it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, int]]:
        return os.mkdir, (str(self.path), 0o700)


def ended(status: int, words: str = "", data: bytes = b"") -> api_pb2.GenericResult:
    return STATUS(status=status, exception=words, data=data)  # type: ignore[arg-type]


# All that Modal says of a call that is over. None of it is the contestant's fault.
ENDS = {
    "UNSPECIFIED": "RemoteError",
    "FAILURE": "RemoteError: the container ended with 137",
    "TERMINATED": "RemoteError: the container ended with 137",
    "TIMEOUT": "after all the time that its run may take",
    "INIT_FAILURE": "RemoteError: the container ended with 137",
    "INTERNAL_FAILURE": "InternalFailure",
    "IDLE_TIMEOUT": "RemoteError",
    "MEMORY_MANAGER_EVICTION": "RemoteError",
    "MEMORY_THRASHING_EVICTION": "RemoteError",
    "KERNEL_OOM_KILL": "RemoteError",
}


def test_every_way_in_which_modal_ends_a_call_is_known() -> None:
    known = {f"GENERIC_STATUS_{name}" for name in (*ENDS, "SUCCESS")}

    assert set(STATUS.DESCRIPTOR.fields_by_name["status"].enum_type.values_by_name) == known


@pytest.mark.parametrize(
    ("result", "words"),
    [
        *(
            (
                ended(
                    STATUS.GenericStatus.Value(f"GENERIC_STATUS_{name}"),
                    "the container ended with 137",
                ),
                words,
            )
            for name, words in ENDS.items()
        ),
        (ended(STATUS.GENERIC_STATUS_SUCCESS, data=pickle.dumps(None)), "NoneType"),
        (ended(STATUS.GENERIC_STATUS_SUCCESS, data=pickle.dumps(b"x")), "no parcel"),
        (ended(STATUS.GENERIC_STATUS_SUCCESS, data=b"no pickle"), "DeserializationError"),
        (
            STATUS(
                status=STATUS.GENERIC_STATUS_FAILURE,
                data=pickle.dumps(Mine("no")),
                traceback="File body.py, line 1",
            ),
            "line 1",
        ),
        # Words of a container's own that would have the launcher wait for ever, were they believed.
        (
            ended(STATUS.GENERIC_STATUS_FAILURE, data=pickle.dumps(TimeoutError("still at it"))),
            "ExecutionError",
        ),
        (
            ended(STATUS.GENERIC_STATUS_FAILURE, data=pickle.dumps(ConnectionError("away"))),
            "ExecutionError",
        ),
    ],
)
async def test_a_call_that_fails_is_our_fault_and_the_operator_reads_why(
    place: There, result: api_pb2.GenericResult, words: str
) -> None:
    place.fake.servicer.next_result = result

    found = await outcome(await place.launcher.start(package(CORRECT)))

    assert found.verdict.kind is VerdictKind.JUDGE_FAILED
    assert found.verdict.run_id == "7"
    assert words in found.verdict.fault
    assert words not in found.verdict.message


# What Modal answers instead of an outcome, and whether the call is asked for again (otherwise it is ended, and
# the run begun anew).
REFUSALS = {
    "UNAVAILABLE": True,
    "DEADLINE_EXCEEDED": True,
    "INTERNAL": True,
    "UNKNOWN": True,
    "CANCELLED": True,
    "RESOURCE_EXHAUSTED": True,
    "UNAUTHENTICATED": False,
    "PERMISSION_DENIED": False,
    "NOT_FOUND": False,
    "INVALID_ARGUMENT": False,
    "FAILED_PRECONDITION": False,
    "ABORTED": False,
    "OUT_OF_RANGE": False,
    "ALREADY_EXISTS": False,
    "UNIMPLEMENTED": False,
    "DATA_LOSS": False,
}


def test_every_status_of_grpc_is_known() -> None:
    assert set(Status.__members__) == {*REFUSALS, "OK"}


@pytest.mark.parametrize(("status", "asked_again"), REFUSALS.items())
async def test_a_question_that_is_refused_is_asked_again_only_where_that_may_help(
    place: There, status: str, asked_again: bool
) -> None:
    place.fake.servicer.busy = True
    launch = await place.launcher.start(package(CORRECT))
    (call,) = place.fake.servicer.calls.values()
    call.result = answer(place, PASSED, {})
    # Modal's client asks four times by itself.
    place.fake.servicer.refusals = [Status[status]] * 5
    call.ended.set()

    verdict = (await outcome(launch)).verdict

    assert verdict.kind is (VerdictKind.PASSED if asked_again else VerdictKind.JUDGE_FAILED)
    if status == "UNAUTHENTICATED":
        assert "make a token that holds" in verdict.fault


async def test_a_call_that_is_given_up_is_ended(place: There) -> None:
    launch = await place.launcher.start(package(ENDLESS))
    await until(lambda: place.processes("7"))
    place.fake.servicer.refusals = [Status.UNAUTHENTICATED]

    assert (await outcome(launch)).verdict.kind is VerdictKind.JUDGE_FAILED
    assert await until(lambda: not place.processes("7"))
    assert place.remains() == []


def test_every_error_of_modals_package_has_its_place() -> None:
    raised = {
        name
        for name, item in vars(exception).items()
        if isinstance(item, type) and issubclass(item, exception.Error)
    }

    assert set(modal.ASK_AGAIN) | set(modal.REMEDIES) <= raised
    assert not set(modal.ASK_AGAIN) & set(modal.REMEDIES)
    elsewhere = re.compile("Sandbox|Snapshot|Volume|Mount|Logs|Interactive|Workspace|Exec")
    assert {name for name in raised if not elsewhere.search(name)} == {
        *modal.ASK_AGAIN,
        *modal.REMEDIES,
        # Nothing an operator could do: the run is tried again.
        "AlreadyExistsError", "ClientClosed", "ConflictError", "DataLossError", "DeserializationError",
        "Error", "InternalFailure", "InvalidError", "RemoteError", "RequestSizeError", "SerializationError",
        "TimeoutError",
    }  # fmt: skip


@pytest.mark.parametrize("kind", VerdictKind)
async def test_what_the_judge_decided_there_is_the_verdict_here(
    place: There, kind: VerdictKind
) -> None:
    decided = dataclasses.replace(PASSED, kind=kind, message="words", fault="")
    place.fake.servicer.next_result = answer(place, decided, {})

    assert (await outcome(await place.launcher.start(package(CORRECT)))).verdict == decided


@pytest.mark.parametrize("status", [STATUS.GENERIC_STATUS_SUCCESS, STATUS.GENERIC_STATUS_FAILURE])
async def test_an_answer_that_would_run_something_here_is_not_read(
    place: There, status: api_pb2.GenericResult.GenericStatus.ValueType, tmp_path: Path
) -> None:
    data = pickle.dumps(Harm(tmp_path / "harm"))
    place.fake.servicer.next_result = STATUS(status=status, data=data)

    found = await outcome(await place.launcher.start(package(CORRECT)))

    assert found.verdict.kind is VerdictKind.JUDGE_FAILED
    assert not (tmp_path / "harm").exists()


def answer(place: There, verdict: Verdict, files: dict[str, bytes]) -> api_pb2.GenericResult:
    header = {"verdict": parcels.dump(verdict), "events": [], "stderr": ""}
    return place.fake.servicer.returned(parcels._pack(header, files))


PASSED = Verdict(kind=VerdictKind.PASSED, run_id="7", harness=Harness(judge_digest=judge_digest()))


async def test_files_over_what_a_message_holds_come_whole(place: There) -> None:
    content = os.urandom(3 << 20)
    item = Artefact(name="trace.json.gz", bytes=len(content), media_type="application/gzip")
    passed = dataclasses.replace(PASSED, artefacts=(item,))
    place.fake.servicer.next_result = answer(place, passed, {item.name: content})

    launch = await place.launcher.start(package(CORRECT))
    verdict = await launch.verdict()
    chunks = [chunk async for chunk in launch.artefact(item.name)]

    assert verdict == passed
    assert b"".join(chunks) == content
    assert max(map(len, chunks)) <= CHUNK_BYTES
    assert place.fake.servicer.downloads == 1


async def large(place: There) -> Verdict:
    """The verdict of a call that answers with more than a message holds."""
    content = os.urandom(3 << 20)
    item = Artefact(name="trace.json.gz", bytes=len(content), media_type="application/gzip")
    passed = dataclasses.replace(PASSED, artefacts=(item,))
    place.fake.servicer.next_result = answer(place, passed, {item.name: content})
    return (await outcome(await place.launcher.start(package(CORRECT)))).verdict


async def test_a_store_that_fails_is_asked_again_and_the_run_is_not_judged_anew(
    place: There,
) -> None:
    place.fake.servicer.store_says = [500, 503]

    assert (await large(place)).kind is VerdictKind.PASSED
    assert place.fake.servicer.downloads == 3


async def test_an_answer_that_the_store_has_no_more_is_our_fault(place: There) -> None:
    place.fake.servicer.store_says = [404]

    verdict = await large(place)

    assert verdict.kind is VerdictKind.JUDGE_FAILED
    assert "has the answer no more" in verdict.fault


async def test_an_answer_over_the_limit_is_not_read_to_its_end(
    place: There, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modal, "MOST_BYTES", 1 << 20)

    verdict = await large(place)

    assert verdict.kind is VerdictKind.JUDGE_FAILED
    assert "over the limit of 1048576 bytes" in verdict.fault


async def test_a_job_over_what_a_message_holds_arrives_whole(place: There) -> None:
    place.fake.servicer.next_result = answer(place, PASSED, {})
    sent = package(CORRECT)
    files = {**sent.problem_files, "weights.bin": os.urandom(5 << 20)}

    await outcome(await place.launcher.start(dataclasses.replace(sent, problem_files=files)))

    (call,) = place.fake.servicer.calls.values()
    _, contents = parcels._unpack(call.parcel, parcels.MAX_JOB_BYTES)
    assert contents["problem/weights.bin"] == files["weights.bin"]
    assert place.fake.servicer.uploads == 1


@pytest.mark.parametrize(
    ("verdict", "files", "words"),
    [
        (dataclasses.replace(PASSED, run_id="8"), {}, "about run '8'"),
        (PASSED, {"more.txt": b"x"}, "not those that the verdict lists"),
        (
            dataclasses.replace(PASSED, harness=Harness(judge_digest="0" * 64)),
            {},
            "deploy the app",
        ),
    ],
)
async def test_a_verdict_that_is_not_this_runs_or_this_judges_is_not_taken(
    place: There, verdict: Verdict, files: dict[str, bytes], words: str
) -> None:
    place.fake.servicer.next_result = answer(place, verdict, files)

    found = await outcome(await place.launcher.start(package(CORRECT)))

    assert found.verdict.kind is VerdictKind.JUDGE_FAILED
    assert words in found.verdict.fault


async def test_an_outcome_that_expired_is_our_fault(place: There) -> None:
    place.fake.servicer.busy = True
    launch = await place.launcher.start(package(CORRECT))
    (call,) = place.fake.servicer.calls.values()

    call.expired = True
    call.ended.set()

    found = await outcome(launch)
    assert found.verdict.kind is VerdictKind.JUDGE_FAILED
    assert "OutputExpiredError" in found.verdict.fault


async def test_a_service_that_was_away_for_a_while_loses_nothing(place: There) -> None:
    place.fake.servicer.busy = True
    launch = await place.launcher.start(package(CORRECT))
    (call,) = place.fake.servicer.calls.values()

    await place.fake.go_away()
    call.result = answer(place, PASSED, {})
    call.ended.set()
    await asyncio.sleep(1.0)  # some questions go unanswered
    await place.fake.arrive()

    assert (await outcome(launch)).verdict == PASSED


async def test_a_run_that_no_gpu_is_found_for_is_given_up_and_ended(place: There) -> None:
    sent = package(ENDLESS)
    launch = await place.launcher.start(sent)
    await launch.close()
    hasty = modal.ModalLaunch(launch._call, sent.job, 0.0, 0.05, 600)  # type: ignore[attr-defined]

    verdict = await hasty.verdict()

    assert verdict.kind is VerdictKind.JUDGE_FAILED
    assert "no outcome within 0 s" in verdict.fault
    assert place.remains() == []


async def test_another_device_than_was_asked_for_is_refused_and_not_scored(place: There) -> None:
    sent = package(CORRECT)
    job = dataclasses.replace(sent.job, expect_device=r"\bH100\b")

    found = await outcome(await place.launcher.start(dataclasses.replace(sent, job=job)))

    assert found.verdict.kind is VerdictKind.JUDGE_FAILED
    assert "expects devices matching" in found.verdict.fault


async def test_what_ended_before_it_met_a_device_is_believed_and_an_answer_is_not(
    place: There,
) -> None:
    no_program = package(b"def custom_kernel(data:\n")
    job = dataclasses.replace(no_program.job, expect_device=r"\bH100\b")
    found = await outcome(await place.launcher.start(dataclasses.replace(no_program, job=job)))
    assert found.verdict.kind is VerdictKind.BUILD_FAILED

    decided = dataclasses.replace(PASSED, device=Device(kind="cuda"))
    place.fake.servicer.next_result = answer(place, decided, {})
    found = await outcome(await place.launcher.start(dataclasses.replace(no_program, job=job)))
    assert "Modal gave ''" in found.verdict.fault


async def test_a_start_that_is_cancelled_leaves_nothing_behind(place: There) -> None:
    place.fake.servicer.admitting.clear()
    starting = asyncio.create_task(place.launcher.start(package(ENDLESS)))
    await until(lambda: place.fake.servicer.calls)

    starting.cancel()
    place.fake.servicer.admitting.set()
    await asyncio.wait([starting])

    assert starting.cancelled()
    assert place.remains() == []


H100 = Target(name="H100", device="cuda", match="H100")


def test_a_worker_reaches_modal_with_a_token_and_as_often_as_was_said() -> None:
    settings = {"gpu": "H100!", "runs": 3}
    token = dict(zip(modal.TOKEN, TOKEN, strict=True))
    folder = Path("nowhere")

    assert modal.make(H100, settings, Site(folder=folder, environment={})) == []
    made = modal.make(H100, settings, Site(folder=folder, environment=token))
    assert len(made) == 3
    assert len(set(map(id, made))) == 1


def test_every_target_that_names_modal_is_reached_with_a_token_and_without_a_device() -> None:
    token = dict(zip(modal.TOKEN, TOKEN, strict=True))
    site = Site(folder=Path("nowhere"), environment=token)
    targets = load_targets(ROOT / "runners" / "targets.yaml").values()
    named = [target for target in targets if "modal" in target.launchers]

    assert named
    for target in named:
        tried = [
            FACTORIES[way].make(target, target.settings.get(way, {}), site)
            for way in target.launchers
        ]
        (reached,) = [launchers for launchers in tried if launchers]
        assert len(reached) == target.settings["modal"]["runs"]
        assert isinstance(reached[0], ModalLauncher)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "gpu must be"),
        ({"gpu": "H100:2", "runs": 1}, "gpus says how many"),
        ({"gpu": "H100!"}, "runs must be"),
        ({"gpu": "H100!", "runs": 0}, "from 1 to 100"),
        ({"gpu": "H100!", "runs": True}, "from 1 to 100"),
    ],
)
def test_wrong_settings_are_refused_with_the_remedy(
    settings: dict[str, object], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        modal.check(H100, settings)
