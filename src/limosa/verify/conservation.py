"""Conservation: every key of the filter is counted in exactly one class, range by range."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from limosa.model.batch import Key
from limosa.model.conservation import Conservation
from limosa.model.proof import Proof
from limosa.ports.store import Store

__all__ = ["RANGE_CHUNKS", "count", "prove_conservation"]

RANGE_CHUNKS = 10
"""Chunks counted in one snapshot: about a hundred thousand rows, so that no snapshot lives long."""


def count(store: Store, epoch: int, edges: Sequence[Key], *, at_expand: int | None) -> Conservation:
    """The classes of every key, each range in one snapshot of table and ledger.

    Args:
        edges: upper edges of the chunks, in order; the ranges cover the whole key space.
    """
    bounds: list[Key | None] = [None, *edges[RANGE_CHUNKS - 1 :: RANGE_CHUNKS], None]
    totals = dict.fromkeys(("done", "skipped", "dead", "pending", "lost"), 0)
    for after, upper in pairwise(bounds):
        with store.begin(snapshot=True) as tx:
            for name, rows in store.witness(epoch).classify(after, upper, tx).items():
                totals[name] += rows
    return Conservation(
        rows=sum(totals.values()),
        done=totals["done"],
        skipped=totals["skipped"],
        dead=totals["dead"],
        pending=totals["pending"],
        lost=totals["lost"],
        at_expand=at_expand,
    )


def prove_conservation(found: Conservation) -> Proof:
    """Proved where no key is lost; pending keys are told and are not lost."""
    evidence: dict[str, object] = {
        name: getattr(found, name) for name in ("rows", "done", "skipped", "dead", "pending", "lost", "at_expand")
    }
    return Proof(
        name="conservation", verdict="proved" if found.proved else "different", said=found.line, evidence=evidence
    )
