"""Pairs above a threshold: the blockwise search finds exactly what comparing every pair finds."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limosa.model.batch import Key, Vectors
from limosa.steps import duplicates
from limosa.steps.duplicates import Pair, Read, closest_pairs


def reader(vectors: Vectors) -> Read:
    keys: list[Key] = [(f"{i:04d}",) for i in range(len(vectors))]

    def read(after: Key | None, limit: int) -> tuple[list[Key], Vectors]:
        start = 0 if after is None else keys.index(after) + 1
        return keys[start : start + limit], vectors[start : start + limit]

    return read


def every_pair(vectors: Vectors, threshold: float) -> list[Pair]:
    exact = vectors.astype(np.float64)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    pairs = [
        Pair(float(exact[i] @ exact[j]), (f"{i:04d}",), (f"{j:04d}",)) for i, j in combinations(range(len(exact)), 2)
    ]
    return sorted((pair for pair in pairs if pair.similarity > threshold), reverse=True)


@given(n=st.integers(0, 60), limit=st.integers(1, 400), blocks=st.integers(1, 5), seed=st.integers(0, 10_000))
def test_blocks_of_every_size_find_the_same_pairs(n: int, limit: int, blocks: int, seed: int) -> None:
    # Small whole numbers: a similarity is one of few values, none of them near the threshold.
    vectors = np.random.default_rng(seed).integers(-2, 3, size=(n, 4)).astype(np.float32)
    vectors[:, 0] += 3
    threshold = 0.712345
    with pytest.MonkeyPatch.context() as patch:
        # Small bounds, so that few rows make many blocks and tiles.
        patch.setattr(duplicates, "HELD_BYTES", 16 * 7 * blocks)
        patch.setattr(duplicates, "READ_BYTES", 16 * 3 * blocks)
        patch.setattr(duplicates, "TILE_BYTES", 4 * 20 * blocks)
        pairs, total = closest_pairs(reader(vectors), dimensions=4, threshold=threshold, limit=limit)
    wanted = every_pair(vectors, threshold)
    assert total == len(wanted)
    if limit >= total:
        assert {(pair.a, pair.b) for pair in pairs} == {(pair.a, pair.b) for pair in wanted}
    assert np.allclose([pair.similarity for pair in pairs], [pair.similarity for pair in wanted[:limit]], atol=1e-5)


def test_length_does_not_matter_and_a_zero_vector_is_in_no_pair() -> None:
    vectors = np.array([[3, 0], [0, 0], [5, 0], [0, 0]], dtype=np.float32)
    pairs, total = closest_pairs(reader(vectors), dimensions=2, threshold=0.5, limit=10)
    assert [(pair.a, pair.b) for pair in pairs] == [(("0000",), ("0002",))]
    assert total == 1
