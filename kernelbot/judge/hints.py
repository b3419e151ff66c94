"""What a reviewer may want to look at in a submission: evidence, line and rule. Decides nothing.

Python is read as a syntax tree, so comments and strings raise no hint; C and CUDA, in files of
their own or in strings of Python, by patterns over text without comments. No rule bans a word:
each is something that cheats have done and that honest code sometimes does too.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
import resource
import select
import signal
import time
import unicodedata
import warnings
from collections.abc import Iterator
from pathlib import PurePath
from typing import NoReturn

from kernelbot.judge.protocol import Hint

LIMIT = 50
LONGEST = 160
MAX_BYTES = 1 << 20
READING_S = 3
"""Whole seconds that a source may take to be read; people's own take a hundredth of one."""

CALLS = {
    "gc.get_objects": "walks",
    "gc.get_referrers": "walks",
    "sys._getframe": "walks",
    "sys._current_frames": "walks",
    "inspect.stack": "walks",
    "inspect.currentframe": "walks",
    "sys.setprofile": "walks",
    "sys.settrace": "walks",
    "os.fork": "helpers",
    "signal.setitimer": "helpers",
    "signal.signal": "helpers",
    "os.execv": "helpers",
    "exec": "dynamic-code",
    "eval": "dynamic-code",
    "compile": "dynamic-code",
    "__import__": "dynamic-code",
    "base64.b64decode": "dynamic-code",
    "marshal.loads": "dynamic-code",
    "os.getenv": "environment",
    "socket.socket": "network",
    "urllib.request.urlopen": "network",
    "os._exit": "leaves",
    "sys.exit": "leaves",
    "os.kill": "leaves",
}
IN_CALL = {
    "threading.Thread": "helpers",
    "threading.Timer": "helpers",
    "multiprocessing.Process": "helpers",
    "subprocess.Popen": "helpers",
}
METHODS = {"half": "precision", "bfloat16": "precision", "as_subclass": "lazy",
           "_make_wrapper_subclass": "lazy"}  # fmt: skip
LOW = {"float16", "half", "bfloat16", "float8_e4m3fn", "float8_e5m2", "int8"}
PATHS = re.compile(r"^/(proc/(?!cpuinfo|meminfo)|dev/shm|sys/fs/cgroup)|verdict\.json$|job\.json$")
LIBRARIES = re.compile(r"lib(cuda|cudart|cupti|nvidia-ml)\b")
JOINS = {"wait_stream", "wait_event", "synchronize"}
KERNEL_WORDS = re.compile(r"__global__|extern \"C\"|#include")
COOKIE = re.compile(r"^[ \t\f]*#.*?coding[:=][ \t]*(?!utf-?8)[-\w.]+", re.IGNORECASE)

PATTERNS = [
    (rule, re.compile(pattern))
    for rule, pattern in (
        ("patches", r"\bml_meth\b|\bmprotect\s*\("),
        ("driver", r"\bdlopen\s*\(|\bdlsym\s*\(|\bcuGetProcAddress\b"),
        ("driver", r"\bcudaIpc\w+|\bcuIpc\w+"),
        ("events", r"\bcu(da)?EventRecord\w*"),
        ("process-files", r"\"/(proc/(?!cpuinfo|meminfo)|dev/shm|sys/fs/cgroup)"),
        ("helpers", r"\bpthread_create\b|\bstd::(thread|async)\b|\bfork\s*\(|\bcudaLaunchHostFunc\b"),
        ("environment", r"\bgetenv\s*\("),
        ("constructor", r"__attribute__\s*\(\(\s*constructor|\.init_array"),
        ("embeds", r"\.incbin|#\s*embed|#\s*include\s*[<\"](/|\.\./)"),
        ("cache-state", r"accessPolicyWindow|PersistingL2CacheSize|cudaAccessProperty"),
        ("resident", r"\bvolatile\b[^;]*\*|\bcudaHostAllocMapped\b|__nanosleep"),
        ("pointer-cache", r"\b(unordered_)?map\s*<\s*(const\s+)?(void|float|__half|double)\s*\*"),
        ("leaves", r"\b_?_?exit\s*\(|\bkill\s*\("),
        ("system-calls", r"\bsyscall\s*\(|\bptrace\s*\(|\bprocess_vm_"),
        ("network", r"\bsocket\s*\("),
        ("library", r"\bcublas\w+\s*\(|\bcudnn\w+\s*\("),
    )
]  # fmt: skip
UNJOINED = re.compile(r"\bcudaStreamCreate\w*\s*\(")
JOINED = re.compile(r"\bcudaStreamWaitEvent\b|\bcudaStreamSynchronize\b|\bcudaDeviceSynchronize\b")
COMMENT = re.compile(r"//[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
"""One that is never closed goes on to the end: looking for its end again from every other one takes hours."""


def find(source: bytes, name: str) -> tuple[Hint, ...]:
    """Hints about a submission's file, in the order of its lines. Never raises for its content."""
    if len(source) > MAX_BYTES:
        return ()
    text = source.decode("utf-8", "replace")
    lines = text.splitlines()
    found = list(_of_text(lines))
    if PurePath(name).suffix == ".py":
        found += _of_python(text)
    else:
        found += _of_native(text, 0)
    unique = sorted({(line, rule) for line, rule in found})
    return tuple(
        Hint(rule=rule, line=line, text=_shown(lines, line)) for line, rule in unique[:LIMIT]
    )


def find_in_time(source: bytes, name: str, limit_s: int = READING_S) -> tuple[Hint, ...]:
    """The same in a process of its own: a source can be made to keep its reader busy for hours, or to end it.

    Of such a one the only hint is that it reads unlike others. Raises OSError where none can be started.
    """
    mine, theirs = os.pipe()
    child = os.fork()
    if not child:
        _tell(theirs, source, name, limit_s)
    os.close(theirs)
    try:
        told = _read_until(mine, time.monotonic() + limit_s)
    finally:
        os.close(mine)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    with contextlib.suppress(ValueError):
        return tuple(Hint(rule=rule, line=line, text=text) for rule, line, text in json.loads(told))
    lines = source[: 4 * LONGEST].decode("utf-8", "replace").splitlines()
    return (Hint(rule="unusual-text", line=1, text=_shown(lines, 1)),)


def _tell(descriptor: int, source: bytes, name: str, limit_s: int) -> NoReturn:
    """In the process that reads: write what is found and end, whatever happens."""
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s))  # if nobody is left to end it
        found = json.dumps([(hint.rule, hint.line, hint.text) for hint in find(source, name)])
        with os.fdopen(descriptor, "wb") as pipe:
            pipe.write(found.encode())
    finally:
        os._exit(0)


