"""Other values for the inputs of a case, as a word beside its arguments."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from kernelbot.judge.cases import ProblemFault, open_problem
from kernelbot.judge.protocol import VALUES, Job, Mode
from kernelbot.judge.values import reshape

SECRET = 12345


def changed(word: str, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor]:
    """N(0, 1) numbers before and after."""
    source = torch.Generator().manual_seed(1)
    before = torch.randn((64, 512), generator=source).to(dtype)
    after = before.clone()
    reshape([after], word, SECRET)
    return before.double(), after.double()


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float8_e4m3fn]
)
@pytest.mark.parametrize("word", VALUES)
def test_every_word_gives_finite_values_of_the_same_type_in_the_same_place(
    word: str, dtype: torch.dtype
) -> None:
    before, after = changed(word, dtype)

    assert after.isfinite().all()
    assert not torch.equal(before, after)
    assert torch.equal(after, changed(word, dtype)[1]), "a secret stands for one input"


def test_each_word_does_what_it_says() -> None:
    x, uniform = changed("uniform")
    assert uniform.abs().max() <= 1
    assert uniform.var() == pytest.approx(1 / 3, rel=0.05)
    assert (changed("positive")[1] >= 0).all()
    assert changed("heavy")[1].abs().max() > 20
    touched = changed("outliers")[1] != x
    assert 5 < touched.sum() < 100
    assert torch.equal(changed("outliers")[1][touched], 64 * x[touched])
    assert torch.equal(changed("large")[1], 64 * x)
    assert torch.equal(changed("small")[1], x / 1024)
    assert (changed("sparse")[1] == 0).double().mean() == pytest.approx(7 / 8, abs=0.02)
    assert len(changed("ties")[1].unique()) < 12
    assert torch.equal(changed("sorted")[1], x.sort(dim=-1).values)
    assert (changed("equal")[1] == x[0, 0]).all()
    assert (changed("zeros")[1] == 0).all()


def test_a_single_value_becomes_an_outlier_and_one_too_large_stays_finite() -> None:
    one = torch.tensor([500.0], dtype=torch.float8_e5m2)
    most = torch.finfo(torch.float16).max
    large = torch.tensor([most, -most], dtype=torch.float16)

    reshape([one, large], "outliers", SECRET)
    reshape([large], "large", SECRET)

    assert float(one) == 64 * 512
    assert large.tolist() == [most, -most]


@pytest.mark.parametrize("word", VALUES)
def test_what_is_not_finite_stays_where_it_is(word: str) -> None:
    mask = torch.ones(64, 64).masked_fill(torch.ones(64, 64).triu(1).bool(), -torch.inf)
    hidden = mask.isinf()

    reshape([mask], word, SECRET)

    assert torch.equal(mask.isinf(), hidden)
    assert mask[~hidden].isfinite().all()


def test_what_two_inputs_share_is_changed_once_or_refused_and_parts_of_one_are_two() -> None:
    whole = torch.ones(8)
    reshape([whole, whole[:4], whole.reshape(2, 4).t()], "large", SECRET)
    assert whole.tolist() == [64.0] * 8
    with pytest.raises(ValueError, match="share memory"):
        reshape([whole[:4], whole], "large", SECRET)

    both = torch.ones(4, 2, 3)
    reshape([*both.unbind(1)], "large", SECRET)
    assert (both == 64).all()


def test_more_words_than_inputs_are_refused() -> None:
    with pytest.raises(ValueError, match="3 words of values for 1 inputs"):
        reshape([torch.ones(2)], ["large", "small", "zeros"], SECRET)


def test_numbers_that_stand_for_something_else_are_left_alone() -> None:
    data = [torch.arange(5), 3, "text", None, torch.ones(3, dtype=torch.bool)]
    nested = {"weights": [torch.ones(2)], "rows": torch.arange(2)}

    reshape([*data, nested], "zeros", SECRET)

    assert data[0].tolist() == [0, 1, 2, 3, 4]  # type: ignore[union-attr]
    assert data[4].all()  # type: ignore[union-attr]
    assert nested["rows"].tolist() == [0, 1]  # type: ignore[union-attr]
    assert nested["weights"][0].tolist() == [0.0, 0.0]


def test_a_tensor_in_two_places_is_changed_once_and_a_list_says_it_for_each_entry() -> None:
    same, other = torch.ones(4), torch.ones(4)

    reshape([same, other, same], ["large", "as_made"], SECRET)
    assert (same[0], other[0]) == (64, 1)
    reshape([same, same], "large", SECRET)
    assert same[0] == 64 * 64


REFERENCE = """\
import torch
OUTPUTS = 1


def generate_input(*, seed, device, {more}size):
    source = torch.Generator(device=device).manual_seed(seed)
    x = torch.randn(size, generator=source, device=device)
    return x, torch.full_like(x, 7.0)


def reference(data):
    return {answer}
"""


def a_job(**more: object) -> Job:
    return Job(
        run_id="r", mode=Mode.TEST, problem="p", problem_digest="d", tests=(), benchmarks=(), **more  # type: ignore[arg-type]
    )  # fmt: skip


def test_the_judge_changes_inputs_before_the_reference_is_asked_and_leaves_buffers(
    tmp_path: Path,
) -> None:
    (tmp_path / "reference.py").write_text(REFERENCE.format(more="", answer="2 * data[0]"))
    problem = open_problem(tmp_path, a_job())

    case = problem.fresh({"size": 3000, "values": "ties"})
    plain = problem.fresh({"size": 3000})

    assert torch.equal(case.data[0], case.data[0].round())
    assert torch.equal(case.answers[0], 2 * case.data[0])
    assert (case.data[1] == 7).all()
    assert not torch.equal(plain.data[0], plain.data[0].round())
    with pytest.raises(ProblemFault, match="there are no values 'tie'"):
        problem.fresh({"size": 3, "values": "tie"})


def test_ranks_that_share_an_input_share_what_becomes_of_it(tmp_path: Path) -> None:
    source = REFERENCE.format(more="rank, world_size, ", answer="[2 * x for x, _ in data]")
    (tmp_path / "reference.py").write_text(source)
    problem = open_problem(tmp_path, a_job(world_size=3))

    cases = problem.fresh_for_all({"size": 3000, "values": "sparse"})

    assert (cases[0].data[0] == 0).float().mean() > 0.8
    assert all(torch.equal(case.data[0], cases[0].data[0]) for case in cases)
