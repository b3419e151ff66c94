"""What a submission may import where its problem lists packages."""

from __future__ import annotations

import pytest

from kernelbot.domain import imports
from kernelbot.errors import InvalidInput

OFFERED = ("torch", "cutlass", "task")


def test_what_is_offered_and_pythons_own_modules_are_no_foreign_imports() -> None:
    source = (
        "from __future__ import annotations\n"
        "import os.path, torch.nn as nn\n"
        "from cutlass.cute import runtime\n"
        "from task import input_t\n"
        "from . import anything\n"
        '"""import scipy"""\n'
    )

    assert imports.foreign(source, OFFERED) == []


def test_foreign_imports_are_found_wherever_they_stand() -> None:
    source = (
        "import torch, scipy\n"
        "def custom_kernel(data):\n"
        "    try:\n"
        "        from cupy.cuda import stream\n"
        "    except ImportError:\n"
        "        pass\n"
        "class A:\n"
        "    import cupy\n"
    )

    assert imports.foreign(source, OFFERED) == [(1, "scipy"), (4, "cupy"), (8, "cupy")]


@pytest.mark.parametrize(
    "source",
    ["import scipy\ndef (", "import scipy\n" + "(" * 3000, "import scipy\n" + " " * 70_000],
    ids=["broken", "nested", "long"],
)
def test_what_does_not_parse_or_is_too_long_is_left_to_the_judge(source: str) -> None:
    assert imports.foreign(source, OFFERED) == []


def test_a_refusal_says_file_line_name_and_what_may_be_imported() -> None:
    with pytest.raises(InvalidInput) as refusal:
        imports.demand_offered("k.py", "\nimport cutlas\n", ["cutlass"], ["task.py", "lib/a.py"])

    assert refusal.value.code == "package_not_offered"
    assert refusal.value.message == (
        "k.py: line 2 imports 'cutlas'. This problem says what a submission may import beside Python's own modules: "
        "torch, triton, numpy, cutlass, task, lib. Did you mean 'cutlass'?"
    )


def test_of_many_foreign_imports_the_first_are_told() -> None:
    source = "".join(f"import other{at}\n" for at in range(9))

    with pytest.raises(InvalidInput, match="line 4 imports 'other3' and 5 more"):
        imports.demand_offered("k.py", source, [], [])
