"""Counting a table before anything is touched: rows by what they hold, sizes of vectors, a sample of texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from limosa.errors import Refused
from limosa.model.batch import Vectors
from limosa.model.plan import Check
from limosa.ports.store import Longest
from limosa.stores.postgres.codec import decoded
from limosa.stores.postgres.database import Database, PostgresTx
from limosa.stores.postgres.names import quoted
from limosa.stores.postgres.rows import TEXTS, text_join
from limosa.stores.postgres.scope import Scope
from limosa.stores.postgres.seat import Seat, Seated

__all__ = ["SAMPLE", "Counts", "count_rows", "longest_texts", "sample", "query_checks", "vector_sizes"]

SAMPLE = 200
"""Texts that are read for tokens and probe calls: their mean length is known to within a few percent."""

_LARGE = 200_000
"""From so many rows on a sample is drawn from some of the table's pages: sorting the rest would cost a second pass."""

_LONGEST = 50
"""Of the longest texts so many are looked at: enough to say that there are many."""

_BEGINNING = 50_000
"""Characters of each of them that are read: more than any embedding model takes."""

_COUNTED = ("rows", "with_vector", "without_vector", "without_text", "outside", "with_target", "to_embed")


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows by what they hold, and what their texts come to.

    Attributes:
        rows: by name, as ``Facts.counts`` explains them.
        characters: all texts that are still to be embedded, together.
        repeated: keys for which the text query answers more than one row.
    """

    rows: dict[str, int]
    characters: int
    repeated: int


def count_rows(tx: PostgresTx, scope: Scope, *, old: Seat, new: Seat | None) -> Counts:
    """One pass over the table.

    Args:
        old, new: where the two spaces stand now; None for one that is not there yet.
    """
    text, kept = scope.text_of("t"), f"coalesce({scope.where()}, false)"
    vector, target = old.held, new.held if new is not None else "false"
    wanted = f"{kept} AND NOT {target} AND {_spoken(text)}"
    conditions = (
        kept,
        f"{kept} AND {vector}",
        f"{kept} AND NOT ({vector})",
        f"{kept} AND NOT {_spoken(text)}",
        f"NOT {kept} AND {vector}",
        f"{kept} AND {target}",
        wanted,
    )
    # Eight bytes a row are sorted for it, whatever the texts' lengths.
    distinct = f"count(DISTINCT hashtextextended({text}, 0)) FILTER (WHERE {wanted})"
    repeated = f"{TEXTS}.limosa_rows > 1" if scope.text.query is not None else "false"
    listed = ", ".join(f"count(*) FILTER (WHERE {condition})" for condition in (*conditions, repeated))
    found = tx.raw(
        f"SELECT {listed}, {distinct}, coalesce(sum(length({text})) FILTER (WHERE {wanted}), 0)"
        f" FROM {scope.relation.sql} AS t{_joined(old, new)}{_texts_by_key(scope)}"
    )[0]
    *numbers, repeats, texts, characters = (int(value) for value in found)
    rows = dict(zip(_COUNTED, numbers, strict=True))
    return Counts(rows | {"repeated_texts": rows["to_embed"] - texts}, characters, repeats)


def _joined(*seats: Seat | None) -> str:
    return "".join(dict.fromkeys(seat.joined() for seat in seats if seat is not None))


def longest_texts(tx: PostgresTx, scope: Scope, *, new: Seat | None) -> tuple[Longest, ...]:
    """The longest texts that are still to be embedded; their sizes are read without unpacking them."""
    text = scope.text_of("t")
    target = f" AND {new.missing}" if new is not None else ""
    found = tx.raw(
        f"SELECT {scope.key_array('t')}, left({text}, {_BEGINNING}), octet_length({text})"
        f" FROM {scope.relation.sql} AS t{_joined(new)}{text_join(scope)}"
        f" WHERE {scope.where()}{target} AND {_spoken(text)}"
        f" ORDER BY octet_length({text}) DESC LIMIT {_LONGEST}"
    )
    return tuple(Longest(tuple(key), str(beginning), int(size)) for key, beginning, size in found)


def _spoken(text: str) -> str:
    """The text holds something beside white space; never NULL."""
    return rf"coalesce({text} ~ '\S', false)"


def _texts_by_key(scope: Scope) -> str:
    """The user's query collapsed to a row a key, so that it is run once and joined once."""
    if scope.text.query is None:
        return ""
    keys = ", ".join(f"q.{quoted(column.name)}" for column in scope.key)
    same = " AND ".join(f"{TEXTS}.{quoted(c.name)} = t.{quoted(c.name)}" for c in scope.key)
    body = scope.text.query.rstrip().rstrip(";")
    return (
        f' LEFT JOIN (SELECT {keys}, min(q."text"::text) AS "text", count(*) AS limosa_rows'
        f" FROM ({body}) AS q GROUP BY {keys}) AS {TEXTS} ON {same}"
    )


