"""A message, form or forum of the loopback Discord drawn as Discord would show it: an SVG without anything outside;
and a message as text.

What differs from run to run (snowflakes, points in time, the ids of errors, how long somebody has waited) is drawn as
a reader would take it, so the same messages give the same bytes.
"""

from __future__ import annotations

import base64
import io
import re
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape

from PIL import Image

from tests.fakes.discord_world import EPOCH_MS, Message

WIDTH, LINE, PAD, PICTURE = 680, 20, 16, 520
TEXT_COLUMNS, CODE_COLUMNS = 82, 78
BACK, PANEL, CODE, TEXT, DIM, BUTTON = (
    "#313338",
    "#2b2d31",
    "#1e1f22",
    "#dbdee1",
    "#949ba4",
    "#4e5058",
)
FONT = "font-family='gg sans, Noto Sans, DejaVu Sans, Helvetica, Arial, sans-serif' font-size='14'"
CHANCE = (
    (r"\bid(:?) (`?)[0-9a-f]{8}\b", r"id\1 \g<2>3f9c1a7e"),
    (r"(?m)^(notice|decision) \d+$", r"\1 7"),
    (r"\b\d{4}-\d\d-\d\dT\d\d(\\?:)\d\d\\?:[\d.]+\+00\\?:00\b", r"2026-05-01T18\g<1>00\g<1>00Z"),
    (r", the first for [\d.]+ (?:s|min|h)\b", ", the first for 4 s"),
    (r"`[\w-]+…`", "`Qm4x…`"),
)
"""What is drawn by lot, counted beside or measured: ids of errors, numbers of notices, moments, how long the first in line
waits, how a code begins."""
MONO = "font-family='Consolas, DejaVu Sans Mono, monospace' font-size='12.5'"


