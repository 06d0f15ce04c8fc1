"""A point: what a vector store keeps under one id, and what a collection of points is like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from limosa.model.batch import Key, Vectors

__all__ = [
    "Collected",
    "Holds",
    "IdKind",
    "Json",
    "Metric",
    "Point",
    "PointVector",
    "Scalar",
    "Sparse",
    "VectorKind",
    "VectorSpec",
]

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
"""A value of a payload."""

Scalar: TypeAlias = bool | int | str
"""A value that searches are filtered by; whole numbers of 64 bits. A number is no truth value, and no text."""

Metric = Literal["cosine", "l2", "ip", "l1"]

VectorKind = Literal["dense", "sparse", "multi"]
"""One vector; few values at positions of very many; or several vectors of one length, shape (m, d)."""

IdKind = Literal["uint63", "uint64", "uuid", "mixed", "text"]
"""What each id of a collection is: a whole number below 2^63, one below 2^64, a UUID, one of these two, or any text."""


@dataclass(frozen=True, slots=True, eq=False)
class Sparse:
    """A sparse vector: positions in ascending order, shape (s,) uint32, and their values, shape (s,) float32."""

    positions: NDArray[np.uint32]
    values: Vectors


PointVector = Vectors | Sparse
"""Dense: shape (d,); multi: shape (m, d); float32."""


_NONE: Mapping[str, Any] = MappingProxyType({})
"""One for all points without: there are many when keys alone are read."""


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """One point as it was read.

    Attributes:
        key: its id as text; a store that knows several kinds of ids writes each so that it is told apart.
        vectors: by name, the one without a name under ``""``; a point may lack any of them.
        payload: left out, as the vectors, where only the key was asked for.
    """

    key: Key
    vectors: Mapping[str, PointVector] = field(default_factory=lambda: _NONE)
    payload: Mapping[str, Json] = field(default_factory=lambda: _NONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorSpec:
    """One vector of a collection.

    Attributes:
        name: empty for the one without a name.
        dimensions: None where the store fixes none, as for sparse vectors.
        unit: the store keeps every vector at the length 1, whatever it was given.
        m, ef_construction: of its HNSW graph; None where the store does not say.
        space: what made it, by the names of a Space's fields; None where nobody says.
    """

    name: str
    kind: VectorKind = "dense"
    dimensions: int | None = None
    metric: Metric = "cosine"
    unit: bool = False
    m: int | None = None
    ef_construction: int | None = None
    space: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What a collection says of itself.

    Attributes:
        points: how many there are now.
        vectors: by name.
        ids: the first of the kinds that all ids are of now; for a collection without points any kind that it can hold.
        indexed: payload fields with an index, and the kind that the store gives it, such as ``keyword``.
        fields: payload fields that every point may have, and their types in SQL; empty where the store knows none.
    """

    points: int
    ids: IdKind
    vectors: Mapping[str, VectorSpec]
    indexed: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holds:
    """What a store can keep, as data: plan refuses by name what it cannot.

    Payloads are no part of it: every store keeps any JSON, whatever it makes of it inside, and tells it as it was.

    Attributes:
        several: points may have more than one vector, each with a name.
        bare: points may be without a vector.
        dimensions: at most so many; None where nothing is known of a bound.
        searched: applications search it; what is only kept there is not asked for neighbours to prove anything.
        filters: a pattern; names of payload fields that it matches as a whole can be filtered by in a search. Dots lead
            into nested ones; empty for none.
    """

    ids: frozenset[IdKind]
    kinds: frozenset[VectorKind]
    metrics: frozenset[Metric]
    several: bool
    bare: bool
    dimensions: int | None = None
    searched: bool = True
    filters: str = ".+"
