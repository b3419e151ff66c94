"""Native submissions: which compiler, with which command line, behind which entry point.

The referee writes the recipe, the contestant's process follows it (``inside/native.py``), so a
compiler that reads hostile source has the contestant's rights, limits and time and no others. The
header is included before the submission: it declares ``custom_kernel`` as the problem defines it,
so that another signature is a compile error with a line, and defines the function that the
contestant's process calls, which turns return codes, launch errors and exceptions into words.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from typing import Any

from kernelbot.judge.channel import Layout, Slot
from kernelbot.judge.protocol import Device, Job, Parameter

HEADER = "kernelbot.h"
COMPILE_ERROR = "CompileError"
"""What a failed compilation is called; the first line of its text says the most important."""
PROBE_S = 60.0
INCLUDES = "KERNELBOT_INCLUDE_PATHS"
"""Environment variable: folders, apart by colons, that a native submission may include from."""

DTYPES: dict[str, tuple[str, str, str]] = {
    # dtype: its name in CUDA, in HIP and in C++ on a processor
    "float16": ("__half", "__half", "_Float16"),
    "bfloat16": ("__nv_bfloat16", "__hip_bfloat16", "uint16_t"),
    "float32": ("float", "float", "float"),
    "float64": ("double", "double", "double"),
    "float8_e4m3fn": ("__nv_fp8_e4m3", "__hip_fp8_e4m3", "uint8_t"),
    "float8_e5m2": ("__nv_fp8_e5m2", "__hip_fp8_e5m2", "uint8_t"),
    "float8_e4m3fnuz": ("uint8_t", "__hip_fp8_e4m3_fnuz", "uint8_t"),
    "float8_e5m2fnuz": ("uint8_t", "__hip_fp8_e5m2_fnuz", "uint8_t"),
    "float8_e8m0fnu": ("uint8_t", "uint8_t", "uint8_t"),
    "float4_e2m1fn_x2": ("uint8_t", "uint8_t", "uint8_t"),
    "bool": ("bool", "bool", "bool"),
    **{
        name: (f"{name}_t",) * 3
        for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
    },
}
VALUES = {"int64": "int64_t", "float64": "double", "bool": "bool", "text": "const char*"}
HEADERS_OF = {
    # words in a type's name: the header that defines it
    "__half": "cuda_fp16.h hip/hip_fp16.h",
    "bfloat16": "cuda_bf16.h hip/hip_bf16.h",
    "_fp8_": "cuda_fp8.h hip/hip_fp8.h",
}


@dataclass(frozen=True)
class Language:
    """How files of one kind are compiled."""

    name: str  # as people call it
    device: str  # the kind of device it runs on
    needs: str  # that device, in words
    compiler: str
    kind: str  # what the compiler calls it
    flags: tuple[str, ...]


NVCC_FLAGS = (
    "-O3", "-std=c++17", "-lineinfo", "--expt-relaxed-constexpr", "--extended-lambda",
    "-diag-error=940", "-Xcompiler=-fPIC,-Wall,-Wno-unknown-pragmas,-Werror=return-type",
    "-Xlinker=-z,defs", "-Xlinker=--as-needed",
)  # fmt: skip
HIPCC_FLAGS = (
    "-O3", "-std=c++17", "-gline-tables-only", "-fPIC", "-Wall", "-Wno-unused-result",
    "-Werror=return-type", "-Wl,-z,defs",
)  # fmt: skip
CXX_FLAGS = (
    "-O3", "-std=c++17", "-g1", "-fPIC", "-march=native", "-fopenmp", "-Wall",
    "-Werror=return-type", "-Wl,-z,defs",
)  # fmt: skip

LANGUAGES = {
    ".cu": Language("CUDA C++", "cuda", "an NVIDIA GPU", "nvcc", "cu", NVCC_FLAGS),
    ".hip": Language("HIP", "hip", "an AMD GPU", "hipcc", "hip", HIPCC_FLAGS),
    ".cpp": Language("C++", "cpu", "a processor", "g++", "c++", CXX_FLAGS),
}


class NoCompiler(Exception):
    """This machine cannot compile what the job brings: an operator must look at it."""


class Unfit(Exception):
    """A file of this kind does not run on this kind of device. The message is the contestant's."""


def is_native(job: Job) -> bool:
    return language_of(job) is not None


def language_of(job: Job) -> Language | None:
    return LANGUAGES.get(PurePath(job.submission).suffix.lower())


def _demand(language: Language, device: Device) -> None:
    if language.device == device.kind:
        return
    here = {"cpu": "the processor", "cuda": "an NVIDIA GPU", "hip": "an AMD GPU"}[device.kind]
    ending = next(
        (suffix for suffix, other in LANGUAGES.items() if other.device == device.kind), ".py"
    )
    raise Unfit(
        f"{language.name} needs {language.needs}; this run is on {here}. "
        f"Send a {ending} or a .py file, or choose another target."
    )


