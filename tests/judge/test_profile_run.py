"""A profile as people get it: words in the log, files beside the verdict, whatever the tools do."""

from __future__ import annotations

import gzip
import io
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from kernelbot.judge.artefacts import MAX_FILE_BYTES, MAX_FILES, NotKept, Shelf, sound
from kernelbot.judge.protocol import Artefact, Job, Mode, Verdict, VerdictKind
from tests.judge.bench import HERE, LIMITS, Judged, a_job, judge
from tests.judge.under_a_tool import NEXT, SCRIPT

RIGHT = "import torch\ndef custom_kernel(data):\n    return torch.add(data[0], data[1])\n"
RAW = (Path(__file__).parent / "recorded" / "ncu_raw_h200.csv").read_text()
REPORTING = '"$@"\nprintf report > $FOLDER/profile.ncu-rep\n'
PRINTING = f"cat <<'END'\n{RAW}\nEND\n"
UNDER_A_TOOL = "tests.judge.under_a_tool"


def files_of(directory: Path, verdict: Verdict) -> dict[str, bytes]:
    return {
        item.name: (directory / "artefacts" / item.name).read_bytes() for item in verdict.artefacts
    }


def under_a_tool(
    directory: Path, submission: str = RIGHT, *scripts: dict[str, str], around: str = REPORTING,
    job: Job | None = None,
) -> Judged:  # fmt: skip
    """Judge a profile with a scripted program as the machine's profiler, or with several, one after another."""
    usual = {"around": around, "export": PRINTING}
    (directory / SCRIPT).write_text(json.dumps([usual | script for script in scripts or ({},)]))
    return judge(directory, submission, job or a_job(Mode.PROFILE), program=(UNDER_A_TOOL,))


def test_a_trace_of_the_call_lies_beside_the_verdict(tmp_path: Path) -> None:
    judged = judge(tmp_path, RIGHT, a_job(Mode.PROFILE))
    assert judged.verdict.passed, judged.explanation
    (artefact,) = judged.verdict.artefacts
    assert (artefact.name, artefact.media_type) == ("trace.json.gz", "application/gzip")
    content = files_of(tmp_path, judged.verdict)["trace.json.gz"]
    assert len(content) == artefact.bytes
    names = {event.get("name") for event in json.loads(gzip.decompress(content))["traceEvents"]}
    assert {"custom_kernel", "aten::add"} <= names


def test_other_modes_leave_no_files(tmp_path: Path) -> None:
    verdict = judge(tmp_path, RIGHT, a_job(Mode.BENCHMARK)).verdict
    assert verdict.artefacts == ()
    assert not (tmp_path / "artefacts").exists()


def test_the_benchmark_that_was_asked_for_is_profiled(tmp_path: Path) -> None:
    cases = ({"n": 200_000}, {"n": 10})
    verdict = judge(tmp_path, RIGHT, a_job(Mode.PROFILE, benchmarks=cases, profile_case=1)).verdict
    assert "Profile of benchmark 1 (n: 10)" in verdict.log


def test_without_a_choice_the_slowest_benchmark_is_profiled(tmp_path: Path) -> None:
    cases = ({"n": 10}, {"n": 4_000_000}, {"n": 20})
    verdict = judge(tmp_path, RIGHT, a_job(Mode.PROFILE, benchmarks=cases)).verdict
    assert "Profile of benchmark 1 (n: 4000000)" in verdict.log


def test_a_benchmark_that_is_not_there_is_said_not_to_be(tmp_path: Path) -> None:
    verdict = judge(tmp_path, RIGHT, a_job(Mode.PROFILE, profile_case=7)).verdict
    assert verdict.passed
    assert "There is no benchmark 7 to profile." in verdict.log


def test_a_wrong_kernel_is_not_profiled(tmp_path: Path) -> None:
    wrong = "def custom_kernel(data):\n    return data[0]\n"
    verdict = judge(tmp_path, wrong, a_job(Mode.PROFILE)).verdict
    assert verdict.kind is VerdictKind.WRONG_ANSWER
    assert verdict.artefacts == ()


