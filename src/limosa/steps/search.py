"""Search: the rows nearest to a text, in the old and in the new space side by side."""

from __future__ import annotations

from dataclasses import dataclass, replace

from limosa.errors import LimosaError, Refused
from limosa.model.batch import Key, Vectors
from limosa.model.vectors import faults, require_shape
from limosa.ports.search import OldOrNew, Search
from limosa.steps.voyage import Voyage

__all__ = ["Found", "Hit", "open_side", "search", "search_vector"]

SNIPPET = 120
"""Characters of a row's text that are shown: one line of a wide terminal."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One row that was found; similarity: greater is nearer; text: its beginning, on one line."""

    key: Key
    similarity: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one side answered.

    Attributes:
        space: the side's space, for a person.
        hits: best first.
        why: why this side cannot answer; empty where it did.
    """

    side: OldOrNew
    space: str
    hits: tuple[Hit, ...] = ()
    why: str = ""


def search(voyage: Voyage, text: str, *, k: int = 10, exact: bool = False) -> list[Found]:
    """The k rows nearest to a text, the old side first; a side that cannot answer says why.

    Args:
        exact: every row is compared and no index asked.

    Raises:
        Refused: the text is blank, or k is below 1.
    """
    if voyage.migration.carries:
        raise Refused(
            "A split has vectors of many models, a copy of one that the file does not name: none embeds a text.",
            needed="A vector; of a split its length picks the table.",
            do="limosa search FILE --vector query.json",
        )
    if not text.strip() or k < 1:
        raise Refused("There is nothing to search for.", needed="A text, and at least one row to find.")
    if voyage.migration.copy is not None:
        found = search_vector(voyage, _query(voyage, "target", text), k=k, exact=exact)
        return [replace(found, space=voyage.migration.target.space.title)]
    return [_search(voyage, side, text, k, exact) for side in ("old", "new")]


def search_vector(voyage: Voyage, vector: Vectors, *, k: int = 10, exact: bool = False) -> Found:
    """The k rows of a split, or points of a copy, that are nearest to a vector; of a split its length picks the table.

    Args:
        vector: shape (d,), float32.
        exact: every row is compared and no index asked.

    Raises:
        Refused: this is no split and no copy, or none that has begun, or no vector to search with.
    """
    carried = voyage.store.witness(voyage.record().epoch).carried()
    if carried is None:
        raise Refused(
            "There is nothing that is searched by a vector.",
            needed="A table that was split, or a copy to another store.",
            do='limosa search FILE "some text" searches where one model embeds all rows.',
        )
    found = carried.nearest(vector, k, exact=exact)
    hits = tuple(Hit(each.key, each.similarity, "") for each in found.rows)
    return Found(side="new", space=f"{found.table}, by {found.how}", hits=hits)


def open_side(voyage: Voyage, side: OldOrNew) -> Search | str:
    """The vectors of a side under the names that hold now, or why there are none."""
    record = voyage.records.get()
    if voyage.migration.shape == "fill" and side == "old":
        return "a fill keeps its space: the new side is the same column"
    found = voyage.store.witness(record.epoch if record is not None else 0).search(side)
    if found is not None:
        return found
    if side == "new":
        return "the column of the new vectors is not there yet"
    return "the old vectors went with finish"


def _search(voyage: Voyage, side: OldOrNew, text: str, k: int, exact: bool) -> Found:
    end = voyage.migration.source if side == "old" else voyage.migration.target
    found = open_side(voyage, side)
    if isinstance(found, str):
        return Found(side=side, space=end.space.title, why=found)
    try:
        vector = _query(voyage, "source" if side == "old" else "target", text)
    except LimosaError as error:
        return Found(side=side, space=end.space.title, why=error.what)
    near = found.nearest(vector, k, exact=exact)
    texts = {row.key: row.text for row in found.rows([each.key for each in near])}
    hits = tuple(Hit(each.key, each.similarity, _snippet(texts.get(each.key))) for each in near)
    return Found(side=side, space=end.space.title, hits=hits)


def _query(voyage: Voyage, end: str, text: str) -> Vectors:
    """The vector of a query, shape (d,), across the same border as every other vector."""
    embedder = voyage.asking(end)
    vectors = require_shape(embedder.embed([text], "query"), n=1, d=embedder.space.dimensions)
    for why in faults(vectors).values():
        raise Refused(f"The query has no vector: {why}.")
    vector: Vectors = vectors[0]
    return vector


def _snippet(text: str | None) -> str:
    line = " ".join((text or "").split())
    return line if len(line) <= SNIPPET else line[: SNIPPET - 1] + "…"
