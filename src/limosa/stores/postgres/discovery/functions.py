"""Functions that search a table by a vector, and whether limosa's own match function can stand in for them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from limosa.ports.discovery import MatchSeen
from limosa.ports.named import named_sql
from limosa.ports.tx import Tx
from limosa.stores.postgres.catalogue import Table
from limosa.stores.postgres.discovery.columns import written
from limosa.stores.postgres.matching import ARGUMENTS, unlike
from limosa.stores.postgres.names import Relation, as_word
from limosa.stores.postgres.surroundings import Routine, bare_types, routines_named, vector_type

__all__ = ["functions_over"]

_SQL = named_sql("limosa.stores.postgres", "discovery")
_FILTERED = re.compile(r'(?:"((?:[^"]|"")+)"|(\w+))\s*@>\s*\(?\s*"?filter\b', re.IGNORECASE)


def functions_over(
    tx: Tx, table: Table, vector: str, *, extension: str, others: Sequence[Relation]
) -> tuple[MatchSeen, ...]:
    """Functions whose body names the table and whose first argument is a vector; those that fit come first.

    Args:
        vector: the column, which no function may return: it is renamed at cutover.
        extension: the schema of pgvector.
        others: the other tables with vectors; a function that names one of them may search that one.
    """
    rows = tx.execute(_SQL["functions"], {"table": as_word(table.relation.name)})
    types = bare_types(tx, table.oid)
    seen = []
    for schema, name in dict.fromkeys((row[0], row[1]) for row in rows):
        bodies = [row[2] for row in rows if (row[0], row[1]) == (schema, name)]
        routines = routines_named(tx, schema, name)
        kind = vector_type(tx, extension)
        each = _seen(Relation(schema, name), routines, bodies[0], types={**types, vector: ""}, vector=kind)
        rival = _rival(bodies[0], table.relation, others)
        if rival is not None:
            why = f"Its body names {rival} too, which also has vectors: which of them it searches is not clear."
            each = replace(each, why=why)
        seen.append(each)
    return tuple(sorted(seen, key=lambda each: (each.why != "", each.function)))


def _rival(body: str, relation: Relation, others: Sequence[Relation]) -> Relation | None:
    """Another table that a body may mean; one of the same name unless the body says in which schema."""
    for other in others:
        own_name = other.name == relation.name
        if own_name and _says(body, relation.schema, relation.name) and not _says(body, other.schema, other.name):
            continue
        if own_name or _says(body, other.name):
            return other
    return None


def _says(body: str, *names: str) -> bool:
    """Whether a body names a relation, with or without its schema, in quotes or not."""
    dotted = r'"?\s*\.\s*"?'.join(re.escape(name) for name in names)
    return re.search(rf"(?<!\w){dotted}(?!\w)", body, re.IGNORECASE) is not None


def _seen(
    relation: Relation, routines: tuple[Routine, ...], body: str, *, types: Mapping[str, str], vector: str
) -> MatchSeen:
    routine = routines[0]
    filter_column = _filter(routine, body)
    inputs = len(routine.types)
    returns = tuple(name for name in routine.names[inputs:] if name != "similarity")
    return MatchSeen(
        function=written(relation),
        signature=f"{relation}({routine.arguments})",
        returns=returns,
        filter=filter_column,
        why=_against(routines, returns, filter_column, types=types, vector=vector),
    )


def _filter(routine: Routine, body: str) -> str | None:
    """The column to which the argument ``filter`` is compared, as the body has it."""
    if "filter" not in routine.names[: len(routine.types)]:
        return None
    found = _FILTERED.search(body)
    return (found[1] or found[2]).replace('""', '"') if found else None


def _against(
    routines: tuple[Routine, ...],
    returns: tuple[str, ...],
    filter_column: str | None,
    *,
    types: Mapping[str, str],
    vector: str,
) -> str:
    """Why plan would refuse it as the match function; empty where it would not."""
    routine = routines[0]
    if len(routines) > 1:
        return "There are several functions of this name; which one a call means must not depend on the vector's size."
    taken = {*ARGUMENTS, "space", "limosa_distance", "filter"}
    strange = [name for name in returns if not types.get(name) or name in taken]
    if strange or not returns:
        listed = ", ".join(strange) or "nothing beside the similarity"
        return f"It answers {listed}; limosa's answers columns of the table, other than the vector."
    if filter_column is not None and types.get(filter_column) != "jsonb":
        return f"Its filter is compared to {filter_column}, which is no jsonb column of the table."
    said = unlike(routine, returns, filtered=filter_column is not None, types=types, vector=vector)
    if said:
        return (
            f"{said} limosa's takes ({', '.join(ARGUMENTS)}[, filter]) as vector, double precision, integer, jsonb,"
            " and answers columns of the table, then similarity."
        )
    return _rights(routine)


def _rights(routine: Routine) -> str:
    if routine.definer:
        return "It is SECURITY DEFINER; limosa's runs with its caller's rights and could answer less."
    return "" if routine.owned else f"It belongs to {routine.owner}: only the owner may replace it."
