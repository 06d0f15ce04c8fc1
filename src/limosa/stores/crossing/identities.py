"""Ids that would be made, looked at before any is: points that would share one, and points that can have none."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from limosa.model.identity import Identity, Unnamed
from limosa.model.plan import Check
from limosa.model.point import Point
from limosa.ports.collection import Collection

__all__ = ["identity_checks"]

PAGE_ROWS = 1000
"""Points that are read at once."""

TOLD = 3
"""So many examples are told."""


def identity_checks(source: Collection, identity: Identity) -> list[Check]:
    """Reads every point once, and again those that would share an id; keeps eight bytes of each."""
    halves: list[np.ndarray[tuple[int], np.dtype[np.uint64]]] = []
    without: list[str] = []
    missing = 0
    for page in _pages(source):
        made = []
        for each in page:
            try:
                made.append(identity.made(each).int >> 64)
            except Unnamed as error:
                missing += 1
                without += [f"{each.key[0]} lacks {error}"] if len(without) < TOLD else []
        halves.append(np.asarray(made, dtype=np.uint64))
    found = []
    if missing:
        said = f"{missing:,} points lack a field that their id is made of, and would be dead ({'; '.join(without)})."
        found.append(Check(name="ids", verdict="note", said=said))
    values, counts = np.unique(np.concatenate(halves) if halves else np.zeros(0, np.uint64), return_counts=True)
    if (counts > 1).any():
        shared = _shared(source, identity, frozenset(values[counts > 1].tolist()))
        if shared:
            found.append(_check(shared))
    return found


def _pages(source: Collection) -> Iterator[list[Point]]:
    after = None
    while page := source.read(after, PAGE_ROWS):
        yield page
        after = page[-1].key


def _shared(source: Collection, identity: Identity, halves: frozenset[int]) -> list[list[str]]:
    """Ids of points that would share one, by what they would share."""
    groups: dict[int, list[str]] = {}
    for page in _pages(source):
        for each in page:
            try:
                made = identity.made(each).int
            except Unnamed:
                continue
            if made >> 64 in halves:
                groups.setdefault(made, []).append(each.key[0])
    return [keys for keys in groups.values() if len(keys) > 1]


def _check(shared: list[list[str]]) -> Check:
    points = sum(len(keys) - 1 for keys in shared)
    listed = "; ".join(" and ".join(keys[:TOLD]) for keys in shared[:TOLD])
    said = f"{len(shared):,} ids would be shared ({listed}): {points:,} points would be dead, and overwrite nothing."
    return Check(name="ids", verdict="note", said=said)
