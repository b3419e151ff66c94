"""Reading an upload: bounded while it streams, strict about its form, nothing on disk.

The framework's own form parser takes files of any size and accepts a body whose end is missing;
a submission must be refused before it fills memory, and half a kernel must not be judged.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect, Request

from kernelbot.domain.admission import MAX_CODE_BYTES
from kernelbot.domain.submission import Draft
from kernelbot.errors import InvalidInput, TooLarge, UnsupportedMediaType, did_you_mean
from kernelbot.judge.protocol import Mode

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

FORM_OVERHEAD_BYTES = 100_000
MAX_BODY_BYTES = MAX_CODE_BYTES + FORM_OVERHEAD_BYTES
MAX_FIELD_BYTES = 4_000
MAX_PARTS = 40
MAX_HEADER_BYTES = 8_000
UPLOAD_S = 120.0
"""A megabyte over a very slow line; who takes longer holds a connection for its own sake."""

FIELDS = ("file", "leaderboard", "gpus", "mode", "case")
HOW = "Send it as curl does with: -F file=@kernel.py -F leaderboard=NAME -F gpus=NAME -F mode=test"


@dataclass
class Part:
    """One part of a form. ``file_name`` is None for a plain field."""

    name: str
    file_name: str | None
    content: bytearray = field(default_factory=bytearray)

    @property
    def text(self) -> str:
        """The value of a plain field. Raises InvalidInput for what cannot be text."""
        try:
            value = self.content.decode("utf-8")
        except UnicodeDecodeError:
            raise InvalidInput(f"The field {self.name!r} is not UTF-8.", code="bad_field") from None
        if "\0" in value:
            raise InvalidInput(f"The field {self.name!r} contains NUL.", code="bad_field")
        return value.strip()


async def read_draft(
    request: Request, idempotency_key: str | None, patience_s: float = UPLOAD_S
) -> Draft:
    """The submission in a multipart body. Raises InvalidInput, TooLarge or UnsupportedMediaType."""
    boundary = _boundary(request.headers.get("content-type", ""))
    _refuse_declared_length(request.headers.get("content-length", ""))
    try:
        async with asyncio.timeout(patience_s):
            parts = await _read_parts(request.stream(), boundary)
    except TimeoutError:
        raise InvalidInput(
            f"The upload took longer than {patience_s:g} s; nothing was stored. Send it again.",
            code="too_slow",
        ) from None
    return _draft(parts, idempotency_key)


def _boundary(content_type: str) -> bytes:
    kind, options = parse_options_header(content_type)
    if kind.lower() != b"multipart/form-data":
        raise UnsupportedMediaType(f"A submission is a form of multipart/form-data. {HOW}.")
    boundary = options.get(b"boundary", b"")
    if not 1 <= len(boundary) <= 200:
        raise InvalidInput(f"The Content-Type names no boundary. {HOW}.", code="bad_form")
    return boundary


def _refuse_declared_length(length: str) -> None:
    if length.isdecimal() and int(length[:20]) > MAX_BODY_BYTES:
        raise _too_large()


def _too_large() -> TooLarge:
    return TooLarge(
        f"The upload is over {MAX_BODY_BYTES:,} bytes; a file may have {MAX_CODE_BYTES:,}.",
        code="file_too_large",
        detail={"limit_bytes": MAX_CODE_BYTES},
    )


async def _read_parts(body: AsyncIterator[bytes], boundary: bytes) -> list[Part]:
    form = _Form()
    total = 0
    try:
        parser = MultipartParser(boundary, form.callbacks())
        async for chunk in body:
            total += len(chunk)
            if total > MAX_BODY_BYTES:
                raise _too_large()
            parser.write(chunk)
        parser.finalize()
    except FormParserError:
        raise InvalidInput(f"The form cannot be read. {HOW}.", code="bad_form") from None
    except ClientDisconnect:
        raise _cut_off() from None
    if not form.ended:
        raise _cut_off()
    return form.parts


def _cut_off() -> InvalidInput:
    return InvalidInput(
        "The upload ended before its last boundary; nothing was stored. Send it again.",
        code="cut_off",
    )


class _Form:
    """What the parser tells, as parts."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.ended = False
        self._name = bytearray()
        self._value = bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._header_bytes = 0

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin,
            "on_header_begin": self._header_begin,
            "on_header_field": self._grow(lambda: self._name),
            "on_header_value": self._grow(lambda: self._value),
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._data,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._headers, self._header_bytes = {}, 0
        if len(self.parts) == MAX_PARTS:
            raise InvalidInput(f"The form has over {MAX_PARTS} parts.", code="bad_form")

    def _header_begin(self) -> None:
        self._name, self._value = bytearray(), bytearray()

    def _grow(self, target: Callable[[], bytearray]) -> Callable[[bytes, int, int], None]:
        def grow(data: bytes, start: int, end: int) -> None:
            self._header_bytes += end - start
            if self._header_bytes > MAX_HEADER_BYTES:
                raise InvalidInput("A part of the form has over-long headers.", code="bad_form")
            target().extend(data[start:end])

        return grow

    def _header_end(self) -> None:
        self._headers[bytes(self._name).lower()] = bytes(self._value)

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        if b"name" not in options:
            raise InvalidInput(f"A part of the form has no name. {HOW}.", code="bad_form")
        file_name = options.get(b"filename")
        self.parts.append(
            Part(
                name=options[b"name"].decode("utf-8", "replace"),
                file_name=None if file_name is None else file_name.decode("utf-8", "replace"),
            )
        )

    def _data(self, data: bytes, start: int, end: int) -> None:
        part = self.parts[-1]
        part.content.extend(data[start:end])
        if part.file_name is None and len(part.content) > MAX_FIELD_BYTES and part.name != "file":
            raise TooLarge(f"The field {part.name[:40]!r} is over {MAX_FIELD_BYTES:,} bytes.")

    def _end(self) -> None:
        self.ended = True


