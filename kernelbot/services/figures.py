"""What figures a verdict may have, wherever it comes from: what no judge measures is neither stored nor scored."""

from __future__ import annotations

from kernelbot.judge.protocol import Measurement, Verdict

MOST_CASES = 1_000_000
MOST_SAMPLES = (1 << 31) - 1
LEAST_NS, MOST_NS = 1e-3, 1e15
"""Of one call: less than light needs across a hair, and more than a week."""
HARDLY_NS = 1e4
MOST_SECONDS = 1e6
MOST_READING = 1e6  # MHz, W
MOST = 1 << 53


def sound(found: Verdict) -> bool:
    """Whether its figures are some: each case measured once, counts that are counted, times that pass."""
    timed = [case for case in found.cases if case.measurement is not None]
    device = found.device
    return (
        len({case.index for case in timed}) == len(timed)
        and all(0 <= case.index <= MOST_CASES for case in found.cases)
        and all(case.measurement is None or _is_time(case.measurement) for case in found.cases)
        and all(0 <= spent <= MOST_SECONDS for spent in vars(found.spent).values())
        and all(0 <= count < MOST for count in (device.count, device.memory_bytes, device.sm_count))
    )


def _is_time(said: Measurement) -> bool:
    """Whether a judge could have measured it. An error over the time ties with everybody's: a judge has it only where
    there is hardly any time, and where the problem's own program says so."""
    among = (said.low_ns, said.high_ns, said.best_ns, said.worst_ns)
    wide = MOST_NS if said.clock == "evaluator" else max(said.ns, HARDLY_NS)
    return (
        LEAST_NS <= said.ns <= MOST_NS
        and 0 <= said.stderr_ns <= wide
        and all(abs(value) <= 100 * MOST_NS for value in among)
        and 0 <= said.samples <= MOST_SAMPLES
        and all(0 <= count <= MOST_SAMPLES for count in (said.processes, said.calls))
        and all(0 <= value <= MOST_READING for value in (said.sm_mhz, said.watts))
        and len(said.clock) <= 16
    )
