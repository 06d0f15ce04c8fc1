"""Axes: from where to where, with the ticks that a person would choose."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["Axis", "amount_axis", "number_axis", "plain", "share_axis", "time_axis"]

TICKS = 5
"""About so many: fewer say little, more run into each other on a phone."""

_UNITS = (
    (1.0, "seconds", (1, 2, 5, 10, 15, 30)),
    (60.0, "minutes", (1, 2, 5, 10, 15, 30)),
    (3600.0, "hours", (1, 2, 3, 6, 12)),
    (86_400.0, "days", (1, 2, 7, 14, 28)),
)
"""Seconds in a unit of time, its name, and the steps in which people count it."""


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis.

    Attributes:
        ticks: value and label, ascending.
        title: what it counts, with its unit.
    """

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    title: str

    def place(self, value: float) -> float:
        """Where a value lies, 0 at the low end and 1 at the high one."""
        return (value - self.low) / (self.high - self.low)


def plain(value: float) -> str:
    """A number as an axis shows it: ``0.25``, ``1,500``, ``2.5 M``."""
    if abs(value) >= 1e6:
        return f"{value / 1e6:,.4g} M"
    return f"{value:,.0f}" if value == round(value) else f"{value:,.4g}"


def amount_axis(most: float, title: str, *, whole: bool = False, say: Callable[[float], str] = plain) -> Axis:
    """From 0 to a round number that is at least ``most``.

    Args:
        whole: what is counted cannot be split: no tick lies between two whole numbers.
    """
    step = _round_step(max(most, 1e-9) / TICKS)
    if whole:
        step = max(1.0, step)
    count = max(1, math.ceil(most / step - 1e-9))
    return Axis(0.0, count * step, tuple((i * step, say(i * step)) for i in range(count + 1)), title)


def share_axis(low: float, high: float, title: str) -> Axis:
    """Between two numbers that are round themselves, such as -1 and 1."""
    step = _round_step((high - low) / TICKS)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return Axis(
        low, high, tuple((i * step, f"{i * step:.3g}".replace("-", "−")) for i in range(first, last + 1)), title
    )


def number_axis(most: int, title: str) -> Axis:
    """Whole numbers from 0 to ``most``, with room for a bar around each."""
    step = max(1, round(_round_step(most / TICKS)))
    return Axis(-0.5, most + 0.5, tuple((float(i), str(i)) for i in range(0, most + 1, step)), title)


def time_axis(seconds: float, title: str) -> Axis:
    """From 0 to exactly so many seconds; ticks at whole seconds, minutes, hours or days."""
    unit_s, name, steps = next((each for each in reversed(_UNITS) if seconds >= 2 * each[0]), _UNITS[0])
    span = max(seconds, 1e-3) / unit_s
    step = _first_at_least(steps, span / TICKS) if span >= 2 else _round_step(span / TICKS)
    count = math.floor(span / step + 1e-9)
    ticks = tuple((i * step * unit_s, plain(round(i * step, 9))) for i in range(count + 1))
    return Axis(0.0, max(seconds, 1e-3), ticks, f"{title}, {name}")


def _first_at_least(steps: Sequence[float], least: float) -> float:
    return next((step for step in steps if step >= least), _round_step(least))


def _round_step(least: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that is at least so much."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))
