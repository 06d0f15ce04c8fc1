"""Duplicates: pairs of rows that lie nearer than a threshold, found by comparing every pair."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from limosa.errors import Refused
from limosa.model.batch import Key, Vectors
from limosa.model.vectors import normalised
from limosa.ports.search import OldOrNew, Search
from limosa.steps.search import open_side
from limosa.steps.voyage import Voyage

__all__ = ["Duplicates", "Pair", "closest_pairs", "duplicates"]

MOST_ROWS = 100_000
"""Twice the rows take four times as long; these take minutes at 1536 dimensions on two cores."""

HELD_BYTES = 24 * 2**20
READ_BYTES = 4 * 2**20
TILE_BYTES = 8 * 2**20
"""Vectors held, vectors read beside them, and similarities at once; with the copies that reading makes, about 64 MB."""

Read = Callable[[Key | None, int], tuple[list[Key], Vectors]]
"""The next at most n vectors after a key, in key order; an empty list at the end."""


@dataclass(frozen=True, slots=True, order=True)
class Pair:
    """Two rows and their cosine similarity; a stands before b in key order."""

    similarity: float
    a: Key
    b: Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicates:
    """Pairs of one side that are more similar than a threshold.

    Attributes:
        pairs: most similar first, at most as many as were asked for; total: how many there are.
        rows: vectors that were compared.
        why: why this side cannot answer; empty where it did.
    """

    side: OldOrNew
    space: str
    pairs: tuple[Pair, ...] = ()
    total: int = 0
    rows: int = 0
    why: str = ""


def duplicates(voyage: Voyage, *, threshold: float, limit: int = 1000) -> list[Duplicates]:
    """Pairs of rows whose cosine similarity is above a threshold, the old side first.

    Exact: every pair is compared, blockwise; client memory does not grow with the rows.

    Raises:
        Refused: the threshold is no cosine, or this is a split, or there are too many rows to compare all pairs.
    """
    if voyage.migration.carries or voyage.migration.copy is not None:
        raise Refused(
            "The vectors of a split or a copy are not compared with each other.",
            needed="A migration in which one model embeds the rows of one table.",
        )
    if not -1.0 <= threshold <= 1.0 or limit < 1:
        raise Refused(
            f"{threshold:g} and {limit} are not a threshold and a number of pairs.",
            needed="A cosine from -1 to 1, such as 0.9, and at least one pair.",
        )
    return [_duplicates(voyage, side, threshold, limit) for side in ("old", "new")]


def _duplicates(voyage: Voyage, side: OldOrNew, threshold: float, limit: int) -> Duplicates:
    space = (voyage.migration.source if side == "old" else voyage.migration.target).space
    found: Search | str = open_side(voyage, side)
    if isinstance(found, str):
        return Duplicates(side=side, space=space.title, why=found)
    rows = found.count()
    if rows > MOST_ROWS:
        raise Refused(
            f"{rows:,} rows hold a vector; every pair of them would be compared.",
            needed=f"At most {MOST_ROWS:,} rows.",
            do="Narrow them with where in [source], in a file of its own.",
        )
    pairs, total = closest_pairs(found.vectors, dimensions=space.dimensions, threshold=threshold, limit=limit)
    return Duplicates(side=side, space=space.title, pairs=tuple(pairs), total=total, rows=rows)


def closest_pairs(read: Read, *, dimensions: int, threshold: float, limit: int) -> tuple[list[Pair], int]:
    """The most similar pairs, best first, and how many lie above the threshold.

    A block is held and everything that stands after it in key order is read past it once. Vectors
    are float32: a similarity is known to about 1e-6. Zero vectors are in no pair.
    """
    held_rows = max(1, HELD_BYTES // (4 * dimensions))
    read_rows = max(1, min(held_rows, READ_BYTES // (4 * dimensions)))
    best: list[Pair] = []
    total = 0
    cursor: Key | None = None
    while True:
        keys, vectors = _hold(read, cursor, held_rows, read_rows)
        if not keys:
            return sorted(best, key=lambda pair: (-pair.similarity, pair.a, pair.b)), total
        cursor = keys[-1]
        total += _compare(keys, vectors, keys, vectors, _Most(best, threshold, limit))
        for others, block in _blocks(read, cursor, read_rows):
            total += _compare(keys, vectors, others, block, _Most(best, threshold, limit))


@dataclass(frozen=True, slots=True)
class _Most:
    """The heap of the best pairs, least similar first, and what it takes to enter it."""

    best: list[Pair]
    threshold: float
    limit: int

    def floor(self) -> float:
        """A pair at or below this similarity need not be looked at."""
        full = len(self.best) == self.limit
        return max(self.threshold, self.best[0].similarity) if full else self.threshold

    def add(self, pair: Pair) -> None:
        """Takes a pair in, and the least similar out where there are too many."""
        if len(self.best) < self.limit:
            heapq.heappush(self.best, pair)
        else:
            heapq.heappushpop(self.best, pair)


def _blocks(read: Read, after: Key | None, rows: int) -> Iterator[tuple[list[Key], Vectors]]:
    """Everything after a key, normalised, block by block."""
    while True:
        keys, vectors = read(after, rows)
        if not keys:
            return
        after = keys[-1]
        yield keys, normalised(vectors)


def _hold(read: Read, after: Key | None, held_rows: int, read_rows: int) -> tuple[list[Key], Vectors]:
    """The next block to hold, read in smaller ones: reading copies what it reads several times."""
    keys: list[Key] = []
    parts: list[Vectors] = []
    while len(keys) < held_rows:
        more, vectors = read(keys[-1] if keys else after, min(read_rows, held_rows - len(keys)))
        if not more:
            break
        keys += more
        parts.append(normalised(vectors))
    return keys, np.concatenate(parts) if parts else np.zeros((0, 0), dtype=np.float32)


def _compare(keys: list[Key], held: Vectors, others: list[Key], block: Vectors, most: _Most) -> int:
    """How many pairs of a held and another vector lie above the threshold; the best of them enter the heap.

    A block that is compared with itself gives each pair once.
    """
    tile = max(1, TILE_BYTES // (4 * len(keys)))
    total = 0
    for start in range(0, len(others), tile):
        near = held @ block[start : start + tile].T
        if keys is others:
            places = np.arange(start, start + near.shape[1])
            near[np.arange(len(keys))[:, None] >= places[None, :]] = -np.inf
        total += int(np.count_nonzero(near > most.threshold))
        flat = near.ravel()
        chosen = np.flatnonzero(flat > most.floor())
        if len(chosen) > most.limit:
            chosen = chosen[np.argpartition(flat[chosen], -most.limit)[-most.limit :]]
        for place in chosen:
            i, j = divmod(int(place), near.shape[1])
            most.add(Pair(float(flat[place]), keys[i], others[start + j]))
    return total