def read_paths() -> list[str]:
    """Folders beside the system's that compiling must be able to read."""
    homes = [os.environ.get(name, "") for name in ("CUDA_HOME", "CUDA_PATH", "ROCM_PATH")]
    found = shutil.which("nvcc") or ""
    toolkit = str(Path(found).resolve().parent.parent) if found else ""
    return [path for path in (*homes, toolkit, *_includes()) if path and os.path.isdir(path)]


def misfit(job: Job, layout: Layout) -> str:
    """Why a case is not what the problem promised to native submissions; "" if it is.

    The problem's fault: its pointers would be read as something else than they are.
    """
    if not is_native(job):
        return ""
    nodes = layout.data.get("tuple", [])
    for parameter in job.native:
        node = nodes[parameter.entry] if parameter.entry < len(nodes) else {}
        found = _found(node, layout)
        if parameter.what == "output" and node.get("t") not in layout.outputs:
            found = f"{found}, not a buffer of the answer's shape and dtype"
        if found not in _promised(parameter):
            return (
                f"native: {parameter.name} is declared as {parameter.what} {parameter.type}, "
                f"but entry {parameter.entry} of the data is {found}"
            )
    promised = sum(parameter.what == "output" for parameter in job.native)
    if promised != len(layout.outputs) or layout.single != (promised == 1):
        return f"native: {promised} outputs are declared, the reference returns others"
    return ""


def _found(node: dict[str, Any], layout: Layout) -> str:
    """An entry of the data in the words of a declaration."""
    if "t" in node:
        slot: Slot = layout.slots[node["t"]]
        return slot.dtype
    value: Any = float("nan") if "odd" in node else node.get("v", ())
    names = {bool: "bool", int: "int64", float: "float64", str: "text", type(None): "None"}
    return names.get(type(value), "neither tensor nor number")


def _promised(parameter: Parameter) -> tuple[str, ...]:
    """What the entry of a parameter may be."""
    if parameter.what == "input":
        return parameter.type, "None"
    if parameter.what == "value" and parameter.type == "float64":
        return "float64", "int64"
    return (parameter.type,) if parameter.what in ("output", "value") else tuple(DTYPES)


# --- the header ----------------------------------------------------------------------------------


def write_header(folder: Path, job: Job) -> None:
    """Put what the compiler is to read before the submission into ``folder``."""
    if is_native(job):
        path = folder / HEADER
        path.write_text(header(job))
        path.chmod(0o444)


def declaration(job: Job) -> str:
    """``int custom_kernel(const __half* a, ..., cudaStream_t stream)``"""
    return f"int custom_kernel({', '.join(_parameters(job))})"


def header(job: Job) -> str:
    """Declares ``custom_kernel`` and defines what the contestant's process calls."""
    language = language_of(job)
    assert language is not None
    taken = [*_parameters(job), "char* kernelbot_text", "size_t kernelbot_room"]
    given = [parameter.name for parameter in job.native]
    given += ["stream"] if _stream(language) else []
    includes = "\n".join(f"#include <{name}>" for name in _headers(job, language))
    last_error = LAST_ERROR.get(language.device, "")
    return f"""// The entry point of {job.problem}; the judge includes this before your file.
#pragma once
{includes}

extern "C" {declaration(job)};

extern "C" __attribute__((visibility("default"))) int
kernelbot_call({", ".join(taken)}) noexcept {{
    int kernelbot_status = 0;
    kernelbot_text[0] = 0;
    try {{
        kernelbot_status = custom_kernel({", ".join(given)});
    }} catch (const std::exception& error) {{
        snprintf(kernelbot_text, kernelbot_room, "%s", error.what());
        return -1;
    }} catch (...) {{
        snprintf(kernelbot_text, kernelbot_room, "something that is no std::exception");
        return -1;
    }}
{last_error}    return kernelbot_status;
}}
"""


def _said_by(prefix: str) -> str:
    """Of an error code its name and meaning; a launch that failed counts if nothing else did."""
    return f"""    if (kernelbot_status == 0) kernelbot_status = static_cast<int>({prefix}GetLastError());
    else static_cast<void>({prefix}GetLastError());
    if (kernelbot_status > 0) {{
        const {prefix}Error_t code = static_cast<{prefix}Error_t>(kernelbot_status);
        snprintf(kernelbot_text, kernelbot_room, "%s: %s", {prefix}GetErrorName(code),
                 {prefix}GetErrorString(code));
    }}
"""


LAST_ERROR = {"cuda": _said_by("cuda"), "hip": _said_by("hip")}


def _parameters(job: Job) -> list[str]:
    language = language_of(job)
    assert language is not None
    stream = _stream(language)
    listed = [f"{_type(parameter, language)} {parameter.name}" for parameter in job.native]
    return [*listed, stream] if stream else listed


def _stream(language: Language) -> str:
    return {"cuda": "cudaStream_t stream", "hip": "hipStream_t stream"}.get(language.device, "")


