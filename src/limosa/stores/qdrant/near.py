"""What is nearest among vectors that were read: for local mode, whose own search changes what it searches."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limosa.model.batch import Vectors
from limosa.model.point import Json, Metric, Point, Scalar
from limosa.model.vectors import normalised
from limosa.stores.qdrant.filters import held
from limosa.stores.qdrant.ids import Id, id_of

__all__ = ["Near"]


@dataclass(frozen=True, slots=True, eq=False)
class Near:
    """Vectors of one name, shape (n, d), and the ids and payloads that they belong to."""

    ids: Sequence[Id]
    vectors: Vectors
    metric: Metric
    payloads: Sequence[Mapping[str, Json]]

    @classmethod
    def of(cls, points: Sequence[Point], name: str, metric: Metric) -> Near:
        """The dense vectors of this name among points."""
        found = [(each, vector) for each in points if _dense(vector := each.vectors.get(name))]
        stacked = np.stack([np.asarray(vector) for _, vector in found]) if found else np.zeros((0, 1), np.float32)
        vectors = normalised(stacked) if metric == "cosine" else stacked
        return cls([id_of(each.key) for each, _ in found], vectors, metric, [each.payload for each, _ in found])

    def nearest(self, vector: Vectors, k: int, where: Mapping[str, Scalar]) -> list[tuple[Id, float]]:
        """At most k ids with Qdrant's score, best first, of points whose fields equal these."""
        if not self.ids:
            return []
        scores = self._scores(vector)
        best = np.argsort(-scores if self.metric in {"cosine", "ip"} else scores, kind="stable")
        # A filter looks at payloads only until k are found.
        kept = itertools.islice((i for i in best if held(self.payloads[i], where)), k)
        return [(self.ids[i], float(scores[i])) for i in kept]

    def _scores(self, vector: Vectors) -> NDArray[np.floating]:
        """Similarities, or distances where the metric is one."""
        if self.metric == "cosine":
            return np.asarray(self.vectors @ normalised(vector[None])[0])
        if self.metric == "ip":
            return np.asarray(self.vectors @ vector)
        apart = self.vectors - vector
        return np.asarray(np.abs(apart).sum(axis=1) if self.metric == "l1" else np.linalg.norm(apart, axis=1))


def _dense(vector: object) -> bool:
    return isinstance(vector, np.ndarray) and vector.ndim == 1