def vector_sizes(tx: PostgresTx, scope: Scope) -> dict[int, int]:
    """Dimensions to how many values have them; one pass over the column."""
    seat = scope.old(0)
    rows = tx.raw(
        f"SELECT {quoted(scope.extension_schema)}.vector_dims(t.{quoted(seat.column)}), count(*)"
        f" FROM {seat.relation.sql} AS t WHERE t.{quoted(seat.column)} IS NOT NULL GROUP BY 1"
    )
    return {int(d): int(count) for d, count in rows}


def query_checks(database: Database, scope: Scope) -> list[Check]:
    """Whether the text query runs, and answers the key columns and ``text``; asks for no row."""
    if scope.text.query is None:
        return []
    names = ", ".join(column.name for column in scope.key)
    try:
        with database.begin(snapshot=True) as tx:
            tx.raw(f"SELECT {scope.text_of('t')} FROM {scope.relation.sql} AS t{_texts_by_key(scope)} LIMIT 0")
    except Refused as error:
        return [
            Check(
                name="text-query",
                verdict="refused",
                said=f"The text query cannot be used: {error.what}",
                needed=f"A SELECT that this role may run and that gives the key ({names}) and a column text.",
                do="Run it with psql until it does; then plan again.",
            )
        ]
    said = (
        "Text comes from a query: a change in a table that it joins is not followed, only changes of this table's rows."
    )
    do = "After a change there change the row itself too, for example its updated_at."
    return [Check(name="text-query", verdict="note", said=said, do=do)]


def sample(
    tx: PostgresTx, scope: Scope, *, rows: int, stored: Seated | None = None, limit: int = SAMPLE
) -> tuple[Sequence[str], Vectors | None]:
    """Some texts of rows in the filter, the same at every call on an unchanged table.

    Args:
        rows: about how many rows the table has.
        stored: a vector column; then only rows that have one, and their vectors come along.

    Returns:
        The texts, and the vectors of shape (n, d) in their order, or None where none were asked for.
    """
    text = scope.text_of("t")
    kept = [scope.where()]
    if scope.text.query is None:
        kept.append(_spoken(text))
    if stored is not None:
        kept.append(stored.seat.held)
    pages = f" TABLESAMPLE SYSTEM ({100 * _LARGE / rows:.4f}) REPEATABLE (1)" if rows > _LARGE else ""
    value = f", {stored.seat.value} AS limosa_stored" if stored is not None else ""
    beside = _joined(stored.seat if stored is not None else None)
    # By a hash of the key: neither the first rows nor others at every call. Twice as many, as a query may have no text.
    chosen = (
        f"SELECT t.*{value} FROM {scope.relation.sql} AS t{pages}{beside} WHERE {' AND '.join(kept)}"
        f" ORDER BY hashtextextended({scope.key_array('t')}::text, 0) LIMIT {2 * limit}"
    )
    vector = ", t.limosa_stored" if stored is not None else ""
    found: list[tuple[Any, ...]] = tx.raw(
        f"SELECT {text}{vector} FROM ({chosen}) AS t{text_join(scope)} WHERE {_spoken(text)} LIMIT {limit}", binary=True
    )
    texts = tuple(str(row[0]) for row in found)
    if stored is None:
        return texts, None
    return texts, decoded([bytes(row[1]) for row in found], half=stored.base == "halfvec")
