"""Recall@10: how many of the true nearest neighbours the index finds."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from limosa.model.batch import Key, Vectors
from limosa.model.interval import wilson
from limosa.model.proof import Proof
from limosa.ports.evidence import Evidence, IndexUse
from limosa.ports.search import Neighbour, Stored

__all__ = ["QUERIES", "hits", "prove_recall"]

K = 10
"""Neighbours asked for: a first page of results."""

QUERIES = 50
"""Five hundred neighbours bound a recall of 0.95 to within 0.02."""

PATIENCE_S = 60.0
"""After a minute no further query is asked, as each reads the whole table once; the interval says what that costs."""

LEAST = 0.9
"""Below this, one of the ten nearest is missing on average: pages of results visibly differ from exact ones."""

TIE = 1e-6
"""Distances this near to the k-th are equal to it: one rounding of a float32 sum, or of two equal vectors."""


def prove_recall(evidence: Evidence, index: IndexUse, sample: Sequence[Stored]) -> Proof:
    """Different where even the upper end of the 95 % interval lies below 0.9.

    The queries are stored vectors of sampled rows, each without its own row. The index is searched
    as the database's settings say. Neighbours are counted as independent trials.

    Args:
        index: valid, and usable by queries.
    """
    queries = [row for row in sample if row.vector is not None and np.any(row.vector)]
    started, found, wanted, asked, shortest = time.monotonic(), 0, 0, 0, K
    missed = [0] * (K + 1)
    for row in queries:
        if time.monotonic() - started > PATIENCE_S:
            break
        if row.vector is None:
            continue
        near, exact = _both(evidence, row.vector, row.key)
        asked, shortest, met = asked + 1, min(shortest, len(exact)), hits(near, exact)
        found, wanted = found + met, wanted + len(exact)
        missed[len(exact) - met] += 1
    facts: dict[str, object] = {"queries": asked, "k": shortest, "found": found, "wanted": wanted}
    # How many queries missed none of their neighbours, one, two and so on.
    facts |= {"queries_by_missed": missed, "setting": index.setting, "used": index.used}
    if not wanted:
        said = "there are no two vectors to compare"
        return Proof(name="recall", verdict="unchecked", said=said, evidence=facts)
    interval = wilson(found, wanted)
    facts |= {"recall": interval.share, "low": interval.low, "high": interval.high, "least": LEAST}
    said = f"recall@{shortest} of {index.name} is {interval} over {asked} queries, with {index.setting}"
    if interval.high >= LEAST:
        return Proof(name="recall", verdict="proved", said=said, evidence=facts)
    if index.used == "forced":
        said += "; queries do not go through it while the table is read faster as a whole"
        return Proof(name="recall", verdict="proved", said=said, evidence=facts)
    said += f"; below {LEAST}: ALTER DATABASE ... SET {index.setting.split(' =')[0]} to more, or build it finer"
    return Proof(name="recall", verdict="different", said=said, evidence=facts)


def hits(near: Sequence[Neighbour], exact: Sequence[Neighbour]) -> int:
    """How many of the exact neighbours were found; one at the k-th distance is as good as another.

    Args:
        near: as the index gives them; exact: the true ones, best first.
    """
    if not exact:
        return 0
    last = exact[-1].distance
    return min(len(exact), sum(each.distance <= last + TIE * max(1.0, abs(last)) for each in near))


def _both(evidence: Evidence, vector: Vectors, key: Key) -> tuple[list[Neighbour], list[Neighbour]]:
    """At most k neighbours of a row beside itself, through the index and exact."""
    near, exact = evidence.compare(vector, K + 1)
    return [each for each in near if each.key != key][:K], [each for each in exact if each.key != key][:K]
