"""One vector column, looked at closely: what a file would say of it, or why plan would refuse it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from limosa.ports.discovery import Candidate, Hint
from limosa.ports.named import named_sql
from limosa.stores.postgres.catalogue import Table
from limosa.stores.postgres.database import PostgresTx
from limosa.stores.postgres.discovery.bounds import Asker
from limosa.stores.postgres.discovery.columns import VectorColumn, written
from limosa.stores.postgres.discovery.functions import functions_over
from limosa.stores.postgres.discovery.indexes import index_of
from limosa.stores.postgres.discovery.keys import keys_of, objections
from limosa.stores.postgres.discovery.statistics import Holdings, array_sizes, holdings
from limosa.stores.postgres.discovery.texts import Plain, choose_texts, is_model, speaks_of_vectors
from limosa.stores.postgres.names import Relation, quoted

__all__ = ["array_candidate", "busy_candidate", "candidate"]

_SQL = named_sql("limosa.stores.postgres", "discovery")

LEAST_ARRAY = 64
"""Numbers from which arrays of one length look like embeddings: the least that a widely used model gives."""


@dataclass(frozen=True, slots=True)
class _Columns:
    """The columns beside the vector: those of texts, and the one that names the model."""

    plain: tuple[Plain, ...]
    model: str | None


def candidate(
    tx: PostgresTx, asker: Asker, column: VectorColumn, table: Table, *, others: Sequence[Relation] = ()
) -> Candidate:
    """What a file would say of a column of pgvector's types; a table that plan would refuse is not read.

    Args:
        others: the other tables with vectors.
    """
    keys, against = keys_of(tx, table)
    against = [*_type_objections(column), *objections(tx, table), *(against if table.kind in {"r", "p"} else [])]
    extension = table.server.extension_schema or "public"
    beside = _columns(tx, column)
    held = Holdings(rows=column.rows, exact=False)
    if not against:
        names = [each.name for each in beside.plain]
        held = holdings(tx, asker, column, texts=names, model=beside.model, operators=quoted(extension))
        against += _size_objections(column, held)
    texts, also = choose_texts(beside.plain, held.widths, without=keys[0] if keys else ())
    return Candidate(
        table=written(column.relation),
        vector=column.name,
        type=column.type,
        element=column.element,
        dimensions=column.dimensions or next(iter(held.sizes), None),
        rows=held.rows,
        exact=held.exact,
        null_share=held.null_share,
        keys=keys,
        texts=texts,
        also=also,
        columns=tuple(each.name for each in beside.plain),
        index=index_of(tx, column),
        hints=_hints(column, beside.model, held),
        functions=functions_over(tx, table, column.name, extension=extension, others=others),
        refused=tuple(against),
    )


def array_candidate(asker: Asker, column: VectorColumn) -> Candidate | None:
    """An array of numbers that looks like an embedding, with what has to be done first; None where it does not."""
    named = speaks_of_vectors(column.name)
    sizes = array_sizes(asker, column) if column.kind == "r" and column.readable else {}
    length = next(iter(sizes)) if len(sizes) == 1 else None
    if not named and (length is None or length < LEAST_ARRAY):
        return None
    target, name = column.relation.sql, quoted(column.name)
    d = length if length is not None else "d"
    said = (
        f"{column.relation}.{column.name} is of type {column.type}, an array of numbers. First convert it:"
        f" ALTER TABLE {target} ALTER COLUMN {name} TYPE vector({d}) USING {name}::vector({d});"
        " this rewrites the table under a lock."
    )
    return _barely(column, said, dimensions=length)


def busy_candidate(column: VectorColumn) -> Candidate:
    """A column whose table is locked."""
    return _barely(column, f"{column.relation} is locked by another session. Repeat the command when that is done.")


def _barely(column: VectorColumn, why: str, *, dimensions: int | None = None) -> Candidate:
    """What the list of columns says, and why there is no more."""
    return Candidate(
        table=written(column.relation),
        vector=column.name,
        type=column.type,
        element=column.element,
        dimensions=dimensions or column.dimensions,
        rows=column.rows,
        refused=(why,),
    )


def _columns(tx: PostgresTx, column: VectorColumn) -> _Columns:
    rows = tx.execute(_SQL["columns"], {"oid": column.oid})
    # Of varchar(n) the catalogue keeps n + 4; of a domain, which has its own, nothing.
    plain = tuple(Plain(name, kind, modifier - 4 if modifier > 4 else None) for name, kind, _, modifier in rows)
    models = [each.name for each in plain if is_model(each.name)]
    best = min(models, key=lambda name: (not speaks_of_vectors(name), name), default=None)
    return _Columns(plain, best)


def _type_objections(column: VectorColumn) -> list[str]:
    place = f"{column.relation}.{column.name}"
    if not column.storable:
        return [f"{place} is of type {column.type}. Needed is a column of pgvector's type vector or halfvec."]
    if column.generated:
        return [f"{place} is a generated column. Migrate the column that it is generated from."]
    if not column.readable:
        return [f"This role may not read {column.relation}. GRANT SELECT ON {column.relation.sql} to it."]
    return []


def _size_objections(column: VectorColumn, held: Holdings) -> list[str]:
    if len(held.sizes) < 2:
        return []
    shown = ", ".join(f"{d} dimensions ({n:,} rows)" for d, n in sorted(held.sizes.items(), key=lambda each: -each[1]))
    return [
        f"{column.relation}.{column.name} declares no dimension and a sample of it holds {shown}."
        " Set the vectors of other sizes to NULL, or move them to a column of their own."
    ]


def _hints(column: VectorColumn, model: str | None, held: Holdings) -> tuple[Hint, ...]:
    found = []
    if held.models and model is not None:
        (said, _), *others = held.models
        plain = speaks_of_vectors(model)
        found.append(Hint(said=said, where=f"the column {model}", plain=plain, others=tuple(others)))
    places = ("the column's comment", "the table's comment")
    told = zip(column.comment, places, strict=True)
    return (*found, *(Hint(said=comment, where=where) for comment, where in told if comment))
