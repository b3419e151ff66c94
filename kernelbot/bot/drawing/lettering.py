"""Lines of text in pictures, in any script that a font at hand has.

Two fonts come along. What they lack (Chinese, Japanese, Korean, emoji and more) is taken from the machine's,
where it has one of ``FOUND_ON_MACHINES``; nothing is ever drawn as an empty box.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from PIL import ImageDraw, ImageFont, features
from PIL.ImageFont import FreeTypeFont

from kernelbot.bot.drawing.names import legible

OURS = Path(__file__).parent / "fonts"
PLAIN, BOLD = "DejaVuSans.ttf", "DejaVuSans-Bold.ttf"
MACHINE = Path("/usr/share/fonts")
FOUND_ON_MACHINES = (
    "NotoSansCJK-Regular.ttc", "DroidSansFallbackFull.ttf", "NotoSansDevanagari-Regular.ttf",
    "NotoSansThai-Regular.ttf", "unifont.otf", "unifont_upper.otf",
)  # fmt: skip
NO_LETTER = "\U0010ffff"
"""No font has it, so it looks like whatever a font draws for what it lacks."""


class Lettering:
    """One weight and size."""

    def __init__(self, size: int, weight: str = PLAIN, machine: Path = MACHINE) -> None:
        self.fonts = tuple(_font(path, size) for path in (OURS / weight, *_machine(machine)))

    def can(self, text: str) -> bool:
        """Whether each letter of it can be drawn; signs that cannot are left out."""
        letters = (sign for sign in text if unicodedata.category(sign)[0] in "LNM")
        return all(self._font_of(sign) is not None for sign in letters) and (
            features.check("raqm") or not any(map(_is_shaped, text))
        )

    def width(self, text: str) -> float:
        return sum(font.getlength(part) for font, part in self._parts(text))

    def fitted(self, text: str, width: float, instead: str) -> str:
        """As much of it as fits; ``instead`` where its letters cannot be drawn."""
        shown = legible(text)
        if not shown or not self.can(shown):
            shown = instead
        if self.width(shown) <= width:
            return shown
        while shown and self.width(shown + "…") > width:
            shown = shown[:-1]
        return shown.rstrip() + "…"

    def write(
        self,
        draw: ImageDraw.ImageDraw,
        x: float,
        y: float,
        text: str,
        colour: str,
        align: str = "l",
    ) -> float:
        """On the base line ``y``, from ``x`` on or, with ``align`` "r" or "m", up to it or around it; where
        it ends."""
        x -= {"l": 0.0, "m": 0.5, "r": 1.0}[align] * self.width(text)
        for font, part in self._parts(text):
            draw.text((x, y), part, fill=colour, font=font, anchor="ls")
            x += font.getlength(part)
        return x

    def _parts(self, text: str) -> Iterator[tuple[FreeTypeFont, str]]:
        """Pieces that one font has all of; a mark stays with its letter."""
        used, part = self.fonts[0], ""
        for sign in text:
            font = self._font_of(sign)
            if font is None:
                continue
            if font is not used and not unicodedata.combining(sign):
                if part:
                    yield used, part
                used, part = font, ""
            part += sign
        if part:
            yield used, part

    def _font_of(self, sign: str) -> FreeTypeFont | None:
        return next((font for font in self.fonts if _has(font, sign)), None)


def _is_shaped(sign: str) -> bool:
    """Whether its form or place depends on its neighbours."""
    return unicodedata.bidirectional(sign) in ("R", "AL") or unicodedata.category(sign) == "Mc"


@functools.lru_cache(maxsize=64)
def _font(path: Path, size: int) -> FreeTypeFont:
    return ImageFont.truetype(path, size)


@functools.lru_cache(maxsize=8)
def _machine(folder: Path) -> tuple[Path, ...]:
    there = {path.name: path for path in sorted(folder.rglob("*")) if path.suffix in _KINDS}
    return tuple(there[name] for name in FOUND_ON_MACHINES if name in there)


_KINDS = (".ttf", ".otf", ".ttc")


@functools.lru_cache(maxsize=20_000)
def _has(font: FreeTypeFont, sign: str) -> bool:
    return sign.isspace() or bytes(font.getmask(sign)) != _lacking(font)


@functools.lru_cache(maxsize=64)
def _lacking(font: FreeTypeFont) -> bytes:
    return bytes(font.getmask(NO_LETTER))
