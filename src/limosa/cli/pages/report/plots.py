"""Plots as SVG: lines, bars and an interval, of numbers alone; colours come from the page's style."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from limosa.cli.pages.report.axis import Axis
from limosa.cli.pages.report.element import Html, element, joined

__all__ = ["Bar", "Line", "bars", "histogram", "interval", "line"]

WIDTH, HEIGHT = 460.0, 250.0
LEFT, RIGHT, TOP, BOTTOM = 58.0, 14.0, 30.0, 44.0
"""Units of the drawing; a phone shows it at three quarters, where letters of 13 are still read."""

MARKED = 30
"""Up to so many points each has a dot: a line through two of them does not show where anything was measured."""


@dataclass(frozen=True, slots=True)
class Line:
    """A named line; ``ink`` is 1 or 2, which differ in colour, and in being solid or dashed."""

    name: str
    points: Sequence[tuple[float, float]]
    ink: int = 1


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar from one value of the x axis to another, of a height."""

    start: float
    end: float
    height: float


def line(lines: Sequence[Line], x: Axis, y: Axis, *, label: str, limit: tuple[float, str] | None = None) -> Html:
    """Lines over an axis.

    Args:
        limit: a value of the y axis that is drawn across, and what it is.
    """
    parts = [_limit(limit, y)] if limit is not None else []
    for each in lines:
        spots = [(_x(x, at), _y(y, value)) for at, value in each.points]
        path = "M" + " L".join(f"{a:.1f} {b:.1f}" for a, b in spots)
        parts.append(element("path", d=path, class_=f"line ink{each.ink}"))
        if len(spots) <= MARKED:
            parts += [
                element("circle", cx=f"{a:.1f}", cy=f"{b:.1f}", r=3, class_=f"dot ink{each.ink}") for a, b in spots
            ]
    return _drawn(x, y, parts, label)


def bars(items: Sequence[Bar], x: Axis, y: Axis, *, label: str) -> Html:
    """Bars that stand on the axis."""
    parts = [
        element(
            "rect",
            x=f"{_x(x, each.start) + 0.5:.1f}",
            y=f"{_y(y, each.height):.1f}",
            width=f"{max(0.5, _x(x, each.end) - _x(x, each.start) - 1):.1f}",
            height=f"{_y(y, 0) - _y(y, each.height):.1f}",
            class_="bar",
        )
        for each in items
        if each.height
    ]
    return _drawn(x, y, parts, label)


def histogram(series: Sequence[tuple[Sequence[Bar], int]], x: Axis, y: Axis, *, label: str) -> Html:
    """Histograms of equal classes over each other, each as an outline with a light fill; with each its ink."""
    parts = []
    for items, ink in series:
        path = f"M{_x(x, items[0].start):.1f} {_y(y, 0):.1f}"
        for each in items:
            height = _y(y, each.height)
            path += f" L{_x(x, each.start):.1f} {height:.1f} L{_x(x, each.end):.1f} {height:.1f}"
        path += f" L{_x(x, items[-1].end):.1f} {_y(y, 0):.1f}"
        parts.append(element("path", d=path, class_=f"area ink{ink}"))
    return _drawn(x, y, parts, label)


def interval(share: float, between: tuple[float, float], least: float, x: Axis, *, label: str) -> Html:
    """A measured share, the range in which the true one lies, and what is wanted at least, on one axis."""
    height, middle = 84.0, 26.0
    low, high = (f"{_x(x, each):.1f}" for each in between)
    wanted = f"{_x(x, least):.1f}"
    parts = [
        element("line", x1=wanted, x2=wanted, y1=6, y2=46, class_="limit"),
        element("line", x1=low, x2=high, y1=middle, y2=middle, class_="line ink1"),
        *(element("line", x1=each, x2=each, y1=middle - 6, y2=middle + 6, class_="line ink1") for each in (low, high)),
        element("circle", cx=f"{_x(x, share):.1f}", cy=middle, r=4.5, class_="dot ink1"),
        *_below(x, 46.0, height),
    ]
    return _svg(parts, height, label)


def _drawn(x: Axis, y: Axis, parts: Sequence[Html], label: str) -> Html:
    grid = [element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=_at(y, v), y2=_at(y, v), class_="grid") for v, _ in y.ticks]
    names = [
        element("text", said, x=LEFT - 8, y=f"{_y(y, value) + 4.5:.1f}", text_anchor="end", class_="tick")
        for value, said in y.ticks
    ]
    title = element("text", y.title, x=0, y=12, class_="tick")
    return _svg([title, *grid, *names, *parts, *_below(x, HEIGHT - BOTTOM, HEIGHT)], HEIGHT, label)


def _below(x: Axis, top: float, height: float) -> list[Html]:
    """The x axis with its ticks and its title."""
    found = [element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=top, y2=top, class_="axis")]
    for value, said in x.ticks:
        at = f"{_x(x, value):.1f}"
        found.append(element("line", x1=at, x2=at, y1=top, y2=top + 4, class_="axis"))
        found.append(element("text", said, x=at, y=top + 18, text_anchor="middle", class_="tick"))
    middle = (LEFT + WIDTH - RIGHT) / 2
    found.append(element("text", x.title, x=middle, y=height - 5, text_anchor="middle", class_="name"))
    return found


def _limit(limit: tuple[float, str], y: Axis) -> Html:
    value, said = limit
    at = _y(y, value)
    # Where there is no room above the line, what it is stands below it.
    beside = at - 6 if at > TOP + 4 else at + 16
    return joined(
        element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=f"{at:.1f}", y2=f"{at:.1f}", class_="limit"),
        element("text", said, x=LEFT + 6, y=f"{beside:.1f}", class_="tick"),
    )


def _svg(parts: Sequence[Html], height: float, label: str) -> Html:
    box = f"0 0 {WIDTH:g} {height:g}"
    return element("svg", element("title", label), *parts, viewBox=box, role="img", aria_label=label)


def _x(axis: Axis, value: float) -> float:
    return LEFT + axis.place(value) * (WIDTH - LEFT - RIGHT)


def _y(axis: Axis, value: float) -> float:
    return HEIGHT - BOTTOM - axis.place(value) * (HEIGHT - TOP - BOTTOM)


def _at(axis: Axis, value: float) -> str:
    return f"{_y(axis, value):.1f}"
