"""A spread: how many durations fell into each of fixed classes, so that several processes' can be added up."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

__all__ = ["CLASSES_A_DOUBLING", "Spread", "class_of", "joined", "quantile_s"]

Spread = Mapping[int, int]
"""Class to count; a class that is not named counts nothing."""

CLASSES_A_DOUBLING = 4
"""A class is 19 % wide: its middle is within 9 % of every duration in it, and a day is 17 doublings of a second."""

LEAST_S = 1e-6


def class_of(seconds: float) -> int:
    """The class of a duration; 0 begins at one second, and a doubling is ``CLASSES_A_DOUBLING`` classes on."""
    return math.floor(CLASSES_A_DOUBLING * math.log2(max(seconds, LEAST_S)))


def joined(spreads: Iterable[Spread]) -> dict[int, int]:
    """All of them in one; their counts add up."""
    total: dict[int, int] = {}
    for spread in spreads:
        for place, count in spread.items():
            total[place] = total.get(place, 0) + count
    return total


def quantile_s(spread: Spread, share: float) -> float | None:
    """The duration that ``share`` of all do not exceed, to within 9 %; None where there are none.

    Args:
        share: 0.5 for the median, 0.95 for what one in twenty exceeds.
    """
    rank, seen = math.ceil(share * sum(spread.values())), 0
    for place in sorted(spread):
        seen += spread[place]
        if seen >= max(1, rank):
            return float(2 ** ((place + 0.5) / CLASSES_A_DOUBLING))
    return None
