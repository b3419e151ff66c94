"""A leaderboard as a picture: its podium, and how the record fell.

Who set which record is told by the shape of its mark, what a line means by how it is dashed; colours only repeat it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from kernelbot.bot.drawing import axes
from kernelbot.bot.drawing.lettering import BOLD, Lettering

WIDTH, EDGE = 1000, 36
FINER = 2
"""Lines and marks are drawn that many times larger and made smaller, which makes them smooth."""

GROUND, PANEL, GRID, TEXT, DIM, LINE = (
    "#1e1f22", "#2b2d31", "#43454c", "#f2f3f5", "#b5bac1", "#f2f3f5",
)  # fmt: skip
COLOURS = ("#e69f00", "#56b4e9", "#2bb58a", "#b5bac1")
"""Of the first three and of everybody else: told apart also by who confuses red and green."""

ROWS, ROW, CHART = 112, 58, 300
LIGHT_IN_VIEW = 30.0
"""A speed of light further away than this factor would squeeze the line it is held against."""


@dataclass(frozen=True)
class Place:
    """A row of the podium, in words."""

    user_id: int
    place: str
    name: str
    time: str
    share: str


@dataclass(frozen=True)
class Step:
    """The record from ``after`` seconds on."""

    user_id: int
    after: float
    seconds: float


@dataclass(frozen=True)
class Card:
    title: str
    note: str
    unnamed: str  # for names that no font at hand can write
    places: tuple[Place, ...]
    history: str
    steps: tuple[Step, ...]
    span: float  # seconds, from the first record to where the line ends
    time_axis: Callable[[bool], str]  # whether it is logarithmic
    span_axis: Callable[[str], str]  # by its unit
    others: str
    light: float | None
    light_label: str


@dataclass(frozen=True)
class Frame:
    """Where the chart is."""

    left: float
    top: float
    right: float
    bottom: float


def drawn(card: Card) -> bytes:
    """As PNG."""
    top = ROWS + ROW * len(card.places) + 20
    height = top + (CHART + 160 if card.steps else 0)
    fine = Image.new("RGB", (WIDTH * FINER, height * FINER), GROUND)
    strokes = _Strokes(ImageDraw.Draw(fine))
    frame = Frame(EDGE + 96, top + 62, WIDTH - EDGE - 8, top + 62 + CHART)
    chart = _Chart(card, frame) if card.steps else None
    for at in range(len(card.places)):
        middle = ROWS + ROW * at + ROW / 2
        strokes.panel(EDGE, middle - ROW / 2 + 4, WIDTH - EDGE, middle + ROW / 2 - 4)
        strokes.mark(at, EDGE + 32, middle, 13)
    if chart is not None:
        chart.stroke(strokes)
    image = fine.reduce(FINER)
    draw = ImageDraw.Draw(image)
    _head(draw, card)
    for at, place in enumerate(card.places):
        _row(draw, place, ROWS + ROW * at + ROW / 2, card.unnamed)
    if chart is not None:
        chart.write(draw)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _head(draw: ImageDraw.ImageDraw, card: Card) -> None:
    title, small = Lettering(38, BOLD), Lettering(24)
    title.write(draw, EDGE, 58, title.fitted(card.title, WIDTH - 2 * EDGE, card.unnamed), TEXT)
    small.write(draw, EDGE, 90, small.fitted(card.note, WIDTH - 2 * EDGE, ""), DIM)


def _row(draw: ImageDraw.ImageDraw, place: Place, middle: float, unnamed: str) -> None:
    y = middle + 10
    bold, plain, small = Lettering(29, BOLD), Lettering(29), Lettering(25)
    left = plain.write(draw, EDGE + 62, y, place.place, TEXT) + 22
    right: float = WIDTH - EDGE - 20
    if place.share:
        small.write(draw, right, y, place.share, DIM, "r")
        right -= max(small.width(place.share), small.width("100 %")) + 24
    plain.write(draw, right, y, place.time, TEXT, "r")
    room = right - plain.width(place.time) - 24 - left
    bold.write(draw, left, y, bold.fitted(place.name, room, unnamed), TEXT)


class _Strokes:
    """Shapes, in the measures of the picture that comes out."""

    def __init__(self, draw: ImageDraw.ImageDraw) -> None:
        self.draw = draw

    def panel(self, left: float, top: float, right: float, bottom: float) -> None:
        self.draw.rounded_rectangle(
            [value * FINER for value in (left, top, right, bottom)], 10 * FINER, fill=PANEL
        )

    def line(self, points: Sequence[tuple[float, float]], colour: str, width: float) -> None:
        larger = [(x * FINER, y * FINER) for x, y in points]
        self.draw.line(larger, fill=colour, width=round(width * FINER), joint="curve")

    def dashed(self, left: float, right: float, y: float, colour: str) -> None:
        x = left
        while x < right:
            self.line([(x, y), (min(x + 14, right), y)], colour, 3)
            self.line([(min(x + 21, right), y), (min(x + 24, right), y)], colour, 3)
            x += 32

    def mark(self, which: int, x: float, y: float, size: float) -> None:
        """A disc, a square, a triangle for the first three; a ring for everybody else."""
        colour = COLOURS[min(which, 3)]
        if which in (1, 2):
            circle = (x * FINER, y * FINER, size * 1.3 * FINER)
            self.draw.regular_polygon(circle, 5 - which, fill=colour, outline=GROUND)
            return
        box = [(x - size) * FINER, (y - size) * FINER, (x + size) * FINER, (y + size) * FINER]
        if which == 0:
            self.draw.ellipse(box, fill=colour, outline=GROUND, width=FINER)
        else:
            self.draw.ellipse(box, fill=GROUND, outline=colour, width=round(size * 0.4) * FINER)


class _Chart:
    def __init__(self, card: Card, frame: Frame) -> None:
        self.card, self.frame = card, frame
        reached = [step.seconds for step in card.steps]
        least, most = min(reached), max(reached)
        light = card.light
        self.light = light if light and least / LIGHT_IN_VIEW < light <= most else None
        self.times = axes.times(min(least, self.light or least), most)
        self.span = axes.elapsed(card.span)
        self.places = {place.user_id: at for at, place in enumerate(card.places)}
        self.has_others = any(step.user_id not in self.places for step in card.steps)

    def _x(self, after: float) -> float:
        return self.frame.left + self.span.at(after) * (self.frame.right - self.frame.left)

    def _y(self, seconds: float) -> float:
        return self.frame.bottom - self.times.at(seconds) * (self.frame.bottom - self.frame.top)

    def stroke(self, strokes: _Strokes) -> None:
        frame = self.frame
        for tick in self.times.ticks:
            strokes.line([(frame.left, self._y(tick)), (frame.right, self._y(tick))], GRID, 1)
        for tick in self.span.ticks:
            strokes.line([(self._x(tick), frame.bottom), (self._x(tick), frame.bottom + 7)], DIM, 2)
        strokes.line([(frame.left, frame.bottom), (frame.right, frame.bottom)], DIM, 2)
        if self.light is not None:
            strokes.dashed(frame.left, frame.right, self._y(self.light), COLOURS[1])
        strokes.line(self._record(), LINE, 4)
        small = 9 if len(self.card.steps) < 40 else 6
        for step in self.card.steps:
            strokes.mark(self._mark(step), self._x(step.after), self._y(step.seconds), small)
        if self.has_others:
            strokes.mark(3, frame.left + 4, frame.bottom + 62, 9)

    def _mark(self, step: Step) -> int:
        return self.places.get(step.user_id, 3)

    def _record(self) -> list[tuple[float, float]]:
        """Level until the next falls straight down."""
        points: list[tuple[float, float]] = []
        for step in self.card.steps:
            x, y = self._x(step.after), self._y(step.seconds)
            if points:
                points.append((x, points[-1][1]))
            points.append((x, y))
        return [*points, (self._x(self.card.span), points[-1][1])]

    def write(self, draw: ImageDraw.ImageDraw) -> None:
        frame, card = self.frame, self.card
        small, bold = Lettering(23), Lettering(27, BOLD)
        bold.write(draw, EDGE, frame.top - 28, card.history, TEXT)
        scale = card.time_axis(self.times.logarithmic)
        small.write(draw, frame.right, frame.top - 28, scale, DIM, "r")
        for tick, label in zip(self.times.ticks, self.times.labels, strict=True):
            small.write(draw, frame.left - 12, self._y(tick) + 8, label, DIM, "r")
        for tick, label in zip(self.span.ticks, self.span.labels, strict=True):
            small.write(draw, self._x(tick), frame.bottom + 34, label, DIM, "m")
        small.write(draw, frame.right, frame.bottom + 70, card.span_axis(self.span.unit), DIM, "r")
        if self.has_others:
            small.write(draw, frame.left + 22, frame.bottom + 70, card.others, DIM)
        if self.light is not None:
            y = self._y(self.light)
            small.write(draw, frame.left + 10, y - 10, card.light_label, COLOURS[1])
