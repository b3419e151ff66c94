"""``kernelbot problem import``: tasks of the forms of other collections, brought in and judged."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from tests.cli.conftest import CommandLine
from tests.importing.test_tasks import TASKS

NAMES = {
    "conv_norm_pool.py": "conv_norm_pool",
    "masked_distance.py": "masked_distance",
    "scaled_row_norm.py": "scaled_row_norm",
    "gemm_bias": "gemm_bias_n96_k64",
    "quantised_rows": "quantised-rows",
    "ragged_sum": "ragged_segment_sum_d32",
}


async def test_imported_tasks_are_fit_to_be_published(plain: CommandLine) -> None:
    made = []
    for source, name in NAMES.items():
        outcome = await plain("problem", "import", str(TASKS / source))
        assert outcome.code == 0, outcome.err
        assert outcome.out.strip() == f"problems/{name}"
        made.append(outcome.out.strip())

    outcome = await plain("problem", "check", *made, "--json")

    assert outcome.code == 0, outcome.out + outcome.err
    assert [item["fit"] for item in json.loads(outcome.out)["items"]] == [True] * len(NAMES)


async def test_an_author_adds_sizes_that_the_file_does_not_name(plain: CommandLine) -> None:
    await plain("problem", "import", str(TASKS / "scaled_row_norm.py"), "--name", "norm")
    file = plain.home / "problems" / "norm" / "problem.yaml"
    text = file.read_text().replace('"rows": 16, "width": 96', '"rows": 5, "width": 40')
    file.write_text(text)

    outcome = await plain("problem", "check", "problems/norm")

    assert outcome.code == 0, outcome.out + outcome.err
    assert "rows: 5; width: 40" in outcome.out


async def test_a_class_in_the_form_of_the_task_is_a_submission(plain: CommandLine) -> None:
    await plain("problem", "import", str(TASKS / "scaled_row_norm.py"))
    source = (TASKS / "scaled_row_norm.py").read_text().replace("class Model", "class ModelNew")
    line = "\nfrom task import kernel_of\n\ncustom_kernel = kernel_of(ModelNew)\n"
    (plain.home / "mine.py").write_text(source + line)

    outcome = await plain("judge", "problems/scaled_row_norm", "mine.py", "--mode", "benchmark")

    assert outcome.code == 0, outcome.out + outcome.err


async def test_a_definition_without_workloads_asks_for_them(
    plain: CommandLine, tmp_path: Path
) -> None:
    shutil.copy(TASKS / "gemm_bias" / "definition.json", tmp_path / "gemm.json")

    outcome = await plain("problem", "import", str(tmp_path / "gemm.json"))

    assert outcome.code != 0
    assert re.search(r"Say where the workloads are with\s+--workloads", outcome.err)
    lines = str(TASKS / "gemm_bias" / "workload.jsonl")
    outcome = await plain("problem", "import", str(tmp_path / "gemm.json"), "--workloads", lines)
    assert outcome.code == 0


async def test_a_source_that_is_not_there_is_said_to_be_missing(plain: CommandLine) -> None:
    outcome = await plain("problem", "import", "nowhere.py")

    assert outcome.code != 0
    assert "nowhere.py cannot be read: No such file" in outcome.err
