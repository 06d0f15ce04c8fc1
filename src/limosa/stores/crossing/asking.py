"""The same queries on both sides of a copy: as they are, and filtered by what the application has indexed."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np

from limosa.model.batch import Key, Vectors
from limosa.model.identity import taken
from limosa.model.point import Json, Metric, Point, Scalar
from limosa.ports.carried import Asked, Beside
from limosa.ports.collection import Collection
from limosa.ports.landing import Landing

__all__ = ["Asking"]

KEYS = 5000
"""Keys of a landing of which queries are drawn."""

TIE, TIED = 1e-6, 3
"""Similarities this near to the last one are equal to it, as in a recall; looked for among three times as many rows."""

FIELDS = 3
"""Fields that are filtered by at most: each asks every query once more."""

PATIENCE_S = 60.0
"""After a minute no further query is asked with a filter, as each reads all rows of its filter once."""

LONGEST = 100
"""A longer text is none that an application filters by."""

_INTS = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Who is asked, and by what.

    Attributes:
        name: the vector's.
        alone: why the new side alone is asked; empty where both are.
        noted: of keys those that wait, and those that are dead or skipped: neither can be found on the other side.
    """

    source: Collection
    landing: Landing
    name: str
    metric: Metric
    alone: str
    noted: Callable[[Sequence[Key]], tuple[set[Key], set[Key]]]

    def asked(self, queries: int, k: int) -> Asked:
        """Vectors of points drawn from the landing's first ones, each for k rows."""
        keys = next(self.landing.pages(KEYS), [])
        drawn = random.Random(len(keys)).sample(keys, min(queries, len(keys)))  # noqa: S311 - not a secret
        found = [
            (each, vector) for each in self.landing.fetch(drawn) if _searches(vector := each.vectors.get(self.name))
        ]
        plain = [self._beside(vector, k, {}) for _, vector in found]
        fields, passed = self._fields([each for each, _ in found])
        started, filtered = time.monotonic(), list[Beside]()
        for where, vector in _wheres(found, fields):
            if time.monotonic() - started > PATIENCE_S:
                break
            filtered.append(self._beside(vector, k, where))
        late = {field for field in fields if not any(field in each.where for each in filtered)}
        passed |= dict.fromkeys(late, "time was over")
        return Asked(plain=plain, filtered=filtered, passed=passed, alone=self.alone)

    def _fields(self, points: Sequence[Point]) -> tuple[list[str], dict[str, str]]:
        """Fields with an index at the source that queries are filtered by, and the others with the reason."""
        fields: list[str] = []
        passed: dict[str, str] = {}
        for field, kind in sorted(self.source.describe().indexed.items()):
            why = self._why_not(field, kind, points)
            if why or len(fields) == FIELDS:
                passed[field] = why or f"{FIELDS} others were"
            else:
                fields.append(field)
        return fields, passed

    def _why_not(self, field: str, kind: str, points: Sequence[Point]) -> str:
        if kind == "text":
            return "its index is one of words"
        if not any(_filters(taken(each.payload, field)[1]) for each in points):
            return "no short text, whole number or truth value was seen there"
        sides = {"the old": self.source.holds.filters, "the new": self.landing.filters}
        unable = [side for side, pattern in sides.items() if not re.fullmatch(pattern, field)]
        return f"{unable[0]} store cannot filter by it" if unable else ""

    def _beside(self, vector: Vectors, k: int, where: Mapping[str, Scalar]) -> Beside:
        asked = [] if self.alone else self.source.nearest(self.name, vector, TIED * k, where=where)
        # What is dead or waits cannot be found on the other side, and is told elsewhere.
        waiting, excepted = self.noted([key for key, _ in asked])
        old = [key for key, _ in asked if key not in waiting and key not in excepted][:k]
        started = time.perf_counter()
        new = self.landing.nearest(self.name, vector, k, metric=self.metric, where=where)
        elapsed_ms = 1000 * (time.perf_counter() - started)
        exact = self.landing.nearest(self.name, vector, TIED * k, metric=self.metric, exact=True, where=where)
        last = new[-1][1] if new else np.inf
        return Beside(
            old=tuple(old),
            new=tuple(key for key, _ in new),
            exact=tuple(key for key, _ in exact[:k]),
            ties=frozenset(key for key, score in exact if abs(score - last) <= TIE * max(1.0, abs(score))),
            elapsed_ms=elapsed_ms,
            where=where,
        )


def _wheres(
    found: Sequence[tuple[Point, Vectors]], fields: Sequence[str]
) -> Iterable[tuple[dict[str, Scalar], Vectors]]:
    """Each vector with each field that its point has, filtered by the point's own value."""
    for point, vector in found:
        for field in fields:
            value = taken(point.payload, field)[1]
            if _filters(value):
                yield {field: value}, vector


def _filters(value: Json) -> TypeGuard[Scalar]:
    """Whether an application may filter by a value."""
    if isinstance(value, str):
        return 0 < len(value) <= LONGEST and value.isprintable()
    return isinstance(value, int) and value in _INTS


def _searches(vector: object) -> TypeGuard[Vectors]:
    """Whether a vector can be a query."""
    return isinstance(vector, np.ndarray) and vector.ndim == 1 and bool(vector.any())