@dataclass
class _Sheet:
    """What was drawn so far; ``y`` is where it goes on."""

    y: int = PAD
    parts: list[str] = field(default_factory=list)

    def words(self, x: int, text: str, *, colour: str = TEXT, bold: bool = False) -> None:
        for paragraph in text.split("\n"):
            columns = TEXT_COLUMNS - (x - PAD) // 8
            heading = re.match(r"#{1,3} ", paragraph)
            if heading:
                paragraph = f"**{paragraph[heading.end() :]}**"
            small = paragraph.startswith("-# ")
            paragraph = paragraph.removeprefix("-# ")
            for line in textwrap.wrap(paragraph, columns) or [""]:
                self.y += LINE
                self._line(x, line, FONT, DIM if small else colour, bold=bold)

    def code(self, x: int, text: str) -> None:
        lines = [part for line in text.split("\n") for part in _folded(line)]
        height = len(lines) * 17 + 12
        self.box(x, self.y + 8, WIDTH - x - 2 * PAD, height, CODE)
        self.y += 10
        for line in lines:
            self.y += 17
            self._line(x + 8, line, MONO, TEXT)
        self.y += 10

    def _line(self, x: int, line: str, font: str, colour: str, *, bold: bool = False) -> None:
        weight = " font-weight='600'" if bold else ""
        spans, strong = [], False
        for piece in re.split(r"(?<!\\)\*\*", line) if font is FONT else [line]:
            piece = piece.replace("`", "") if font is FONT else piece
            inner = escape(
                re.sub(r"\\([*_`~|>#\[\]():-])", r"\1", piece) if font is FONT else piece
            )
            spans.append(f"<tspan font-weight='700'>{inner}</tspan>" if strong else inner)
            strong = not strong
        self.parts.append(
            f"<text x='{x}' y='{self.y}' {font} fill='{colour}'{weight} xml:space='preserve'>"
            f"{''.join(spans)}</text>"
        )

    def box(self, x: int, y: int, width: int, height: int, colour: str) -> None:
        self.parts.append(
            f"<rect x='{x}' y='{y}' width='{width}' height='{height}' rx='4' fill='{colour}'/>"
        )

    def label(self, x: int, text: str, width: int, colour: str) -> None:
        self.box(x, self.y, width, 30, colour)
        self.y += 20
        self._line(x + 12, text, FONT, "#ffffff")
        self.y -= 20

    def picture(self, x: int, content: bytes, words: str) -> None:
        """A file that is shown, no larger than it is here."""
        with Image.open(io.BytesIO(content)) as image:
            shown = image.convert("RGB").resize((PICTURE, PICTURE * image.height // image.width))
        buffer = io.BytesIO()
        shown.save(buffer, "PNG", optimize=True)
        data = base64.b64encode(buffer.getvalue()).decode()
        self.y += 10
        self.parts.append(
            f"<image x='{x}' y='{self.y}' width='{shown.width}' height='{shown.height}' "
            f"href='data:image/png;base64,{data}'><title>{escape(words)}</title></image>"
        )
        self.y += shown.height

    def menu(self, text: str, *, chosen: bool) -> None:
        self.y += 8
        self.box(PAD, self.y, WIDTH - 2 * PAD, 34, CODE)
        self.parts.append(
            f"<text x='{WIDTH - 2 * PAD - 12}' y='{self.y + 21}' {FONT} fill='{DIM}'>▾</text>"
        )
        self.y += 2
        self.words(PAD + 10, text, colour=TEXT if chosen else DIM)
        self.y += 12

    def done(self) -> str:
        height = self.y + PAD
        head = (
            f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{height}' "
            f"viewBox='0 0 {WIDTH} {height}'>"
        )
        back = f"<rect width='{WIDTH}' height='{height}' fill='{BACK}'/>"
        return "\n".join([head, back, *self.parts, "</svg>"]) + "\n"


def message(shown: Message, names: Mapping[int, str]) -> str:
    """``names``: of the people and channels that are mentioned, by their id."""
    sheet = _Sheet()
    plain = _reader(shown, names)
    sheet.words(PAD, "**KernelBot**  APP", colour="#ffffff")
    if shown.content:
        _mixed(sheet, PAD, plain(shown.content))
    pictures = {f"attachment://{item.name}": item for item in shown.attachments}
    for embed in shown.embeds:
        picture = pictures.pop((embed.get("image") or {}).get("url"), None)
        _embed(sheet, embed, plain, None if picture is None else (picture.content, picture.words))
    for item in pictures.values():
        sheet.y += 10
        sheet.label(PAD, f"▤ {item.name}", 40 + 8 * len(item.name), PANEL)
        sheet.y += 30
    for row in shown.components:
        _row(sheet, row.get("components", []), names)
    if shown.ephemeral:
        sheet.y += 4
        sheet.words(PAD, "Only you can see this", colour=DIM)
    return sheet.done()


def _row(sheet: _Sheet, items: Sequence[Mapping[str, Any]], names: Mapping[int, str]) -> None:
    """Buttons, or a menu."""
    sheet.y += 10
    x = PAD
    for item in items:
        if item["type"] != 2:
            chosen = [names.get(int(one["id"]), "?") for one in item.get("default_values") or []]
            sheet.menu(", ".join(chosen) or item.get("placeholder", ""), chosen=bool(chosen))
            return
        width = 24 + 8 * len(item["label"])
        if x + width > WIDTH - PAD:
            x, sheet.y = PAD, sheet.y + 38
        colour = BUTTON if not item.get("disabled") else PANEL
        sheet.label(x, item["label"], width, "#da373c" if item["style"] == 4 else colour)
        x += width + 8
    sheet.y += 30


def forum(name: str, posts: Sequence[tuple[str, Sequence[str], bool, str]]) -> str:
    """``posts``: each by title, tags, whether it is pinned, and how it begins."""
    sheet = _Sheet()
    sheet.words(PAD, f"**# {name}**", colour="#ffffff")
    for title, tags, pinned, beginning in posts:
        sheet.y += 12
        top, at = sheet.y, len(sheet.parts)
        marks = [f"[{tag}]" for tag in tags] + (["pinned"] if pinned else [])
        sheet.words(PAD + 12, "  ".join(marks), colour=DIM)
        sheet.words(PAD + 12, title, bold=True, colour="#ffffff")
        sheet.words(PAD + 12, beginning, colour=DIM)
        sheet.y += 12
        sheet.parts.insert(
            at,
            f"<rect x='{PAD}' y='{top}' width='{WIDTH - 2 * PAD}' height='{sheet.y - top}' rx='6' fill='{PANEL}'/>",
        )
    return sheet.done()


def text(shown: Message, names: Mapping[int, str]) -> str:
    """The same without lines and colours."""
    return "\n".join(_lines(shown, names)) + "\n"


def _lines(shown: Message, names: Mapping[int, str]) -> Iterator[str]:
    yield from _reader(shown, names)(shown.text()).splitlines()
    for item in shown.attachments:
        yield f"<file {re.sub('-[0-9a-f]{12}[.]', '.', item.name)}>" + f" {item.words}".rstrip()
    for row in shown.components:
        for item in row.get("components", []):
            chosen = [names.get(int(one["id"]), "?") for one in item.get("default_values") or []]
            yield f"[{item.get('label') or ', '.join(chosen) or item.get('placeholder')}]"
    if shown.ephemeral:
        yield "(only you can see this)"


def _reader(shown: Message, names: Mapping[int, str]) -> Callable[[str], str]:
    """What a reader takes its words for."""
    created = (shown.id >> 22) / 1000 + EPOCH_MS / 1000
    return lambda text: _plain(text, names, created)


def _embed(
    sheet: _Sheet, embed: Mapping[str, Any], plain: Any, picture: tuple[bytes, str] | None = None
) -> None:
    sheet.y += 8
    at, top = len(sheet.parts), sheet.y
    x = PAD + 16
    if embed.get("title"):
        sheet.words(x, plain(embed["title"]), bold=True, colour="#ffffff")
    if embed.get("description"):
        _mixed(sheet, x, plain(embed["description"]))
    for item in embed.get("fields", []):
        sheet.y += 6
        sheet.words(x, plain(item["name"]), bold=True)
        _mixed(sheet, x, plain(item["value"]))
    if picture is not None:
        sheet.picture(x, *picture)
    if footer := (embed.get("footer") or {}).get("text"):
        sheet.y += 4
        sheet.words(x, plain(footer), colour=DIM)
    sheet.y += 12
    height, colour = sheet.y - top, embed.get("color") or 0
    panel = [
        f"<rect x='{PAD}' y='{top}' width='{WIDTH - 2 * PAD}' height='{height}' rx='4' fill='{PANEL}'/>",
        f"<rect x='{PAD}' y='{top}' width='4' height='{height}' fill='#{colour:06x}'/>",
    ]
    sheet.parts[at:at] = panel


def _mixed(sheet: _Sheet, x: int, text: str) -> None:
    """Running text and code blocks."""
    for at, piece in enumerate(re.split(r"```(?:[a-z]*\n)?", text)):
        if at % 2:
            sheet.code(x, piece.strip("\n"))
        elif piece.strip():
            sheet.words(x, piece.strip("\n"))


def form(shown: Mapping[str, Any]) -> str:
    """A form that is shown over the channel."""
    sheet = _Sheet()
    sheet.words(PAD, shown["title"], bold=True, colour="#ffffff")
    for row in shown["components"]:
        item = row["component"]
        sheet.y += 8
        sheet.words(PAD, row["label"] + (" *" if item.get("required", True) else ""), bold=True)
        if row.get("description"):
            sheet.words(PAD, row["description"], colour=DIM)
        chosen = [option["label"] for option in item.get("options", []) if option.get("default")]
        menu = item["type"] == 3
        value = item.get("value") or ", ".join(chosen) or ("Make a selection" if menu else "")
        lines = value.split("\n")[:8]
        sheet.y += 8
        sheet.box(PAD, sheet.y, WIDTH - 2 * PAD, 14 + LINE * len(lines), CODE)
        if menu:
            sheet.parts.append(
                f"<text x='{WIDTH - 2 * PAD - 12}' y='{sheet.y + 21}' {FONT} fill='{DIM}'>▾</text>"
            )
        sheet.y += 2
        for line in lines:
            sheet.words(PAD + 10, line or " ", colour=TEXT if item.get("value") or chosen else DIM)
        sheet.y += 12
    sheet.y += 10
    sheet.label(WIDTH - PAD - 80, "Submit", 80, "#5865f2")
    sheet.y += 30
    return sheet.done()


def _folded(line: str) -> list[str]:
    return [line[at : at + CODE_COLUMNS] for at in range(0, len(line), CODE_COLUMNS)] or [""]


def _plain(text: str, names: Mapping[int, str], now: float) -> str:
    text = re.sub(r"<@!?(\d+)>", lambda found: "@" + names.get(int(found[1]), "somebody"), text)
    text = re.sub(r"<#(\d+)>", lambda found: names.get(int(found[1]), "#somewhere"), text)
    text = re.sub(r"<t:(\d+)(?::(\w))?>", lambda found: _when(int(found[1]) - now, found[2]), text)
    text = re.sub(r"\b\d{17,}\b", "(id)", text)
    for pattern, drawn in CHANCE:
        text = re.sub(pattern, drawn, text)
    text = re.sub(r"https?://discord\.com/channels/\S+", "🔗 (link)", text)
    return text.replace("\u200b", "").replace("`" * 3, "```")


def _when(seconds: float, style: str | None) -> str:
    """As coarse as Discord, and up to half an hour coarser, which the slowest machine takes for what is drawn."""
    if style != "R":
        return "(date and time)"
    hours = round(abs(seconds) / 3600)
    if abs(seconds) < 1800:
        amount = "a minute"
    elif hours < 22:
        amount = "an hour" if hours <= 1 else f"{hours} hours"
    else:
        amount = "a day" if hours < 36 else f"{round(hours / 24)} days"
    return f"{amount} ago" if seconds < 0 else f"in {amount}"