def _read_until(descriptor: int, deadline: float) -> bytes:
    """All that comes out of a pipe; b"" when it is still open at the deadline."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    found = b""
    while poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        chunk = os.read(descriptor, 1 << 16)
        if not chunk:
            return found
        found += chunk
    return b""


def _shown(lines: list[str], line: int) -> str:
    text = lines[line - 1].strip() if 0 < line <= len(lines) else ""
    clean = "".join(char if char.isprintable() else "\ufffd" for char in text)
    return clean if len(clean) <= LONGEST else clean[: LONGEST - 4] + " ..."


def _of_text(lines: list[str]) -> Iterator[tuple[int, str]]:
    """What makes a file read otherwise than it looks."""
    for number, line in enumerate(lines, 1):
        if number <= 2 and COOKIE.match(line):
            yield number, "unusual-text"
        odd = (char for char in line if not char.isascii())
        if any(unicodedata.category(char) == "Cf" or _reads_as_ascii(char) for char in odd):
            yield number, "unusual-text"


def _reads_as_ascii(char: str) -> bool:
    """A letter that Python takes for another one, as it does with full-width ones."""
    plain = unicodedata.normalize("NFKC", char)
    return char.isalpha() and plain.isascii()


def _of_native(text: str, offset: int) -> Iterator[tuple[int, str]]:
    """``offset``: lines of the file before this text."""

    def blank(match: re.Match[str]) -> str:
        return "\n" * match.group().count("\n")

    bare = COMMENT.sub(blank, text)
    joined = JOINED.search(bare)
    for number, line in enumerate(bare.split("\n"), 1 + offset):
        if len(line) > 10_000:
            yield number, "unusual-text"
            continue
        for rule, pattern in PATTERNS:
            if pattern.search(line):
                yield number, rule
        if UNJOINED.search(line) and not joined:
            yield number, "stream-not-joined"


def _of_python(text: str) -> list[tuple[int, str]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    reader = _Reader(tree)
    try:
        reader.visit(tree)
    except RecursionError:
        reader.found.append((1, "unusual-text"))
    return reader.found + reader.about_streams() + reader.about_kernels(tree)


class _Reader(ast.NodeVisitor):
    """One walk over a module."""

    def __init__(self, tree: ast.Module) -> None:
        self.found: list[tuple[int, str]] = []
        self._modules = _imported(tree)
        self._containers = _containers(tree)
        self._depth = 0  # of functions
        self._streams: list[int] = []
        self._joins = False
        self._kernels = False
        self._globals: set[str] = set()

    def about_streams(self) -> list[tuple[int, str]]:
        return [] if self._joins else [(line, "stream-not-joined") for line in self._streams]

    def about_kernels(self, tree: ast.Module) -> list[tuple[int, str]]:
        """For human interest: nothing but calls of a library."""
        defined = [
            node.lineno
            for node in tree.body
            if isinstance(node, ast.FunctionDef) and node.name == "custom_kernel"
        ]
        return [] if self._kernels else [(line, "library-only") for line in defined]

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        if node.name in ("__torch_function__", "__torch_dispatch__"):
            self._add(node, "lazy")
        if node.name == "__del__":
            self._add(node, "helpers")
        self._kernels |= any("jit" in ast.unparse(mark) for mark in node.decorator_list)
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self._assigned(target)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._assigned(node.target)
        if self._depth and isinstance(node.op, ast.Add | ast.Sub) and _is_number(node.value):
            name = _root(node.target)
            if name in self._containers or name in self._globals:
                self._add(node, "call-counter")
        self.generic_visit(node)

    def visit_Global(self, node: ast.Global) -> None:
        self._globals.update(node.names)

    def visit_Call(self, node: ast.Call) -> None:
        name = self._dotted(node.func)
        for known, rule in (CALLS | (IN_CALL if self._depth else {})).items():
            if name == known:
                self._add(node, rule)
        if name == "setattr" and node.args and self._of_module(node.args[0]):
            self._add(node, "patches")
        if isinstance(node.func, ast.Attribute):
            self._method(node, node.func)
        if name.endswith(("CDLL", "LoadLibrary")):
            given = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
            if None in given or any(LIBRARIES.search(str(value)) for value in given):
                self._add(node, "driver")
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if self._dotted(node) in ("os.environ", "os.environb"):
            self._add(node, "environment")
        if node.attr in JOINS:
            self._joins = True
        if node.attr in ("__globals__", "__closure__", "f_locals", "f_back", "f_globals"):
            self._add(node, "walks")
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if node.id == "__file__":
            self._add(node, "neighbours")

    def visit_Constant(self, node: ast.Constant) -> None:
        if not isinstance(node.value, str):
            return
        if KERNEL_WORDS.search(node.value):
            self._kernels = True
            self.found += _of_native(node.value, node.lineno - 1)
        elif PATHS.search(node.value):
            self._add(node, "process-files")

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if _mentions_address(node.slice):
            self._add(node, "pointer-cache")
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        looked_up = any(isinstance(op, ast.In | ast.NotIn) for op in node.ops)
        if looked_up and _mentions_address(node.left):
            self._add(node, "pointer-cache")
        self.generic_visit(node)

    def visit_Tuple(self, node: ast.Tuple) -> None:
        if sum(_is_address(entry) for entry in node.elts) and isinstance(node.ctx, ast.Load):
            self._add(node, "pointer-cache")
        self.generic_visit(node)

    def visit_Return(self, node: ast.Return) -> None:
        if self._depth and node.value is not None and self._kept(node.value):
            self._add(node, "answer-kept")
        self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        if any(self._dotted(base) in ("torch.Tensor", "torch.nn.Parameter") for base in node.bases):
            self._add(node, "lazy")
        self.generic_visit(node)

    def _method(self, node: ast.Call, called: ast.Attribute) -> None:
        if called.attr in METHODS:
            self._add(node, METHODS[called.attr])
        if called.attr == "to" and any(
            isinstance(part, ast.Attribute) and part.attr in LOW
            for value in (*node.args, *(word.value for word in node.keywords))
            for part in ast.walk(value)
        ):
            self._add(node, "precision")
        if called.attr == "Stream":
            self._streams.append(node.lineno)
        if called.attr in ("get", "setdefault") and node.args and _mentions_address(node.args[0]):
            self._add(node, "pointer-cache")
        self._kernels |= called.attr.startswith("load") and "cpp_extension" in self._dotted(called)

    def _assigned(self, target: ast.expr) -> None:
        """Changing what another module's name stands for, or the code behind a function."""
        if isinstance(target, ast.Attribute):
            behind = target.attr in ("__code__", "__class__", "__globals__")
            switch = "backends" in self._dotted(target)
            if behind or (self._of_module(target) and not switch):
                self._add(target, "patches")
        elif isinstance(target, ast.Subscript) and self._dotted(target.value) == "sys.modules":
            self._add(target, "patches")

    def _of_module(self, node: ast.expr) -> bool:
        return _root(node) in self._modules

    def _kept(self, value: ast.expr) -> bool:
        """Whether this hands out what a module-level container holds."""
        if isinstance(value, ast.Subscript):
            return _root(value) in self._containers
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
            return (
                value.func.attr in ("get", "setdefault") and _root(value.func) in self._containers
            )
        return False

    def _dotted(self, node: ast.expr) -> str:
        """``torch.cuda.Event`` for an attribute of a module, by the module's own name."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        return ".".join([self._modules.get(node.id, node.id), *reversed(parts)])

    def _add(self, node: ast.expr | ast.stmt, rule: str) -> None:
        self.found.append((node.lineno, rule))


def _imported(tree: ast.Module) -> dict[str, str]:
    """What each imported name stands for."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.asname or alias.name.split(".")[0]
                names[bound] = alias.name if alias.asname else bound
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module or ''}.{alias.name}"
    return names


def _containers(tree: ast.Module) -> set[str]:
    """Names at the top of the module that begin as a dict, a list or a set."""
    found = set()
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict | ast.List | ast.Set):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int)


def _is_address(node: ast.expr) -> bool:
    if not isinstance(node, ast.Call):
        return False
    called = node.func
    return (
        isinstance(called, ast.Attribute) and called.attr in ("data_ptr", "untyped_storage")
    ) or (isinstance(called, ast.Name) and called.id == "id")


def _mentions_address(node: ast.expr) -> bool:
    return any(_is_address(part) for part in ast.walk(node) if isinstance(part, ast.expr))
