"""What a problem promises to submissions in CUDA C++, HIP and C++: the parameters of ``custom_kernel``.

``native`` in ``problem.yaml`` maps the parameters' names, in order, to what each of them is::

    a: const float16*     the next entry of the data: a tensor to read
    out: float16*         the next entry of the data: a buffer for the answer
    scale: float64        the next entry of the data: a number (int64, float64), bool or text
    m: a.shape[0]         of a tensor above: a.shape[0], a.stride[0] or a.numel
"""

from __future__ import annotations

import re

from kernelbot.domain.definition import Node, Reader, Section, shorten
from kernelbot.judge.protocol import Parameter

LANGUAGES = ("cuda", "hip", "cpp")
DTYPES = (
    "float16", "bfloat16", "float32", "float64", "float8_e4m3fn", "float8_e5m2",
    "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu", "float4_e2m1fn_x2", "bool",
    "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
)  # fmt: skip
VALUES = ("int64", "float64", "bool", "text")

TENSOR = re.compile(r"(?P<const>const\s+)?(?P<dtype>\w+)\s*\*")
EXTENT = re.compile(r"(?P<of>\w+)\.(?:(?P<what>shape|stride)\[(?P<axis>[0-7])\]|(?P<numel>numel))")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
MAX_PARAMETERS = 64
MAX_FLAGS = 32

TAKEN = frozenset(
    [
        "stream",
        "status",
        "main",
        "asm",
        "auto",
        "bool",
        "break",
        "case",
        "catch",
        "char",
        "class",
        "const",
        "constexpr",
        "continue",
        "default",
        "delete",
        "do",
        "double",
        "else",
        "enum",
        "explicit",
        "export",
        "extern",
        "false",
        "float",
        "for",
        "friend",
        "goto",
        "if",
        "inline",
        "int",
        "long",
        "mutable",
        "namespace",
        "new",
        "operator",
        "private",
        "protected",
        "public",
        "register",
        "return",
        "short",
        "signed",
        "sizeof",
        "static",
        "struct",
        "switch",
        "template",
        "this",
        "throw",
        "true",
        "try",
        "typedef",
        "typeid",
        "typename",
        "union",
        "unsigned",
        "using",
        "virtual",
        "void",
        "volatile",
        "wchar_t",
        "while",
        "and",
        "or",
        "not",
        "xor",
        "error",
    ]
)
"""Names that C++ or the judge's own header has another use for."""

FLAGS = {
    "cuda": re.compile(
        r"-std=c\+\+(14|17|20|23)|-O[0-3]|-D[A-Za-z_]\w*(=[\w.+-]*)?|-l(cublas|cublasLt|cufft|curand|cusolver"
        r"|cusparse|nvrtc|nccl|cuda)|--?use_fast_math|--?fmad=(true|false)|--?ftz=(true|false)"
        r"|--?prec-(div|sqrt)=(true|false)|--?maxrregcount=\d{1,3}|-Xptxas=[\w=,-]+|--?diag-suppress=[\d,]+"
        r"|--?default-stream=(legacy|null|per-thread)|-rdc=(true|false)|-G|--?split-compile=\d{1,3}"
    ),
    "hip": re.compile(
        r"-std=c\+\+(14|17|20|23)|-O[0-3]|-D[A-Za-z_]\w*(=[\w.+-]*)?|-l(hipblas|hipblaslt|rocblas|rccl)"
        r"|-ffast-math|-ffp-contract=(fast|on|off)|-munsafe-fp-atomics|-mno-wavefrontsize64|-W[\w-]+"
    ),
    "cpp": re.compile(
        r"-std=c\+\+(14|17|20|23)|-O[0-3]|-Ofast|-D[A-Za-z_]\w*(=[\w.+-]*)?|-ffast-math"
        r"|-ffp-contract=(fast|on|off)|-funroll-loops|-march=[\w-]+|-mtune=[\w-]+|-W[\w-]+"
    ),
}
"""Flags that a problem may ask for: those that choose how code is made, none that names a file."""


