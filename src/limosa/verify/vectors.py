"""Vectors: every stored vector is finite, of the space's size, and not zero."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import pairwise
from operator import add

from limosa.model.batch import Key
from limosa.model.proof import Proof
from limosa.ports.evidence import Evidence, Measured
from limosa.ports.tx import Begin
from limosa.verify.conservation import RANGE_CHUNKS

__all__ = ["measure", "prove_vectors"]


def measure(evidence: Evidence, begin: Begin, edges: Sequence[Key]) -> Measured:
    """Every vector of the column, each range in one snapshot, so that no snapshot lives long.

    Args:
        edges: upper edges of the chunks, in order; the ranges cover the whole key space.
    """
    bounds: list[Key | None] = [None, *edges[RANGE_CHUNKS - 1 :: RANGE_CHUNKS], None]
    parts: list[Measured] = []
    for after, upper in pairwise(bounds):
        with begin(snapshot=True) as tx:
            parts.append(evidence.measure(after, upper, tx))
    return reduce(add, parts)


def prove_vectors(found: Measured, *, dimensions: int) -> Proof:
    """Different where a single vector is one that no search can use; the store itself may refuse some kinds."""
    evidence: dict[str, object] = {
        "vectors": found.vectors,
        "dimensions": dimensions,
        "wrong_size": found.wrong_size,
        "not_finite": found.not_finite,
        "zero": found.zero,
        "examples": [list(key) for key in found.examples],
    }
    if not found.bad:
        said = f"{found.vectors:,} vectors are finite, of {dimensions} dimensions and not zero"
        return Proof(name="vectors", verdict="proved", said=said, evidence=evidence)
    kinds = {"of another size": found.wrong_size, "not finite": found.not_finite, "zero": found.zero}
    listed = ", ".join(f"{count:,} {kind}" for kind, count in kinds.items() if count)
    keys = ", ".join("/".join(key) for key in found.examples)
    return Proof(
        name="vectors",
        verdict="different",
        said=f"{found.bad:,} of {found.vectors:,} vectors cannot be used: {listed} (for example {keys})",
        evidence=evidence,
    )
