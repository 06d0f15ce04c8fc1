"""What a table holds, without reading it: from the server's own statistics, and from a bounded sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from limosa.ports.named import named_sql
from limosa.stores.postgres.database import PostgresTx
from limosa.stores.postgres.discovery.bounds import Asker
from limosa.stores.postgres.discovery.columns import VectorColumn
from limosa.stores.postgres.names import quoted

__all__ = ["Holdings", "array_sizes", "holdings"]

_SQL = named_sql("limosa.stores.postgres", "discovery")

SAMPLE = 1000
"""Rows of a sample: a share of one in a hundred is seen, and 1536 dimensions are six megabytes, read by the server."""

COUNTED = 100_000
"""Rows up to which a table is counted: a tenth of a second, and the catalogue's estimate may be hours old."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """What could be told of one vector column and of the columns beside it.

    Attributes:
        rows: of the table; ``exact`` where they were counted.
        null_share: of rows without a vector; None where it is not known.
        sizes: dimensions to how many sampled vectors have them; empty where the type declares them.
        widths: bytes of a value on average, by text column.
        models: values of the column that names the model with their shares, the most frequent first.
    """

    rows: int
    exact: bool
    null_share: float | None = None
    sizes: Mapping[int, int] = field(default_factory=dict)
    widths: Mapping[str, float] = field(default_factory=dict)
    models: tuple[tuple[str, float], ...] = ()


def holdings(
    tx: PostgresTx, asker: Asker, column: VectorColumn, *, texts: Sequence[str], model: str | None, operators: str
) -> Holdings:
    """What could be told; asks for no more than a count of 100,000 rows and a sample of 1,000.

    Args:
        texts: text columns whose width is wanted.
        model: the column that names the model; None where there is none.
        operators: the extension's schema, quoted.
    """
    rows, exact = _rows(asker, column)
    known = _statistics(tx, column, model)
    asked = model if not known.models else None
    found = _sampled(asker, column, texts=texts, model=asked, operators=operators, rows=rows)
    return Holdings(
        rows=rows,
        exact=exact,
        null_share=known.null_share if known.null_share is not None else found.null_share,
        sizes=found.sizes,
        widths=found.widths,
        models=known.models or found.models,
    )


def array_sizes(asker: Asker, column: VectorColumn) -> dict[int, int]:
    """Lengths of the arrays of a sample, each with how many have it; empty where none could be read."""
    name = f"t.{quoted(column.name)}"
    rows = asker.ask(
        f"SELECT coalesce(array_length({name}, 1), 0), count(*) FROM {_sample(column, column.rows)} AS t"
        f" WHERE {name} IS NOT NULL GROUP BY 1"
    )
    return {int(length): int(count) for length, count in rows}


def _rows(asker: Asker, column: VectorColumn) -> tuple[int, bool]:
    if column.rows >= COUNTED:
        return column.rows, False
    counted = asker.ask(f"SELECT count(*) FROM (SELECT FROM {column.relation.sql} LIMIT {COUNTED}) AS t")
    if counted and int(counted[0][0]) < COUNTED:
        return int(counted[0][0]), True
    # More than were counted, and the catalogue has no estimate of its own: the planner makes one from the pages.
    planned = asker.ask(f"EXPLAIN (FORMAT JSON) SELECT FROM {column.relation.sql}") if counted else []
    return int(planned[0][0][0]["Plan"]["Plan Rows"]) if planned else column.rows, False


def _statistics(tx: PostgresTx, column: VectorColumn, model: str | None) -> Holdings:
    asked = {
        "schema": column.relation.schema,
        "table": column.relation.name,
        "models": [model] if model is not None else [],
    }
    share: float | None = None
    models: tuple[tuple[str, float], ...] = ()
    # Widths are left alone: of a text that is kept out of line they are those of the pointer to it.
    for name, null_share, values, shares in tx.execute(_SQL["statistics"], asked):
        if name == column.name:
            share = float(null_share)
        # The server keeps shares as float4: more places say nothing.
        told = tuple((value, round(held, 4)) for value, held in zip(values, shares, strict=True) if value)
        models = told or models
    return Holdings(rows=0, exact=False, null_share=share, models=models)


def _sampled(
    asker: Asker, column: VectorColumn, *, texts: Sequence[str], model: str | None, operators: str, rows: int
) -> Holdings:
    vector = f"t.{quoted(column.name)}"
    sample = _sample(column, rows)
    # Of a text the server knows this number without reading it.
    shown = ["count(*)", f"count({vector})", *(f"avg(octet_length(t.{quoted(name)}::text))" for name in texts)]
    found = asker.ask(f"SELECT {', '.join(shown)} FROM {sample} AS t")
    total, filled, *widths = found[0] if found else (0, 0)
    sizes: list[tuple[Any, ...]] = []
    if column.dimensions is None:
        sizes = asker.ask(
            f"SELECT {operators}.vector_dims({vector}), count(*) FROM {sample} AS t"
            f" WHERE {vector} IS NOT NULL GROUP BY 1"
        )
    models: list[tuple[Any, ...]] = []
    if model is not None:
        name = f"t.{quoted(model)}::text"
        models = asker.ask(
            f"SELECT {name}, count(*) FROM {sample} AS t WHERE {name} <> '' GROUP BY 1 ORDER BY 2 DESC, 1"
        )
    return Holdings(
        rows=rows,
        exact=False,
        null_share=1 - filled / total if total else None,
        sizes={int(size): int(count) for size, count in sizes},
        widths={name: float(width) for name, width in zip(texts, widths, strict=False) if width is not None},
        models=tuple((str(value), round(count / total, 4)) for value, count in models) if total else (),
    )


def _sample(column: VectorColumn, rows: int) -> str:
    """The first rows, or, of a large table, those of random pages; the same at every call."""
    pages = f" TABLESAMPLE SYSTEM ({min(100.0, 200 * SAMPLE / rows):.6f}) REPEATABLE (1)" if rows > COUNTED else ""
    return f"(SELECT * FROM {column.relation.sql}{pages} LIMIT {SAMPLE})"