def read_parameters(
    top: Section, languages: tuple[str, ...], outputs: int
) -> tuple[Parameter, ...]:
    """The section ``native``; ``outputs`` is how many entries at the end of the data are buffers."""
    reader, node = top.reader, top.get("native")
    wanted = [language for language in languages if language in LANGUAGES]
    if node is None:
        if wanted:
            remedy = "Add 'native:' with lines like 'a: const float16*' and 'n: a.numel'"
            reason = f"{wanted[0]} needs to know the parameters of custom_kernel"
            reader.flaw(top.line, "native", reason, remedy)
        return ()
    if not isinstance(node.value, dict) or not node.value:
        remedy = "Write one line 'name: const float16*' for each parameter, in order"
        reader.flaw(node.line, "native", f"expected a map, got {node.described}", remedy)
        return ()
    if not wanted:
        remedy = f"Add one of {', '.join(LANGUAGES)} to the languages, or remove it"
        reader.flaw(node.line, "native", "is for languages that are not listed", remedy)
    if len(node.value) > MAX_PARAMETERS:
        reason = f"has {len(node.value)} parameters, {MAX_PARAMETERS} are allowed"
        reader.flaw(node.line, "native", reason, "Derive some of them in the kernel")
        return ()
    found = _parameters(reader, node.value)
    buffers = sum(parameter.what == "output" for parameter in found)
    if len(found) == len(node.value) and (not outputs or buffers != outputs):
        reason = (
            f"{buffers} of the parameters are for output, and OUTPUTS in reference.py is {outputs}"
        )
        remedy = "Hand over a buffer for every output at the end of the data; inputs are const"
        reader.flaw(node.line, "native", reason, remedy)
    return found


def _parameters(reader: Reader, nodes: dict[str, Node]) -> tuple[Parameter, ...]:
    found: dict[str, Parameter] = {}
    entries = 0
    for name, node in nodes.items():
        path = f"native.{shorten(name)}"
        if not NAME.fullmatch(name) or name in TAKEN or name.startswith("kernelbot"):
            reason = f"{shorten(name)!r} cannot be the name of a parameter"
            reader.flaw(node.line, path, reason, "Use a word that C++ does not use itself")
            continue
        text = node.value.strip() if isinstance(node.value, str) else ""
        parameter = _extent(name, text, found) or _entry(name, text, entries)
        if parameter is None:
            remedy = (
                f"Write 'const DTYPE*' for a tensor, one of {', '.join(VALUES)} for a value, or "
                "'a.shape[0]', 'a.stride[0]', 'a.numel' of a tensor a above"
            )
            reader.flaw(node.line, path, f"{node.described} is not understood", remedy)
            continue
        entries += parameter.what in ("input", "output", "value")
        found[name] = parameter
    return tuple(found.values())


def _entry(name: str, text: str, entry: int) -> Parameter | None:
    """The next entry of the data: a tensor or a value."""
    tensor = TENSOR.fullmatch(text)
    if tensor and tensor["dtype"] in DTYPES:
        what = "input" if tensor["const"] else "output"
        return Parameter(name=name, what=what, type=tensor["dtype"], entry=entry)
    if text in VALUES:
        return Parameter(name=name, what="value", type=text, entry=entry)
    return None


def _extent(name: str, text: str, above: dict[str, Parameter]) -> Parameter | None:
    """A size of a tensor that has been named above."""
    extent = EXTENT.fullmatch(text)
    tensor = above.get(extent["of"]) if extent else None
    if extent is None or tensor is None or tensor.what not in ("input", "output"):
        return None
    return Parameter(
        name=name,
        what=extent["what"] or "numel",
        type="int64",
        entry=tensor.entry,
        axis=int(extent["axis"] or 0),
    )


def read_flags(top: Section, languages: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """The section ``compile_flags``: a list of flags for each native language."""
    reader, node = top.reader, top.get("compile_flags")
    if node is None:
        return {}
    section = reader.section(node, "compile_flags", LANGUAGES)
    found = {}
    for language, item in section.values.items():
        path = section.at(language)
        if language not in LANGUAGES:
            continue  # told by section()
        if language not in languages:
            reason = f"{language!r} is not among the languages"
            reader.flaw(item.line, path, reason, "Add it there or remove its flags")
        flags = reader.items(item, path, limit=MAX_FLAGS, what="flags", empty=True)
        read = [_flag(reader, flag, f"{path}[{at}]", language) for at, flag in enumerate(flags)]
        found[language] = tuple(flag for flag in read if flag)
    return found


def _flag(reader: Reader, node: Node, path: str, language: str) -> str | None:
    text = reader.text(node, path, limit=100)
    if text is None or FLAGS[language].fullmatch(text):
        return text
    reason = f"{shorten(text)!r} is no flag that a problem may set"
    remedy = "Use flags for the standard, optimisation, macros (-DNAME=1) and the usual libraries"
    reader.flaw(node.line, path, reason, remedy)
    return None
