"""Other values for the inputs of a case: ``values: outliers`` beside the arguments of ``generate_input``.

What a problem's generator makes is changed in place, in floating-point inputs alone, by rules that
keep shapes, types and layouts. The same secret changes the same places on every rank, so what all
ranks share stays shared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from kernelbot.judge.protocol import AS_MADE, VALUES

ONE_IN = 1024
"""Of so many values one is an outlier."""
KEPT = 1 / 8
"""The share of values that a sparse input keeps."""


def reshape(data: Sequence[Any], said: str | Sequence[str], secret: int) -> None:
    """Change the inputs among ``data`` as ``said``: one word for all of them, or one for each entry.

    What is not finite in an input, as in a mask, stays what it is. Raises ValueError for a word that is none,
    more words than entries, a tensor that cannot be written to, or two that share a part of their memory.
    """
    words = [said] * len(data) if isinstance(said, str) else list(said)
    if len(words) > len(data):
        raise ValueError(f"{len(words)} words of values for {len(data)} inputs")
    changed: list[Any] = []  # one tensor may stand in two places
    for at, (entry, word) in enumerate(zip(data, words, strict=False)):
        if word not in VALUES and word != AS_MADE:
            raise ValueError(f"there are no values {word!r}; use one of: {', '.join(VALUES)}")
        if word == AS_MADE:
            continue
        for number, tensor in enumerate(_floats(entry)):
            if _is_new(tensor, word, changed):
                _change(tensor, word, secret + 1_000_003 * at + number)


def _is_new(tensor: Any, word: str, changed: list[Any]) -> bool:
    """Whether nothing of it has been changed yet; False if all of it has."""
    import torch

    for other in changed:
        if tensor.untyped_storage().data_ptr() != other.untyped_storage().data_ptr():
            continue
        place, size = tensor.storage_offset(), tensor.untyped_storage().nbytes()
        seen = torch.zeros(size // tensor.element_size(), dtype=torch.bool, device=tensor.device)
        if tensor.dtype is other.dtype:
            seen.as_strided(other.shape, other.stride(), other.storage_offset()).fill_(True)
        else:  # the same bytes in another meaning
            seen.fill_(True)
        shared = seen.as_strided(tensor.shape, tensor.stride(), place)
        if shared.all() and tensor.dtype is other.dtype:
            return False
        if shared.any():
            raise ValueError(f"values: {word} cannot be written into inputs that share memory")
    changed.append(tensor)
    return True


def _floats(entry: Any) -> Iterator[Any]:
    """Floating-point tensors of an entry that hold one number an element."""
    import torch

    if isinstance(entry, torch.Tensor):
        if entry.dtype.is_floating_point and "float4" not in str(entry.dtype):
            yield entry
    elif isinstance(entry, Mapping):
        for item in entry.values():
            yield from _floats(item)
    elif isinstance(entry, tuple | list):
        for item in entry:
            yield from _floats(item)


def _change(tensor: Any, word: str, seed: int) -> None:
    import torch

    if not tensor.numel():
        return
    source = torch.Generator(device=tensor.device).manual_seed(seed % (1 << 63))
    wide = torch.float64 if tensor.dtype is torch.float64 else torch.float32
    before = tensor.detach().to(wide)
    made = _RULES[word](before, source)
    most = torch.finfo(tensor.dtype).max
    made = torch.where(before.isfinite(), made.clamp(-most, most), before)
    try:
        tensor.data.copy_(made.to(tensor.dtype))
    except RuntimeError as error:  # expanded: several elements are one
        raise ValueError(f"values: {word} cannot be written into an input: {error}") from error


def _drawn(x: Any, source: Any) -> Any:
    """Uniform in [0, 1) for every element."""
    import torch

    return torch.rand(x.shape, generator=source, device=x.device)


def _outliers(x: Any, source: Any) -> Any:
    import torch

    chosen = _drawn(x, source) < 1 / ONE_IN
    flat = chosen.reshape(-1)
    flat[torch.randint(flat.numel(), (1,), generator=source, device=x.device)] = True
    return torch.where(flat.reshape(x.shape), x * 64, x)


def _sparse(x: Any, source: Any) -> Any:
    return x * (_drawn(x, source) < KEPT)


def _uniform(x: Any, source: Any) -> Any:
    import torch

    return torch.erf(x / math.sqrt(2))


def _sorted(x: Any, source: Any) -> Any:
    return x.sort(dim=-1).values if x.dim() else x


_RULES: dict[str, Callable[[Any, Any], Any]] = {
    "uniform": _uniform,
    "positive": lambda x, source: x.abs(),
    "heavy": lambda x, source: x * x * x,
    "outliers": _outliers,
    "large": lambda x, source: x * 64,
    "small": lambda x, source: x / 1024,
    "sparse": _sparse,
    "ties": lambda x, source: x.round(),
    "sorted": _sorted,
    "equal": lambda x, source: x.reshape(-1)[0].expand(x.shape),
    "zeros": lambda x, source: x.new_zeros(x.shape),
}
