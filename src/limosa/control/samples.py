"""The ledger's memory of how it went: a bounded number of samples, each of all workers' sums at one moment."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Any

from limosa.control.schema import at, run, tables
from limosa.model.spread import Spread, joined
from limosa.ports.tx import Begin, Tx

__all__ = ["MOST", "Sample", "Samples", "thinned"]

MOST = 240
"""Samples that are kept of a migration: finer than a plot shows, and less than 100 kB however long it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What all workers had done at one moment, and how long one process's work took until then.

    Attributes:
        began: since when ``writes`` and ``requests`` were collected; nobody need have worked before it.
        done, skipped, dead: outcomes since the beginning, as ``status`` counts them.
        followed: of these, outcomes of rows that the application changed meanwhile.
        asked: texts that were paid for.
        writes: write transactions, by duration.
        requests: requests that a provider answered, by duration.
    """

    began: datetime
    at: datetime
    done: int
    skipped: int
    dead: int
    followed: int
    asked: int
    tokens: int
    cost_usd: float
    writes: Spread
    requests: Spread

    @property
    def outcomes(self) -> int:
        """Rows that have an outcome; one that was changed is counted each time."""
        return self.done + self.skipped + self.dead

    @property
    def filled(self) -> int:
        """Rows that the first pass has met."""
        return self.outcomes - self.followed


class Samples:
    """The samples of one migration.

    Args:
        begin: opens transactions where the ledger lies.
        migration: the migration's id.
    """

    def __init__(self, begin: Begin, migration: str) -> None:
        self._begin = begin
        self._ids = {"migration": migration}

    def note(self, *, elapsed_s: float, writes: Spread, requests: Spread) -> None:
        """Keeps what all workers have done until now, and thins out what is kept where it is too much.

        Args:
            elapsed_s: for how long this process has collected ``writes`` and ``requests``.
        """
        spreads = {"writes": _as_json(writes), "requests": _as_json(requests)}
        with self._begin() as tx:
            self._run(tx, "note", elapsed_s=elapsed_s, **spreads)
            if self._run(tx, "count")[0][0] > MOST:
                self._thin(tx)

    def close(self, tx: Tx) -> None:
        """Keeps the sums a last time, in the transaction that sweeps what they are counted from."""
        self._run(tx, "note", elapsed_s=0.0, writes="{}", requests="{}")

    def all(self) -> list[Sample]:
        """Every sample, oldest first; none in the ledger of an older version."""
        with self._begin(snapshot=True) as tx:
            # A name of SQLite's, and not one of Postgres's, is the table's own in either dialect.
            known = {str(name) for (name,) in run(tx, "migrations", "tables", {})}
            mine = next(name for name in tables(tx.dialect) if name.endswith("sample"))
            return [_sample(row[1:]) for row in self._run(tx, "all")] if mine in known else []

    def _thin(self, tx: Tx) -> None:
        # Two processes that thin at once would each keep what the other one merged.
        run(tx, "migrations", "one_at_a_time", {})
        rows = self._run(tx, "all")
        if len(rows) <= MOST:
            return
        for row in rows:
            self._run(tx, "drop", id=row[0])
        for sample in thinned([_sample(row[1:]) for row in rows], MOST // 2):
            self._run(tx, "put", **_values(sample))

    def _run(self, tx: Tx, name: str, **more: object) -> list[tuple[Any, ...]]:
        return run(tx, "samples", name, {**self._ids, **more})


def thinned(samples: Sequence[Sample], most: int) -> list[Sample]:
    """At most so many samples, oldest first, that cover the same time: neighbours that span the least become one.

    So what is left is as fine everywhere, and a night between two runs is not mixed with either. The first
    sample stays as it is, as everything is counted from it.
    """
    first, rest = list(samples[:1]), list(samples[1:])
    while len(first) + len(rest) > most and len(rest) > 1:
        spans = [(later.at - min(earlier.began, later.began)) for earlier, later in pairwise(rest)]
        place = spans.index(min(spans))
        rest[place : place + 2] = [_merged(rest[place], rest[place + 1])]
    return first + rest


def _merged(earlier: Sample, later: Sample) -> Sample:
    """Sums are those of the later one, as they count from the beginning; durations are those of both."""
    return replace(
        later,
        began=min(earlier.began, later.began),
        writes=joined([earlier.writes, later.writes]),
        requests=joined([earlier.requests, later.requests]),
    )


def _as_json(spread: Spread) -> str:
    return json.dumps({str(place): count for place, count in sorted(spread.items())}, separators=(",", ":"))


def _values(sample: Sample) -> dict[str, object]:
    counts = ("done", "skipped", "dead", "followed", "asked", "tokens", "cost_usd")
    return {
        "began_s": sample.began.timestamp(),
        "at_s": sample.at.timestamp(),
        **{name: getattr(sample, name) for name in counts},
        "writes": _as_json(sample.writes),
        "requests": _as_json(sample.requests),
    }


def _sample(row: Sequence[Any]) -> Sample:
    began, until, done, skipped, dead, followed, asked, tokens, cost_usd, writes, requests = row
    return Sample(
        began=at(began),
        at=at(until),
        done=int(done),
        skipped=int(skipped),
        dead=int(dead),
        followed=int(followed),
        asked=int(asked),
        tokens=int(tokens),
        cost_usd=float(cost_usd),
        writes=_spread(writes),
        requests=_spread(requests),
    )


def _spread(text: str) -> dict[int, int]:
    return {int(place): int(count) for place, count in json.loads(text).items()}