def test_the_tools_findings_come_first_and_its_report_is_kept(tmp_path: Path) -> None:
    judged = under_a_tool(tmp_path)
    assert judged.verdict.passed, judged.explanation
    log = judged.verdict.log
    assert log.index("triton_add") < log.index("aten::add")
    assert "memory-bound: compute at 5 % and memory at 74 % of the peak (device memory)" in log
    files = files_of(tmp_path, judged.verdict)
    assert set(files) == {"profile.ncu-rep", "trace.json.gz"}
    assert files["profile.ncu-rep"] == b"report"


def test_the_submission_under_the_tool_is_still_behind_the_fence(tmp_path: Path) -> None:
    looking = (
        "import os\nprint('uid', os.getuid(), 'can write /etc:', os.access('/etc', os.W_OK))\n"
        + RIGHT
    )
    around = '"$@" > $FOLDER/printed 2>&1\nmv $FOLDER/printed $FOLDER/profile.ncu-rep'
    judged = under_a_tool(tmp_path, looking, around=around)
    printed = files_of(tmp_path, judged.verdict)["profile.ncu-rep"].decode()
    assert "can write /etc: False" in printed
    if os.getuid() == 0:
        assert "uid 0 " not in printed


def test_a_folder_for_reports_that_becomes_a_link_leads_nobody_out(tmp_path: Path) -> None:
    directory, elsewhere = tmp_path / "job", tmp_path / "elsewhere"
    directory.mkdir()
    elsewhere.mkdir()
    (elsewhere / "profile.ncu-rep").write_text("another's secret")
    attack = (HERE / "attacks" / "leak_profile_folder.py").read_text()
    attack = attack.replace("/root", str(elsewhere))
    judged = under_a_tool(directory, attack, around='"$@"')
    assert judged.verdict.passed, judged.explanation
    assert "secret" not in judged.verdict.log
    assert b"another's secret" not in files_of(directory, judged.verdict).values()


def test_a_report_is_found_in_its_folder_whatever_that_is_called_by_then(tmp_path: Path) -> None:
    around = (
        '"$@"\nprintf report > $FOLDER/profile.ncu-rep\nmv $FOLDER $FOLDER.moved\nln -s / $FOLDER'
    )
    judged = under_a_tool(tmp_path, around=around)
    assert files_of(tmp_path, judged.verdict)["profile.ncu-rep"] == b"report"


def test_a_tool_that_fails_is_told_and_costs_nothing(tmp_path: Path) -> None:
    cases = [
        ({"why_missing": "ncu is not installed"}, "was not used: ncu is not installed."),
        ({"around": "echo '==ERROR== broken'; exit 1"}, "gave nothing: broken"),
        ({"around": "echo ERR_NVGPUCTRPERM; exit 1"}, "NVreg_RestrictProfilingToAdminUsers=0"),
        ({"export": "exit 3"}, "gave nothing: "),
        ({"export": "head -c 100000 /dev/urandom"}, "gave nothing: this is no raw page"),
        ({"around": '"$@"'}, "profile.ncu-rep is left out: the profiler wrote none."),
        ({"around": '"$@"\nln -s /etc/passwd $FOLDER/profile.ncu-rep'}, "is left out"),
        ({"around": '"$@"\nmkfifo $FOLDER/profile.ncu-rep'}, "no plain file"),
        ({"around": '"$@"\ntruncate -s 65M $FOLDER/profile.ncu-rep'}, "65 MiB is over the 64 MiB"),
    ]
    judged = under_a_tool(tmp_path, RIGHT, *(script for script, _ in cases))
    assert judged.verdict.passed, judged.explanation
    said = judged.verdict.log.split(NEXT)
    assert len(said) == len(cases)
    for (script, told), words in zip(cases, said, strict=True):
        assert told in words, script
    assert "aten::add" in judged.verdict.log
    assert [item.name for item in judged.verdict.artefacts] == ["trace.json.gz"]


