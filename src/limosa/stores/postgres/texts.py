"""The text of a row as an SQL expression, so that the server puts it together."""

from __future__ import annotations

from string import Formatter

from limosa.model.place import Text
from limosa.stores.postgres.names import literal, quoted

__all__ = ["text_columns", "text_expression"]


def text_columns(text: Text) -> tuple[str, ...]:
    """The table's columns that a text is made of, each once; empty for a query."""
    if text.template is not None:
        return tuple(dict.fromkeys(name for _, name, _, _ in Formatter().parse(text.template) if name))
    return text.columns


def text_expression(text: Text, alias: str) -> str:
    """An expression of type text over the table's alias; NULL where every column of it is NULL.

    Columns are joined by a blank line, NULLs left out; a template puts '' for a NULL.
    """
    if text.query is not None:
        return f'{quoted("limosa text")}."text"::text'
    columns = [f"{alias}.{quoted(name)}" for name in text_columns(text)]
    missing = " AND ".join(f"{column} IS NULL" for column in columns)
    if text.template is None:
        if len(columns) == 1:
            return f"{columns[0]}::text"
        body = "concat_ws(E'\\n\\n', " + ", ".join(f"{column}::text" for column in columns) + ")"
    else:
        parts: list[str] = []
        for fixed, name, _, _ in Formatter().parse(text.template):
            if fixed:
                parts.append(literal(fixed))
            if name:
                parts.append(f"coalesce({alias}.{quoted(name)}::text, '')")
        body = " || ".join(parts)
    return f"CASE WHEN {missing} THEN NULL ELSE {body} END"