def _draft(parts: list[Part], idempotency_key: str | None) -> Draft:
    for part in parts:
        _refuse_unknown(part)
    file = _file([part for part in parts if part.name == "file"])
    return Draft(
        code=bytes(file.content),
        file_name=file.file_name or "",
        leaderboard=_single("leaderboard", parts),
        gpus=tuple(part.text for part in parts if part.name == "gpus" and part.text),
        mode=_single("mode", parts) or Mode.TEST.value,
        profile_case=_case(_single("case", parts)),
        idempotency_key=idempotency_key,
    )


def _refuse_unknown(part: Part) -> None:
    if part.name not in FIELDS:
        hint = did_you_mean(part.name[:40], FIELDS)
        known = ", ".join(FIELDS)
        raise InvalidInput(
            f"The form has an unknown field {part.name[:40]!r}; known are {known}.{hint}",
            code="unknown_field",
        )
    if part.name != "file" and part.file_name is not None:
        raise InvalidInput(
            f"{part.name!r} arrived as a file; send it as a plain field.", code="bad_field"
        )


def _file(files: list[Part]) -> Part:
    if not files:
        raise InvalidInput(f"The form has no part named 'file'. {HOW}.", code="no_file")
    if len(files) > 1:
        raise InvalidInput(
            f"The form has {len(files)} files; a submission is one file.", code="several_files"
        )
    if files[0].file_name is None:
        raise InvalidInput(
            f"The part 'file' arrived as text, without a file name. {HOW}.", code="file_as_text"
        )
    return files[0]


def _case(text: str | None) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise InvalidInput(
            f"The field 'case' is {text[:40]!r}; send the number of a benchmark, from 0.",
            code="bad_case",
        )
    return int(text)


def _single(name: str, parts: list[Part]) -> str | None:
    values = [part.text for part in parts if part.name == name]
    if len(values) > 1:
        raise InvalidInput(f"The form names {name!r} {len(values)} times.", code="repeated_field")
    return values[0] or None if values else None
