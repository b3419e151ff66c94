"""Native submissions inside the untrusted process: compile as the recipe says, load, call.

What comes out is a function of ``data`` like any Python submission's ``custom_kernel``, so nothing
else here knows the difference.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

KEPT = 30_000
"""Bytes of the compiler's output that are kept of its beginning, and of its end."""
ROOM = 2000
COMPILE_ERROR = "CompileError"
ERROR = re.compile(
    r"(?:^|[:;,])\s*(?:fatal |catastrophic |internal |compiler )*error\b", re.IGNORECASE
)
OTHER_SIGNATURE = (
    'has "C" linkage',
    "conflicting declaration of C function",
    "functions that differ only",
)
NO_ENTRY = re.compile(r"undefined (?:reference|symbol).*\bcustom_kernel\b")
OUT_OF_MEMORY = ("cudaErrorMemoryAllocation", "hipErrorOutOfMemory")


class Told(Exception):
    """An error in its own words: what is known by name, and nothing of our frames."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name

    @property
    def text(self) -> str:
        return str(self) if self.name == COMPILE_ERROR else f"{self.name}: {self}"


def load(directory: Path, recipe: dict[str, Any]) -> Callable[[Any], Any]:
    """Compile the submission unless the same one was before, and take hold of its entry point."""
    library = _compiled(directory, recipe)
    try:
        loaded = ctypes.CDLL(str(library))
    except OSError as error:
        raise Told("LoadError", f"the compiled submission cannot be loaded: {error}") from None
    return Kernel(loaded.kernelbot_call, recipe)


# --- compiling -----------------------------------------------------------------------------------


def _compiled(directory: Path, recipe: dict[str, Any]) -> Path:
    """The library; a warning of the compiler's goes to where the submission's own output goes."""
    library = directory / "cache" / "native" / f"{_digest(directory, recipe)}.so"
    if library.exists():
        return library
    library.parent.mkdir(parents=True, exist_ok=True)
    draft = library.with_suffix(".new.so")
    line = [word.replace("{output}", str(draft)) for word in recipe["line"]]
    code, log = _run(line, directory)
    for prefix in (f"{directory}/", f"{recipe['headers']}/"):
        log = log.replace(prefix, "")
    log = log.replace(f"./{recipe['source']}", recipe["source"])
    if code or not draft.exists():
        raise Told(COMPILE_ERROR, _failure(log, code, recipe))
    if log:
        print(log, flush=True)
    draft.rename(library)
    return library


def _digest(directory: Path, recipe: dict[str, Any]) -> str:
    """Of whatever the library is made from: the same again in another run's folders."""
    words = json.dumps(recipe, sort_keys=True).replace(recipe["headers"], "")
    total = hashlib.sha256(words.encode())
    for word in recipe["line"]:
        path = directory / word
        if path.is_file():
            total.update(path.read_bytes())
    return total.hexdigest()[:32]


def _run(line: Sequence[str], directory: Path) -> tuple[int, str]:
    """The compiler's exit code and what it said, head and tail of it."""
    head, tail, lost = b"", b"", 0
    with subprocess.Popen(
        line, cwd=directory, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        while chunk := os.read(process.stdout.fileno(), 1 << 16):
            room = KEPT - len(head)
            head += chunk[:room]
            tail += chunk[room:]
            lost += max(0, len(tail) - KEPT)
            tail = tail[-KEPT:]
    gap = f"\n... {lost} bytes ...\n".encode() if lost else b""
    return process.returncode, (head + gap + tail).decode("utf-8", "replace").strip()


def _failure(log: str, code: int, recipe: dict[str, Any]) -> str:
    """The first error, then all that the compiler said."""
    first = next((line for line in log.splitlines() if ERROR.search(line)), "")
    first = first or f"{Path(recipe['line'][0]).name} ended with code {code}"
    entry = f'extern "C" {recipe["declaration"]}'
    if NO_ENTRY.search(log):
        first = f"{recipe['source']} defines no function {entry}"
    elif any(words in first for words in OTHER_SIGNATURE):
        place = first.partition(" error")[0].rstrip(":")
        first = f"{place}: error: this problem's entry point is {entry}"
    return f"{first}\n\n{log}" if log else first


# --- calling -------------------------------------------------------------------------------------


class Kernel:
    """``custom_kernel(data)`` for a compiled submission: on the current stream, GIL released."""

    def __init__(self, function: Any, recipe: dict[str, Any]) -> None:
        parameters = recipe["parameters"]
        self._function = function
        self._arguments = [_argument(parameter) for parameter in parameters]
        self._outputs = [item["entry"] for item in parameters if item["what"] == "output"]
        self._stream = recipe["stream"]
        self._text = ctypes.create_string_buffer(ROOM)
        function.argtypes = [
            *(_ctype(parameter) for parameter in parameters),
            *([ctypes.c_void_p] if self._stream else []),
            ctypes.c_char_p,
            ctypes.c_size_t,
        ]
        function.restype = ctypes.c_int

    def __call__(self, data: Any) -> Any:
        arguments = [argument(data) for argument in self._arguments]
        if self._stream:
            arguments.append(_current_stream())
        status = self._function(*arguments, self._text, ROOM)
        if status:
            raise self._failure(status)
        outputs = tuple(data[at] for at in self._outputs)
        return outputs[0] if len(outputs) == 1 else outputs

    def _failure(self, status: int) -> Told:
        """A code's name and meaning; where the code has none, what was returned or thrown."""
        text = self._text.value.decode("utf-8", "replace")
        name, colon, meaning = text.partition(": ")
        if name in OUT_OF_MEMORY:
            return Told("MemoryError", text)
        if colon and name.isidentifier():
            return Told(name, meaning)
        if status == -1 and text:
            return Told("Exception", text)
        return Told("KernelError", f"it returned {status}")


def _argument(parameter: dict[str, Any]) -> Callable[[Any], Any]:
    """How to get at what a parameter is given."""
    entry, what, axis = parameter["entry"], parameter["what"], parameter["axis"]
    if what == "shape":
        return lambda data: data[entry].shape[axis]
    if what == "stride":
        return lambda data: data[entry].stride(axis)
    if what == "numel":
        return lambda data: data[entry].numel()
    if what == "value" and parameter["type"] == "text":
        return lambda data: data[entry].encode()
    if what == "value":
        return lambda data: data[entry]
    return lambda data: None if data[entry] is None else data[entry].data_ptr()


def _ctype(parameter: dict[str, Any]) -> Any:
    if parameter["what"] in ("input", "output"):
        return ctypes.c_void_p
    return {
        "int64": ctypes.c_int64,
        "float64": ctypes.c_double,
        "bool": ctypes.c_bool,
        "text": ctypes.c_char_p,
    }[parameter["type"]]


def _current_stream() -> int:
    import torch

    stream: int = torch.cuda.current_stream().cuda_stream
    return stream
