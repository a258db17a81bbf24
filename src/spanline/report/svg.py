"""Pictures as SVG: axes with round ticks, lines, points, areas, rules, bars. Colours are left to the page's CSS.

Elements are built as a tree, so no text can become markup. Places are in pixels of a picture 560 wide; values are in
the units of the data.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, tostring

Points = Sequence[tuple[float, float]]

WIDTH, HEIGHT = 560, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 16, 14, 46  # margins
_FAR_RIGHT = 78  # with an axis on the right


@dataclass(frozen=True)
class Axis:
    """A linear scale with its label."""

    label: str
    low: float
    high: float

    @staticmethod
    def of(label: str, values: Iterable[float], low: float | None = None, high: float | None = None) -> Axis:
        """From the least to the greatest value, or the given ends; never empty."""
        inside = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
        least = min(inside) if low is None else low
        most = max(inside) if high is None else high
        return Axis(label, least, most if most > least else least + 1.0)

    def share(self, value: float) -> float:
        """0 at the low end, 1 at the high end."""
        return (value - self.low) / (self.high - self.low)

    def ticks(self, about: int = 5) -> list[float]:
        """Round numbers within the axis: multiples of 1, 2 or 5 times a power of ten."""
        rough = (self.high - self.low) / about
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]


class Picture:
    """One picture; draw from the back to the front."""

    def __init__(self, title: str, x: Axis, y: Axis, right: Axis | None = None) -> None:
        view = f"0 0 {WIDTH} {HEIGHT}"
        self._svg = Element("svg", {"viewBox": view, "role": "img", "aria-label": title, "class": "plot"})
        self._x, self._y = x, y
        self._labels: list[tuple[float, float]] = []
        self._right_edge = WIDTH - (_FAR_RIGHT if right else _RIGHT)
        self._draw_axes(right)

    def markup(self) -> str:
        """The picture as an element of HTML."""
        return tostring(self._svg, encoding="unicode")

    def line(self, points: Points, name: str, axis: Axis | None = None) -> None:
        """A line through the points, or a dot where there is one; `name` is its class. `axis`: the right one."""
        places = [self._at(point, axis) for point in points]
        if len(places) > 1:
            path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
            SubElement(self._svg, "path", {"class": f"line {name}", "d": path})
        else:
            for point in points:
                self.dot(point, name, "")

    def dot(self, point: tuple[float, float], name: str, says: str, radius: float = 4) -> None:
        """A dot that says something when it is pointed at."""
        x, y = self._at(point)
        dot = SubElement(self._svg, "circle", {"class": f"dot {name}", "cx": _px(x), "cy": _px(y), "r": _px(radius)})
        if says:
            SubElement(dot, "title").text = says

    def area(self, edges: Sequence[float], heights: Sequence[float], name: str) -> None:
        """A histogram's outline, filled down to the x axis: bin i reaches from edges[i] to edges[i + 1]."""
        corners = [(edges[0], self._y.low)]
        for low, high, height in zip(edges, edges[1:], heights, strict=False):
            corners += [(low, height), (high, height)]
        places = [self._at(corner) for corner in [*corners, (edges[-1], self._y.low)]]
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places) + "Z"
        SubElement(self._svg, "path", {"class": f"area {name}", "d": path})

    def rule(self, x: float, label: str, row: int, chosen: bool) -> None:
        """A vertical line with its label beside its upper end, `row` lines down."""
        left, top = self._at((x, self._y.high))
        kind = "rule chosen" if chosen else "rule"
        place = {"x1": _px(left), "x2": _px(left), "y1": _px(top), "y2": _px(HEIGHT - _BOTTOM)}
        SubElement(self._svg, "line", {"class": kind, **place})
        before = left > (self._right_edge + _LEFT) / 2
        anchor = {"x": _px(left - 4 if before else left + 4), "text-anchor": "end" if before else "start"}
        self._text(label, {"class": "label", "y": _px(top + 12 + 14 * row), **anchor})

    def label(self, point: tuple[float, float], text: str) -> None:
        """Text beside a point; below another label that lies there."""
        x, y = self._at(point)
        while any(abs(x - other_x) < 110 and abs(y - other_y) < 14 for other_x, other_y in self._labels):
            y += 14
        self._labels.append((x, y))
        before = x > (self._right_edge + _LEFT) * 0.7
        anchor = {"x": _px(x - 8 if before else x + 8), "text-anchor": "end" if before else "start"}
        self._text(text, {"class": "label", "y": _px(y - 7), **anchor})

    def _at(self, point: tuple[float, float], axis: Axis | None = None) -> tuple[float, float]:
        x = _LEFT + self._x.share(point[0]) * (self._right_edge - _LEFT)
        y = HEIGHT - _BOTTOM - (axis or self._y).share(point[1]) * (HEIGHT - _BOTTOM - _TOP)
        return x, y

    def _draw_axes(self, right: Axis | None) -> None:
        for value in self._y.ticks():
            _, y = self._at((self._x.low, value))
            SubElement(self._svg, "line", _segment("grid", _LEFT, y, self._right_edge, y))
            self._text(number(value), {"class": "tick", "x": _px(_LEFT - 6), "y": _px(y + 4), "text-anchor": "end"})
        for value in self._x.ticks():
            x, _ = self._at((value, self._y.low))
            SubElement(self._svg, "line", _segment("grid", x, _TOP, x, HEIGHT - _BOTTOM))
            place = {"x": _px(x), "y": _px(HEIGHT - _BOTTOM + 17), "text-anchor": "middle"}
            self._text(number(value), {"class": "tick", **place})
        middle = (_LEFT + self._right_edge) / 2
        self._text(self._x.label, {"class": "name", "x": _px(middle), "y": _px(HEIGHT - 8), "text-anchor": "middle"})
        self._sideways(self._y.label, 14)
        if right:
            for value in right.ticks():
                _, y = self._at((self._x.low, value), right)
                self._text(number(value), {"class": "tick", "x": _px(self._right_edge + 6), "y": _px(y + 4)})
            self._sideways(right.label, WIDTH - 6)

    def _sideways(self, text: str, x: float) -> None:
        middle = (_TOP + HEIGHT - _BOTTOM) / 2
        turn = f"rotate(-90 {x} {middle})"
        self._text(text, {"class": "name", "x": _px(x), "y": _px(middle), "text-anchor": "middle", "transform": turn})

    def _text(self, text: str, attributes: dict[str, str]) -> None:
        SubElement(self._svg, "text", attributes).text = text


def _segment(name: str, x1: float, y1: float, x2: float, y2: float) -> dict[str, str]:
    return {"class": name, "x1": _px(x1), "y1": _px(y1), "x2": _px(x2), "y2": _px(y2)}


def _px(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def number(value: float) -> str:
    """A tick's number: 0.25, 1,000, 2e-4; a true minus sign."""
    if value and abs(value) < 0.001:
        text = f"{value:.1e}".replace("e-0", "e-").replace(".0e", "e")
    else:
        text = f"{value:,.6g}" if abs(value) < 1000 else f"{value:,.0f}"
    return text.replace("-", "\N{MINUS SIGN}", 1) if value < 0 else text
