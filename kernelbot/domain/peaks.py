"""What a GPU can do at most: its peaks as data, each with the source it was taken from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from kernelbot.domain.definition import Node, Reader, Section, shorten

DTYPES = ("fp64", "fp32", "tf32", "fp16", "bf16", "fp8", "fp6", "fp4", "int8")

STANDS_IN = {
    "fp4": "fp8",
    "fp6": "fp8",
    "fp8": "fp16",
    "int8": "fp16",
    "bf16": "fp16",
    "tf32": "fp16",
    "fp16": "fp32",
}
"""What computes a type that a GPU has no units for: the fastest that its values fit into, so that a
bound never promises less than the GPU can do."""

_KEYS = ("devices", "peaks")
_NUMBERS = ("bandwidth", "cache", "link")
_PEAK_KEYS = ("source", *_NUMBERS, "flops")
_NAMES = 20
_BLOCKS = 10
_MODELS = 200


@dataclass(frozen=True, kw_only=True)
class Peaks:
    """One model of GPU, as its vendor describes it; without sparsity, at its boost clock."""

    name: str  # "H100 SXM"
    bandwidth: float  # of its memory, bytes/s
    cache: float  # its last level, bytes
    link: float = 0.0  # to other GPUs, bytes/s in one direction; 0: none known
    flops: Mapping[str, float] = field(default_factory=dict)  # FLOP/s by type
    devices: tuple[str, ...] = ()  # what such a device calls itself
    sources: Mapping[str, str] = field(default_factory=dict)  # of each number, "flops.fp16" too

    def rate(self, dtype: str) -> float:
        """FLOP/s in a type, or in the one that stands in for it; 0: unknown."""
        while dtype not in self.flops and dtype in STANDS_IN:
            dtype = STANDS_IN[dtype]
        return self.flops.get(dtype, 0.0)


def of_device(known: Iterable[Peaks], name: str) -> Peaks | None:
    """The peaks of the device that calls itself ``name``."""
    return next((peaks for peaks in known if name in peaks.devices), None)


def of_match(known: Iterable[Peaks], match: str) -> Peaks | None:
    """The peaks of a GPU kind whose devices' names match: of the fastest it may turn out to be.

    None when no model that we know is of this kind. An empty pattern matches anything, which says
    nothing.
    """
    admitted = [
        peaks
        for peaks in known
        if match and any(re.search(match, device) for device in peaks.devices)
    ]
    return fastest(admitted)


def fastest(models: Sequence[Peaks]) -> Peaks | None:
    """The best of every number: no device among the models can do more."""
    if len(models) < 2:
        return models[0] if models else None
    dtypes = {dtype for model in models for dtype in model.flops}
    return Peaks(
        name=" or ".join(model.name for model in models),
        bandwidth=max(model.bandwidth for model in models),
        cache=max(model.cache for model in models),
        link=max(model.link for model in models),
        flops={dtype: max(model.rate(dtype) for model in models) for dtype in dtypes},
        devices=tuple(device for model in models for device in model.devices),
    )


def by_gpu(models: Iterable[Peaks]) -> tuple[Peaks, ...]:
    """One for each GPU, in their order: models of one GPU are called by the same first word ("H100 PCIe",
    "H100 SXM"), and it is as fast as any of them."""
    found: dict[str, list[Peaks]] = {}
    for model in models:
        found.setdefault(model.name.partition(" ")[0], []).append(model)
    best = {name: fastest(group) for name, group in found.items()}
    return tuple(replace(item, name=name) for name, item in best.items() if item is not None)


# --- reading -----------------------------------------------------------------------------------


def read_peaks(document: Node, *, place: str) -> tuple[Peaks, ...]:
    """The models of a file that maps names to ``devices`` and blocks of numbers with a ``source``.

    Raises DefinitionErrors with every flaw found.
    """
    reader = Reader(place)
    entries = document.value if isinstance(document.value, dict) else {}
    if not 0 < len(entries) <= _MODELS:
        reason = f"expected a map of 1 to {_MODELS} models, got {document.described}"
        reader.flaw(document.line, "", reason, "Write 'NAME:' with devices and peaks below it")
        entries = {}
    models = [_model(reader, name, node) for name, node in entries.items()]
    _refuse_doubles(reader, entries, models)
    reader.finish()
    return tuple(models)


def _model(reader: Reader, name: str, node: Node) -> Peaks:
    section = reader.section(node, shorten(name), _KEYS)
    devices = section.required("devices", "Add 'devices: [NVIDIA H200]', what it calls itself")
    blocks = section.required("peaks", "Add 'peaks:' with blocks of 'source: ...' and numbers")
    numbers: dict[str, float] = {}
    sources: dict[str, str] = {}
    for at, block in enumerate(
        reader.items(blocks, section.at("peaks"), limit=_BLOCKS, what="blocks") if blocks else ()
    ):
        _block(reader, block, f"{section.at('peaks')}[{at}]", numbers, sources)
    for key in ("bandwidth", "cache"):
        if blocks and key not in numbers:
            reason = f"no block says {key!r}"
            reader.flaw(node.line, section.path, reason, f"Add {key} to one of them")
    return Peaks(
        name=name,
        bandwidth=numbers.get("bandwidth", 1.0),
        cache=numbers.get("cache", 0.0),
        link=numbers.get("link", 0.0),
        flops={
            key.removeprefix("flops."): value
            for key, value in numbers.items()
            if key.startswith("flops.")
        },
        devices=_device_names(reader, devices, section.at("devices")),
        sources=sources,
    )


def _device_names(reader: Reader, node: Node | None, path: str) -> tuple[str, ...]:
    items = reader.items(node, path, limit=_NAMES, what="names") if node else []
    names = [reader.text(item, f"{path}[{at}]", limit=100) for at, item in enumerate(items)]
    return tuple(name for name in names if name)


def _block(
    reader: Reader, node: Node, path: str, numbers: dict[str, float], sources: dict[str, str]
) -> None:
    """What one source says."""
    section = reader.section(node, path, _PEAK_KEYS)
    source = section.required_text("source", limit=300, remedy="Name the datasheet and its date")
    found = [(key, section.get(key)) for key in _NUMBERS]
    if flops := section.get("flops"):
        rates: Section = reader.section(flops, section.at("flops"), DTYPES)
        found += [(f"flops.{dtype}", rates.get(dtype)) for dtype in DTYPES]
    for key, item in found:
        value = item and reader.number(item, f"{path}.{key}", low=0, high=1e21, above_low=True)
        if item and key in numbers:
            reader.flaw(item.line, f"{path}.{key}", "is given twice", "Keep one source for it")
        elif value:
            numbers[key], sources[key] = value, source


def _refuse_doubles(reader: Reader, entries: Mapping[str, Node], models: Sequence[Peaks]) -> None:
    owner: dict[str, str] = {}
    for model in models:
        for device in model.devices:
            first = owner.setdefault(device, model.name)
            if first != model.name or model.devices.count(device) > 1:
                reason = f"{device!r} is already a device of {first}"
                line = entries[model.name].line
                reader.flaw(line, f"{model.name}.devices", reason, "Keep it in one place")
