"""The settings of a vector as Qdrant's JSON says them, in limosa's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from limosa.model.point import Metric, VectorSpec

__all__ = ["DISTANCES", "EF_CONSTRUCT", "M", "spec"]

DISTANCES: Mapping[Metric, str] = {"cosine": "Cosine", "l2": "Euclid", "ip": "Dot", "l1": "Manhattan"}
"""Qdrant's name of each metric."""

M = 16
EF_CONSTRUCT = 100
"""What a graph has where nothing else is said. Source: Qdrant's documentation, "Configuration", hnsw_index."""


def spec(name: str, given: Mapping[str, Any] | None, graph: Mapping[str, Any]) -> VectorSpec:
    """One vector.

    Args:
        given: its settings; None for a sparse one.
        graph: the collection's own HNSW settings; those of the vector go before them.
    """
    if given is None:
        return VectorSpec(name=name, kind="sparse", metric="ip")
    distance = str(given["distance"]).lower()
    metric = next(each for each, told in DISTANCES.items() if told.lower() == distance)
    own = given.get("hnsw_config") or {}
    return VectorSpec(
        name=name,
        kind="multi" if given.get("multivector_config") else "dense",
        dimensions=int(given["size"]),
        metric=metric,
        # Vectors of this distance are kept at length 1 (Qdrant's documentation, "Collections"). Local mode tells those
        # so that it was just given, and as they were given once it is opened again (seen with qdrant-client 1.20).
        unit=metric == "cosine",
        m=own.get("m") or graph.get("m") or M,
        ef_construction=own.get("ef_construct") or graph.get("ef_construct") or EF_CONSTRUCT,
    )
