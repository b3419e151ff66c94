"""What ``popcorn-cli`` reads: our views in the shapes of the server that it was written for.

It takes a submission for successful when ``done`` comes with no job status of ``FAILURES``, and a ranked one
only with a public run that has a score and a secret one that passed. Text that it shows to people as it is
(a job's status and error, messages of a stream) carries what it has no field for: the place in the queue, the
stage, the verdict, the rank.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from kernelbot import report
from kernelbot.domain.submission import Outcome, Status
from kernelbot.judge.protocol import CaseResult, Mode, Stage, VerdictKind
from kernelbot.services.views import EventView, LeaderboardView, RunView, SubmissionView

MODES = {mode: "leaderboard" if mode is Mode.RANKED else mode.value for mode in Mode}
FAILURES = {VerdictKind.TIMED_OUT: "timed_out", VerdictKind.DISQUALIFIED: "hacked"}
"""Every other failure is ``failed``."""

EXIT_CODES = {VerdictKind.PASSED: 0, VerdictKind.TIMED_OUT: 114}
WRONG = 112


def leaderboard(view: LeaderboardView) -> dict[str, Any]:
    """One to choose; its task without what is not needed for that."""
    return {
        "name": view.name,
        "description": f"{view.title}. {view.summary}".strip(),
        "deadline": None if view.closes_at is None else view.closes_at.isoformat(),
        "gpu_types": list(view.gpus),
        "task": {
            "lang": "py" if "python" in view.languages else "cu",
            "ranking_by": view.scoring,
        },
    }


def accepted(view: SubmissionView) -> dict[str, Any]:
    return {
        "status": "accepted",
        "details": {"id": view.id, "job_status_id": view.id},
        "runner_queue": _queue(view.runs),
    }


def listed(view: SubmissionView) -> dict[str, Any]:
    return {
        "id": view.id,
        "leaderboard_name": view.leaderboard,
        "file_name": view.file_name,
        "submission_time": view.created_at.isoformat(),
        "done": view.done,
        "runs": [
            {"gpu_type": run.gpu, "score": run.seconds}
            for run in view.runs
            if run.kind is VerdictKind.PASSED
        ],
    }


def submission(view: SubmissionView, code: str) -> dict[str, Any]:
    """All of one: what it polls until ``done``."""
    return {
        "id": view.id,
        "leaderboard_id": 0,
        "leaderboard_name": view.leaderboard,
        "file_name": view.file_name,
        "user_id": str(view.user_id),
        "submission_time": view.created_at.isoformat(),
        "done": view.done,
        "code": code,
        "runs": [row for run in view.runs if run.status is Status.DONE for row in _rows(run)],
        "job": _job(view),
        "runner_queue": None if view.done else _queue(view.runs),
    }


def message(event: EventView) -> str:
    """A step of a submission, in words."""
    if event.kind == "wait":
        return f"{event.gpu}: {event.data['text']}"
    if "stage" in event.data:
        done, total = event.data.get("done"), event.data.get("total")
        progress = f" {done} of {total}" if total else ""
        return f"{event.gpu}: {event.data['stage']}{progress}"
    return f"{event.gpu}: {event.kind}" if event.gpu else event.kind


def result(view: SubmissionView, traces: dict[int, str]) -> dict[str, Any]:
    """The end of a stream. ``traces``: of each run that left files, a zip of them in base64."""
    return {
        "status": "success",
        "results": [_full(run, traces.get(run.id)) for run in view.runs],
        "reports": [told(view)],
    }


def told(view: SubmissionView) -> str:
    """A submission as text, with everything that its owner may see."""
    lines = [f"Submission {view.id}: {view.leaderboard}, {view.mode}, {view.file_name}"]
    for run in view.runs:
        lines += ["", *_told(run)]
    if any(run.files for run in view.runs):
        lines += ["", f"Files are kept for a while: kernelbot artefacts {view.id} --output ."]
    return "\n".join(lines)


def _told(run: RunView) -> list[str]:
    lines = [f"{run.gpu}: {report.headline(run)}"]
    lines += [f"  {row.stage}  {row.spec}  {row.text}" for row in report.case_rows(run)]
    if run.verdict is not None and run.verdict.rule:
        lines += [f"  Rule: {run.verdict.rule}", f"  Evidence: {run.verdict.evidence}"]
    if log := _log(run):
        lines += [f"  | {line}" for line in log.splitlines()]
    if run.decision is not None:
        lines.append(f"  {report.decision_text(run.decision.outcome, run.decision.reason)}")
    return [*lines, f"  {run.ranking}"]


def _log(run: RunView) -> str:
    if run.verdict is None or not report.shows_log(run.mode):
        return ""
    log = run.verdict.log
    return log.rstrip() if run.mode is Mode.PROFILE else report.log_excerpt(log)


def _counts(run: RunView) -> bool:
    """Whether it did what it was sent for: passed, and nothing keeps a ranked one off the leaderboard."""
    if run.kind is not VerdictKind.PASSED:
        return False
    refused = run.decision is not None and run.decision.outcome in (
        Outcome.VOIDED,
        Outcome.REFUSED,
    )
    return run.mode is not Mode.RANKED or not (run.note or refused)


def _job(view: SubmissionView) -> dict[str, Any]:
    if not view.done:
        run = next(run for run in view.runs if not run.status.final)
        word = "pending" if run.status is Status.QUEUED else "running"
        return _status(f"{word}: {report.headline(run)}")
    failed = [run for run in view.runs if not _counts(run)]
    if failed:
        word = FAILURES.get(failed[0].kind or VerdictKind.JUDGE_FAILED, "failed")
        return _status(word, told(view))
    if view.mode is Mode.RANKED:
        return _status("succeeded: " + " ".join(run.ranking for run in view.runs))
    return _status("succeeded")


def _status(words: str, error: str | None = None) -> dict[str, Any]:
    return {"status": words, "error": error, "last_heartbeat": None}


def _queue(runs: Sequence[RunView]) -> dict[str, Any]:
    run = next((run for run in runs if not run.status.final), runs[0])
    return {
        "runner": "KernelBot",
        "gpu": run.gpu,
        "queued_jobs": 0 if run.wait is None else run.wait.ahead,
        "running_jobs": None,
        "available_runners": None,
        "status": report.headline(run),
        "error": None,
    }


def _rows(run: RunView) -> list[dict[str, Any]]:
    """A ranked run is two to it: one with the score, and the secret one that lets it count. Here they are
    the same, on inputs that nobody knows."""
    passed = _counts(run)
    row = {
        "start_time": None if run.started_at is None else run.started_at.isoformat(),
        "end_time": None if run.finished_at is None else run.finished_at.isoformat(),
        "mode": MODES[run.mode],
        "secret": False,
        "runner": run.gpu,
        "score": run.seconds if passed else None,
        "passed": passed,
    }
    if run.mode is Mode.RANKED:
        return [row, {**row, "secret": True, "score": None}]
    return [{**row, "result": _cases(run)}]


def _cases(run: RunView) -> dict[str, Any]:
    """The pairs that a problem's own program writes there: tests, then benchmarks in nanoseconds."""
    if run.verdict is None:
        return {}
    pairs: dict[str, Any] = {}
    for stage, word in ((Stage.CHECK, "test"), (Stage.MEASURE, "benchmark")):
        found = [case for case in run.verdict.cases if case.stage is stage]
        if found:
            pairs[f"{word}-count"] = len(found)
        for place, case in enumerate(found):
            values = _case(case)
            pairs |= {f"{word}.{place}.{key}": value for key, value in values.items()}
    return {**pairs, "check": "pass" if run.kind is VerdictKind.PASSED else "fail"}