@pytest.mark.parametrize("around", ["sleep 600", '"$@"\nsleep 600'])
def test_a_tool_that_does_not_end_is_ended_at_the_limit_of_profiling_which_is_told(
    tmp_path: Path, around: str
) -> None:
    job = a_job(Mode.PROFILE, limits=replace(LIMITS, build_s=5, check_s=4, measure_s=3))
    judged = under_a_tool(tmp_path, job=job, around=around)
    assert judged.verdict.passed, judged.explanation
    words = "gave nothing: profiling took longer than the 12 s that it may take"
    assert words in judged.verdict.log
    assert "aten::add" in judged.verdict.log
    assert judged.verdict.spent.wall_s < 100


def test_a_torch_profiler_that_breaks_is_told_and_costs_nothing(tmp_path: Path) -> None:
    breaking = RIGHT + "import torch.profiler\ntorch.profiler.profile = None\n"
    judged = judge(tmp_path, breaking, a_job(Mode.PROFILE))
    assert judged.verdict.passed, judged.explanation
    assert "torch.profiler gave nothing:" in judged.verdict.log


def test_what_a_patched_profiler_says_is_only_shown(tmp_path: Path) -> None:
    lying = RIGHT + (
        "import sys\nfrom inside import profiling\n"
        "profiling.Traced.table = lambda self: '\\0\\x1b[31m all is well'\n"
        "profiling.Traced.write = lambda self, descriptor: __import__('os').write(descriptor, b'junk')\n"
    )
    judged = judge(tmp_path, lying, a_job(Mode.PROFILE))
    assert judged.verdict.passed, judged.explanation
    assert files_of(tmp_path, judged.verdict).get("trace.json.gz") in (b"junk", None)


# --- the shelf -----------------------------------------------------------------------------------


def kept(shelf: Shelf, name: str, content: bytes = b"x") -> None:
    shelf.put(io.BytesIO(content), len(content), name)


def taken(shelf: Shelf, folder: Path, name: str) -> None:
    place = os.open(folder, os.O_RDONLY)
    try:
        shelf.take(place, name, name)
    finally:
        os.close(place)


def test_a_run_keeps_so_many_files(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "artefacts")
    for number in range(MAX_FILES):
        kept(shelf, f"{number}.txt")
    with pytest.raises(NotKept, match="keeps 16 files"):
        kept(shelf, "more.txt")
    assert sound(shelf.artefacts)


def test_the_files_of_a_run_have_a_limit_together(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "artefacts")
    for name in ("a", "b"):
        (tmp_path / name).touch()
        os.truncate(tmp_path / name, MAX_FILE_BYTES)
        taken(shelf, tmp_path, name)
    with pytest.raises(NotKept, match="together"):
        kept(shelf, "c")
    assert sound(shelf.artefacts)


def test_a_file_with_a_second_name_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(b"secret")
    os.link(tmp_path / "mine", tmp_path / "report")
    with pytest.raises(NotKept, match="no plain file"):
        taken(Shelf(tmp_path / "artefacts"), tmp_path, "report")


def test_what_a_file_gains_while_it_is_taken_is_left(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "artefacts")
    shelf.put(io.BytesIO(b"x" * 100), 10, "a")
    assert shelf.artefacts == (Artefact(name="a", bytes=10, media_type="application/octet-stream"),)


@pytest.mark.parametrize("name", ["", "..", ".hidden", "a/b", "a\nb", "x" * 101, "ä"])
def test_a_list_with_a_name_that_is_no_plain_one_is_not_sound(name: str) -> None:
    assert not sound((Artefact(name=name, bytes=1, media_type=""),))


def test_a_list_beyond_the_limits_is_not_sound() -> None:
    def item(name: str, size: int = 1) -> Artefact:
        return Artefact(name=name, bytes=size, media_type="")

    assert not sound((item("a"), item("a")))
    assert not sound((item("a", -1),))
    assert not sound((item("a", MAX_FILE_BYTES + 1),))
    assert not sound(tuple(item(f"f{number}") for number in range(MAX_FILES + 1)))
    assert not sound(tuple(item(name, MAX_FILE_BYTES) for name in "abc"))
