"""A place: where vectors live and where the text they stand for comes from."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Place", "Text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Where the text of a row comes from: exactly one of the three is set.

    Attributes:
        columns: their non-null values are joined by a blank line.
        template: ``{column}`` is replaced by the column's value; a row whose columns are all
            NULL has no text.
        query: a SELECT that gives the key columns by name and a column ``text``.
    """

    columns: tuple[str, ...] = ()
    template: str | None = None
    query: str | None = None

    @property
    def recipe(self) -> str:
        """One line that identifies how texts are made; part of the space's fingerprint."""
        if self.query is not None:
            return f"query:{self.query}"
        if self.template is not None:
            return f"template:{self.template}"
        return "columns:" + "\x1f".join(self.columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where vectors live.

    Attributes:
        store: a URL, ``embedded``, or a reference such as ``env:DATABASE_URL``.
        table: name as the store writes it; Postgres: optionally ``schema.table``, quoted or not.
        key: the columns that identify a row, in the order of the unique index.
        text: where texts come from.
        vector: the column that holds the vector.
        vector_table: the table beside ``table``, with the same key, that has this column; None where ``table`` has it.
        where: a filter in the store's language; None for every row.
    """

    store: str
    table: str
    key: tuple[str, ...]
    text: Text
    vector: str
    where: str | None = None
    vector_table: str | None = field(default=None, repr=False)
