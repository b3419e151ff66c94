"""A template of the judge that measures briefly: ``DESCRIPTOR --device KIND``.

Each benchmark gets one call to warm up and a tenth of the usual time. Every call is still on a fresh secret input and every answer compared;
there are fewer of them, and the times are wider, which no verdict on an example depends on.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace

from kernelbot.judge import __main__ as judge
from kernelbot.judge import timing, warm

if __name__ == "__main__":
    descriptor, _, device = sys.argv[1:]
    timing.CPU_PLAN = replace(timing.CPU_PLAN, warmup=1, wall_s=timing.CPU_PLAN.wall_s / 10)
    sys.argv[1:] = ["template", descriptor, str(os.getppid()), device]
    warm.main(judge.judge_task)
