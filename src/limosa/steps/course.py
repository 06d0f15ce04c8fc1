"""The course of a migration: coverage, rate and durations over the time in which somebody worked, from samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from limosa.control.samples import Sample
from limosa.model.spread import Spread, joined, quantile_s

__all__ = ["CELLS", "Cell", "Course", "Timing", "course"]

CELLS = 60
"""Points of a plot at most: more would not be told apart on a page."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long something took: how often it was done, and the durations that 50 and 95 in 100 did not exceed.

    Quantiles are known to within 9 %, as durations are kept in classes.
    """

    count: int
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A part of the working time, from one sample to another.

    Attributes:
        from_s, to_s: seconds of work since the beginning.
        filled: rows that the first pass had met at the end of it.
        rate_per_s: outcomes a second, of changed rows too.
        writes, requests: None where none ended in it.
    """

    from_s: float
    to_s: float
    filled: int
    rate_per_s: float
    writes: Timing | None
    requests: Timing | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How it went.

    Attributes:
        began, ended: the first and the last sample; None where there is none.
        worked_s: time between them in which rows were settled; waits, and pauses between runs, are left out.
        filled: rows that the first pass has met; followed: outcomes of rows that changed meanwhile.
        writes: write transactions; requests: requests that a provider answered; None where there were none.
    """

    began: datetime | None = None
    ended: datetime | None = None
    worked_s: float = 0.0
    filled: int = 0
    followed: int = 0
    cells: tuple[Cell, ...] = ()
    writes: Timing | None = None
    requests: Timing | None = None


def course(samples: Sequence[Sample]) -> Course:
    """The course that samples of one migration tell, oldest first."""
    if not samples:
        return Course()
    ends = _ends_s(samples)
    return Course(
        began=samples[0].at,
        ended=samples[-1].at,
        worked_s=ends[-1],
        filled=samples[-1].filled,
        followed=samples[-1].followed,
        cells=tuple(_cells(samples, ends)),
        writes=_timing([each.writes for each in samples]),
        requests=_timing([each.requests for each in samples]),
    )


def _ends_s(samples: Sequence[Sample]) -> list[float]:
    """For each sample, the seconds until then in which some process worked; samples of several may overlap."""
    ends = [0.0]
    for before, sample in pairwise(samples):
        worked = sample.at - max(before.at, sample.began)
        ends.append(ends[-1] + max(0.0, worked.total_seconds()))
    return ends


def _cells(samples: Sequence[Sample], ends: Sequence[float]) -> list[Cell]:
    """Every cell ends at a sample, so that its figures are counted ones."""
    found = []
    edges = _edges(ends)
    for first, last in pairwise(edges):
        before, until, inside = samples[first], samples[last], samples[first + 1 : last + 1]
        passed_s = ends[last] - ends[first]
        found.append(
            Cell(
                from_s=ends[first],
                to_s=ends[last],
                filled=until.filled,
                rate_per_s=max(0, until.outcomes - before.outcomes) / passed_s,
                writes=_timing([each.writes for each in inside]),
                requests=_timing([each.requests for each in inside]),
            )
        )
    return found


def _edges(ends: Sequence[float]) -> list[int]:
    """Positions of samples that lie far enough apart; the first one, and one at the end of the time."""
    least_s = ends[-1] / CELLS
    edges = [0]
    for place, end in enumerate(ends):
        if end - ends[edges[-1]] >= least_s > 0:
            edges.append(place)
    if len(edges) > 1:
        # What remains after the last of them is shorter than a cell, and part of it.
        edges[-1] = len(ends) - 1
    return edges


def _timing(spreads: Sequence[Spread]) -> Timing | None:
    total = joined(spreads)
    half, most = quantile_s(total, 0.5), quantile_s(total, 0.95)
    if half is None or most is None:
        return None
    return Timing(count=sum(total.values()), p50_ms=1000 * half, p95_ms=1000 * most)