def _type(parameter: Parameter, language: Language) -> str:
    if parameter.what not in ("input", "output"):
        return VALUES[parameter.type]
    element = DTYPES[parameter.type][_column(language)]
    return f"const {element}*" if parameter.what == "input" else f"{element}*"


def _column(language: Language) -> int:
    return ("cuda", "hip", "cpu").index(language.device)


def _headers(job: Job, language: Language) -> list[str]:
    common = ["cstddef", "cstdint", "cstdio", "exception"]
    runtime = {"cuda": ["cuda_runtime.h"], "hip": ["hip/hip_runtime.h"]}.get(language.device, [])
    types = " ".join(_type(parameter, language) for parameter in job.native)
    of_types = [
        headers.split()[_column(language)]
        for word, headers in HEADERS_OF.items()
        if runtime and word in types
    ]
    return [*common, *runtime, *of_types]


# --- the command line ----------------------------------------------------------------------------


def recipe(job: Job, device: Device, headers: Path) -> dict[str, Any]:
    """What the contestant's process is to do: a JSON-able value. Raises Unfit and NoCompiler.

    The compiler runs in the folder of the submission, so that its messages name the file as the
    contestant does; ``{output}`` stands for the library to be written.
    """
    language = language_of(job)
    assert language is not None
    _demand(language, device)
    if not job.native:
        raise NoCompiler(f"the problem {job.problem} declares no native entry point")
    compiler = _compiler(language)
    # A name may begin with a dash; relative, and yet no option.
    source = ["-x", language.kind, f"./{job.submission}"]
    line = [
        compiler, "-shared", *language.flags, *_architecture(language, device),
        *job.compile_flags, "-I.", *_include_flags(), "-include", str(headers / HEADER),
        *source, "-o", "{output}",
    ]  # fmt: skip
    if language.device == "cuda":
        line += _toolkit_libraries(_probe(line, job.submission), language)
    return {
        "line": line,
        "source": job.submission,
        "headers": str(headers),
        "declaration": declaration(job),
        "parameters": [asdict(parameter) for parameter in job.native],
        "stream": bool(_stream(language)),
    }


def _compiler(language: Language) -> str:
    wanted = os.environ.get("CXX", "") if language.device == "cpu" else ""
    found = shutil.which(wanted or language.compiler) or _in_toolkit(language)
    if not found:
        raise NoCompiler(
            f"this machine has no {language.compiler}, which {language.name} needs: install it, "
            "or take the language out of the problem"
        )
    return found


def _in_toolkit(language: Language) -> str:
    """A compiler that is not on the path, where its toolkit usually is."""
    homes = {
        "cuda": (os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), "/usr/local/cuda"),
        "hip": (os.environ.get("ROCM_HOME"), os.environ.get("ROCM_PATH"), "/opt/rocm"),
    }.get(language.device, ())
    paths = [Path(home) / "bin" / language.compiler for home in homes if home]
    return next((str(path) for path in paths if os.access(path, os.X_OK)), "")


def _architecture(language: Language, device: Device) -> list[str]:
    """Flags for the device's own architecture, from Hopper on with what only it has (``90a``)."""
    if language.device == "cuda":
        major, _, minor = device.capability.partition(".")
        name = f"{major}{minor}{'a' if int(major) >= 9 else ''}"
        return [f"-gencode=arch=compute_{name},code=sm_{name}"]
    if language.device == "hip":
        return [f"--offload-arch={device.capability}"]
    return []


def _includes() -> list[str]:
    return [path for path in os.environ.get(INCLUDES, "").split(os.pathsep) if path]


def _include_flags() -> Iterable[str]:
    for path in _includes():
        yield from ("-isystem", path)


def _probe(line: Sequence[str], submission: str) -> str:
    """What nvcc would do, for an empty file: finds out what is wrong with us, not with the code."""
    empty = [os.devnull if word == f"./{submission}" else word for word in line]
    try:
        found = subprocess.run(
            [empty[0], "--dryrun", *empty[1:]], capture_output=True, text=True, timeout=PROBE_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoCompiler(f"{line[0]} does not start: {error}") from error
    if found.returncode:
        raise NoCompiler(f"{line[0]} refuses its command line: {found.stderr.strip()[-2000:]}")
    return found.stderr


def _toolkit_libraries(dryrun: str, language: Language) -> list[str]:
    """Libraries that may be used without asking, where this toolkit has them."""
    top = re.search(r"^#\$ TOP=(.+)$", dryrun, re.MULTILINE)
    root = Path(top.group(1)) if top else Path(_compiler(language)).resolve().parent.parent
    flags = []
    for name in ("cublasLt", "cublas", "cuda"):
        for folder in (root / "lib64", root / "lib64" / "stubs"):
            if (folder / f"lib{name}.so").exists():
                flags += ["-L", str(folder), f"-l{name}"]
                break
    return flags
