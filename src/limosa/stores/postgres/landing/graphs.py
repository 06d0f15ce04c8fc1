"""The index that a vector gets: over the vector itself, or over its half-precision form where it is too long."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from limosa.model.batch import Vectors
from limosa.model.migration import Index
from limosa.model.plan import Check
from limosa.model.point import Collected, Point, VectorSpec
from limosa.stores.postgres.checks import WITH_HALFVEC, version_of
from limosa.stores.postgres.indexes import MAX_DIMENSIONS, index_bytes
from limosa.stores.postgres.landing.site import Site

__all__ = ["graph_bytes", "graph_checks", "graph_of"]


def graph_of(spec: VectorSpec, index: Index | None) -> Index:
    """The index that the file asks for, else the graph that the source has; over halfvec where vector is too short."""
    usual = Index()
    graph = index or Index(
        metric=spec.metric, m=spec.m or usual.m, ef_construction=spec.ef_construction or usual.ef_construction
    )
    return replace(graph, type="halfvec") if (spec.dimensions or 0) > MAX_DIMENSIONS["vector"] else graph


def graph_bytes(rows: int, dimensions: int, graph: Index) -> int:
    """Size of such an index on disk."""
    return index_bytes(rows, dimensions, base=graph.type)


def graph_checks(site: Site, collected: Collected, sample: Sequence[Point], index: Index | None) -> Iterator[Check]:
    """What an index of pgvector's takes, and what is told of one over halfvec."""
    for name, column in site.form.vectors if site.build else ():
        spec = collected.vectors.get(name)
        if spec is None or spec.kind != "dense":
            continue
        graph = graph_of(spec, index)
        if (spec.dimensions or 0) > MAX_DIMENSIONS["halfvec"]:
            yield _refused(
                f"{column} would have {spec.dimensions:,} dimensions.",
                f"At most {MAX_DIMENSIONS['halfvec']:,} for an index.",
                "Set index = false in [target]; every search compares every row then.",
            )
        elif graph.type == "halfvec":
            yield from _halved(site, column, spec, _outgrown(sample, name))


def _halved(site: Site, column: str, spec: VectorSpec, outgrown: int) -> Iterator[Check]:
    """What an index over halfvec asks for, and what it is.

    Args:
        outgrown: how many sampled vectors it could not take.
    """
    if version_of(site.server.extension) < WITH_HALFVEC:
        yield _refused(
            f"The index on {column} is one over halfvec, and the extension vector is {site.server.extension}.",
            "0.7 or newer, for the type halfvec.",
            "Install a newer pgvector on the server, then ALTER EXTENSION vector UPDATE; or set index = false.",
        )
    if outgrown:
        yield _refused(
            f"{outgrown:,} sampled vectors of {column} are beyond half precision, over which its index is to be.",
            "Values up to 65,504, in a vector that half precision does not make all zeros.",
            "Set index = false in [target]; every search compares every row then.",
        )
    asked = f"The index on {column} is made over its values as halfvec({spec.dimensions})"
    long = (spec.dimensions or 0) > MAX_DIMENSIONS["vector"]
    why = f", as one over vector takes {MAX_DIMENSIONS['vector']:,} dimensions" if long else ""
    said = f"{asked}{why}; the column itself keeps every bit, and a search has to name the same expression."
    yield Check(name="index", verdict="note", said=said)


def _outgrown(sample: Sequence[Point], name: str) -> int:
    """How many vectors halfvec has no numbers for: too large, or so small that nothing is left of them."""
    return sum(
        isinstance(vector, np.ndarray) and vector.ndim == 1 and not _fits(vector)
        for vector in (each.vectors.get(name) for each in sample)
    )


def _fits(vector: Vectors) -> bool:
    with np.errstate(over="ignore", under="ignore"):
        half = vector.astype(np.float16)
    return not np.isinf(half).any() and bool(half.any() or not vector.any())


def _refused(said: str, needed: str, do: str) -> Check:
    return Check(name="index", verdict="refused", said=said, needed=needed, do=do)
