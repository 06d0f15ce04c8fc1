"""What made the vectors: said by the file, or by a folder that keeps it, and taken along where a store keeps it too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace

import numpy as np

from limosa.model.batch import Vectors
from limosa.model.place import Text
from limosa.model.plan import Check
from limosa.model.point import Json, Point, VectorSpec
from limosa.model.space import Space
from limosa.stores.crossing.points import text_of

__all__ = ["made_by", "one_vector", "space_checks", "stored_vectors", "words_of"]

STORED = 32
"""Stored vectors that are compared with what the old model answers now."""

_HOW = frozenset({"template", "oversize"})
"""Words of a space that a file says of its texts: of vectors that are carried nobody knows them."""


def words_of(space: Space) -> dict[str, Json]:
    """The space's fields that are not empty."""
    return {name: value for name, value in asdict(space).items() if value}


def made_by(vectors: Mapping[str, VectorSpec], space: Space | None) -> dict[str, VectorSpec]:
    """The vectors with the space that the file names, where they are of its length and do not know a space already."""
    return {
        name: replace(each, space=_stated(space)) if space is not None and _is_of(each, space) else each
        for name, each in vectors.items()
    }


def space_checks(vectors: Mapping[str, VectorSpec], space: Space | None, title: str) -> Iterator[Check]:
    """What is known of the vectors' space, and where the file and the source say two things.

    Args:
        vectors: as the source tells them.
        title: the source's.
    """
    known = {name: each.space for name, each in vectors.items() if each.space}
    for name, words in known.items():
        said = f"{f'The vectors {name!r}' if name else 'The vectors'} of {title} are of {_title(words)}"
        wrong = [key for key, value in (_stated(space) if space else {}).items() if words.get(key) != value]
        if wrong and len(vectors) == 1:
            told = ", ".join(f"{key} {words.get(key, 'none')!r}" for key in wrong)
            yield _refused(
                f"{said}, with {told}, and [source.space] says another.", "One space, the one that made them."
            )
        else:
            yield Check(name="space", verdict="note", said=f"{said}.")
    if space is not None and not known and any(_is_of(each, space) for each in vectors.values()):
        yield Check(name="space", verdict="note", said=f"The vectors are of {space.title}, as [source.space] says.")
    elif space is not None and not known:
        lengths = ", ".join(sorted({str(each.dimensions) for each in vectors.values() if each.kind == "dense"}))
        said = f"[source.space] has {space.dimensions} dimensions, and {title} has vectors of {lengths or 'none'}."
        yield _refused(said, "The space of vectors that are there.")


def one_vector(vectors: Mapping[str, VectorSpec], title: str) -> Iterator[Check]:
    """Points that flow back get one vector: the old store has no other."""
    dense = [name for name, each in vectors.items() if each.kind == "dense"]
    if len(vectors) != 1 or not dense:
        named = ", ".join(map(repr, vectors)) or "none"
        said = f"Of a text [source.space] makes one vector, and points of {title} have these: {named}."
        yield _refused(said, "One dense vector, the one that the old model made.")


def stored_vectors(sample: Sequence[Point], text: Text) -> list[tuple[str, Vectors]]:
    """Texts with the vectors that are said to be of the old model; all of the first one's length."""
    found: list[tuple[str, Vectors]] = []
    for each in sample:
        told, vector = text_of(each, text), next(iter(each.vectors.values()), None)
        if told and isinstance(vector, np.ndarray) and (not found or vector.shape == found[0][1].shape):
            found.append((told, vector))
    return found[:STORED]


def _stated(space: Space) -> dict[str, Json]:
    return {name: value for name, value in words_of(space).items() if name not in _HOW}


def _is_of(each: VectorSpec, space: Space) -> bool:
    return each.kind == "dense" and each.dimensions in {None, space.dimensions} and not each.space


def _title(words: Mapping[str, Json]) -> str:
    return f"{words.get('provider')}/{words.get('model')} ({words.get('dimensions')})"


def _refused(said: str, needed: str) -> Check:
    return Check(
        name="space", verdict="refused", said=said, needed=needed, do="Correct [source.space], or leave it out."
    )