def _case(case: CaseResult) -> dict[str, Any]:
    values: dict[str, Any] = {"spec": case.spec, "status": "pass" if case.ok else "fail"}
    if not case.ok:
        values["error"] = case.message or "wrong"
    if (measured := case.measurement) is not None:
        values |= {
            "runs": measured.samples,
            "mean": measured.ns,
            "err": measured.stderr_ns,
            "best": measured.best_ns,
            "worst": measured.worst_ns,
        }
    return values


def _full(run: RunView, trace: str | None) -> dict[str, Any]:
    passed = run.kind is VerdictKind.PASSED
    ours = run.kind in (None, VerdictKind.JUDGE_FAILED)
    device = None if run.verdict is None else run.verdict.device
    key = "profile.0" if run.mode is Mode.PROFILE else MODES[run.mode]
    stage = {
        "start": None if run.started_at is None else run.started_at.isoformat(),
        "end": None if run.finished_at is None else run.finished_at.isoformat(),
        "compilation": None,
        "run": {
            "success": not ours,
            "passed": passed,
            "command": "",
            "stdout": _log(run),
            "stderr": "",
            "exit_code": EXIT_CODES.get(run.kind, WRONG) if run.kind else WRONG,
            "duration": 0.0,
            "result": _cases(run) if run.mode in (Mode.TEST, Mode.BENCHMARK) else {},
        },
        "profile": None
        if run.mode is not Mode.PROFILE
        else {"profiler": "KernelBot", "trace": trace or "", "download_url": None},
    }
    return {
        "success": not ours,
        "error": report.headline(run) if ours else "",
        "system": {
            "gpu": "" if device is None else device.name,
            "device_count": 0 if device is None else device.count,
        },
        "runs": {key: stage},
    }


def ascii_json(document: object) -> str:
    """Escaped, because its reader decodes chunk by chunk and breaks characters of several bytes."""
    return json.dumps(document, ensure_ascii=True, separators=(",", ":"))
