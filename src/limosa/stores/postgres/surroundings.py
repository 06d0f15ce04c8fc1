"""What surrounds a table: keys, grants, dependents, names that are taken, functions; read in one snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from limosa.model.migration import Migration
from limosa.ports.named import named_sql
from limosa.ports.tx import Tx
from limosa.stores.postgres.catalogue import Column, Dependent, Table, dependents
from limosa.stores.postgres.database import PostgresTx
from limosa.stores.postgres.dependents import Hanging, column_settings, hanging_on
from limosa.stores.postgres.indexes import index_relation
from limosa.stores.postgres.layouts.twins import held_names
from limosa.stores.postgres.names import Relation, as_word, parse_relation
from limosa.stores.postgres.partition_indexes import partition_index
from limosa.stores.postgres.scope import Scope

__all__ = [
    "Family",
    "Grants",
    "KeyColumn",
    "Room",
    "Routine",
    "Stage",
    "Surroundings",
    "bare_types",
    "family",
    "gather",
    "key_columns",
    "routines",
    "routines_named",
    "vector_type",
]

_SQL = named_sql("limosa.stores.postgres", "surroundings")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyColumn:
    """One key column; ``base`` is the type that its domain, if it has one, stands on."""

    name: str
    type: str
    base: str
    not_null: bool
    deterministic: bool
    collation: str


@dataclass(frozen=True, slots=True)
class Family:
    """Tables from which a table inherits, and those that inherit from it."""

    parents: tuple[str, ...]
    children: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grants:
    """What the role may do, as the server answers it."""

    select: bool
    update: bool
    schema_usage: bool
    schema_create: bool
    extension_usage: bool
    ledger: bool
    ledger_owned: bool
    ledger_owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Routine:
    """A function, procedure or aggregate of the match function's name.

    Attributes:
        kind: as pg_proc has it: f, p, a or w.
        types: the input types without modifiers; names: of all arguments, inputs first.
        answered: the types of the columns that it answers.
        defaults: how many inputs have a default.
    """

    schema: str
    signature: str
    kind: str
    returns_set: bool
    definer: bool
    defaults: int
    arguments: str
    result: str
    types: tuple[str, ...]
    names: tuple[str, ...]
    answered: tuple[str, ...]
    owned: bool
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where the ledger says that this migration stands."""

    name: str
    active: bool
    step: str
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Replication and memory: slots and standbys, and the server's settings in bytes (-1: no limit).

    Attributes:
        hidden: standbys of which this role may not see how far they are.
    """

    slots: int
    standbys: int
    hidden: int
    max_slot_wal_keep_bytes: int
    maintenance_work_bytes: int
    effective_cache_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Everything that the checks look at, beside the table itself.

    Attributes:
        parents, children: tables from which it inherits, and that inherit from it.
        dependents: what names the vector column; hanging: what of it, and on it, can be made again.
        settings: statements that give the new column what people gave to the old one.
        indexes: indexes that name the vector column at all: name, unique, method.
        trigger_bodies: trigger and function whose body names the vector column.
        taken: names that limosa needs and that are not free.
        predecessors: views that finished migrations left over the column, each with the functions that read it.
        bare_types: column to type without modifier.
        stage: None where the ledger knows nothing of this migration.
    """

    keys: tuple[KeyColumn, ...]
    parents: tuple[str, ...]
    children: tuple[str, ...]
    grants: Grants
    dependents: tuple[Dependent, ...]
    hanging: Hanging
    settings: tuple[str, ...]
    indexes: tuple[tuple[str, bool, str], ...]
    trigger_bodies: tuple[tuple[str, str], ...]
    taken: tuple[str, ...]
    predecessors: tuple[tuple[Relation, tuple[str, ...]], ...]
    routines: tuple[Routine, ...]
    bare_types: dict[str, str]
    vector_type: str
    room: Room
    stage: Stage | None


def gather(tx: PostgresTx, migration: Migration, table: Table, scope: Scope, holder: Table) -> Surroundings:
    """Looks around in the catalogue; changes nothing.

    Args:
        holder: the table that has the old vectors: ``table`` itself, or the one beside it.
    """
    ids: dict[str, Any] = {"oid": table.oid, "id": scope.id}
    # None where finish has dropped it.
    column = holder.column(scope.vector)
    grants = _grants(tx, table, scope)
    stage, finished = _ledger(tx, scope, grants)
    found = dependents(tx, holder, column) if column is not None else []
    made = routines(tx, migration, scope)
    hanging = _hanging(tx, holder, column, made) if column is not None else Hanging()
    views = [
        Relation("limosa", each.name.removeprefix("limosa."))
        for each in found
        if each.schema == "limosa" and each.kind == "view" and each.name.rsplit("_", 1)[-1] in finished
    ]
    kin = family(tx, table.oid)
    bodies = tx.execute(_SQL["trigger_bodies"], {**ids, "column": as_word(scope.vector)})
    names = [each.name for each in scope.key]
    return Surroundings(
        keys=key_columns(tx, table.oid, names),
        parents=kin.parents,
        children=kin.children,
        grants=grants,
        dependents=tuple(each for each in found if not (each.schema == "limosa" and _is_view(each, views))),
        hanging=hanging,
        settings=column_settings(tx, holder.oid, column.number, scope.new(0).column) if column is not None else (),
        indexes=tuple(
            (name, unique or exclusion, method)
            for name, unique, exclusion, method in tx.execute(
                _SQL["columns_touched"], {"oid": holder.oid, "attnum": column.number if column is not None else 0}
            )
        ),
        trigger_bodies=tuple((name, function) for name, function in bodies),
        taken=_taken(tx, table, scope, hanging),
        predecessors=_predecessors(tx, views),
        routines=made,
        bare_types=bare_types(tx, table.oid),
        vector_type=vector_type(tx, scope.extension_schema),
        room=Room(
            **dict(
                zip(
                    (
                        "slots",
                        "standbys",
                        "hidden",
                        "max_slot_wal_keep_bytes",
                        "maintenance_work_bytes",
                        "effective_cache_bytes",
                    ),
                    map(int, tx.execute(_SQL["replication"])[0]),
                    strict=True,
                )
            )
        ),
        stage=stage,
    )


def family(tx: Tx, oid: int) -> Family:
    """The tables from which a table inherits, and those that inherit from it."""
    kin = tx.execute(_SQL["inheritance"], {"oid": oid})
    parents = tuple(name for kind, name in kin if kind == "parent")
    return Family(parents, tuple(name for kind, name in kin if kind == "child"))


def key_columns(tx: Tx, oid: int, names: Sequence[str]) -> tuple[KeyColumn, ...]:
    """The named columns of a table, as a key has to know them."""
    return tuple(_key(row) for row in tx.execute(_SQL["keys"], {"oid": oid, "names": list(names)}))


def bare_types(tx: Tx, oid: int) -> dict[str, str]:
    """Column to type without modifier."""
    return dict(tx.execute(_SQL["bare_types"], {"oid": oid}))


def vector_type(tx: Tx, schema: str) -> str:
    """The type ``vector`` as signatures print it.

    Args:
        schema: of the extension.
    """
    return str(tx.execute(_SQL["vector_type"], {"schema": schema})[0][0])


def _hanging(tx: PostgresTx, holder: Table, column: Column, own: Sequence[Routine]) -> Hanging:
    """What hangs on the column, without the match function, which limosa writes itself."""
    found = hanging_on(tx, holder.oid, column.number)
    called = [
        str(tx.raw("SELECT to_regprocedure($1)::text", each.name)[0][0]) if each.kind == "function" else ""
        for each in found.remade
    ]
    signatures = {routine.signature for routine in own}
    kept = (each for each, name in zip(found.remade, called, strict=True) if name not in signatures)
    return Hanging(tuple(kept), found.others)


def _is_view(dependent: Dependent, views: list[Relation]) -> bool:
    return any(str(view) == dependent.name for view in views)


def _key(row: tuple[Any, ...]) -> KeyColumn:
    name, kind, base, not_null, deterministic, collation = row
    return KeyColumn(
        name=name, type=kind, base=base, not_null=not_null, deterministic=deterministic, collation=collation
    )


def _grants(tx: PostgresTx, table: Table, scope: Scope) -> Grants:
    names = (
        "select",
        "update",
        "schema_usage",
        "schema_create",
        "extension_usage",
        "ledger",
        "ledger_owned",
        "ledger_owner",
    )
    asked = {"oid": table.oid, "schema": table.relation.schema, "extension": scope.extension_schema}
    return Grants(**dict(zip(names, tx.execute(_SQL["grants"], asked)[0], strict=True)))


def _ledger(tx: PostgresTx, scope: Scope, grants: Grants) -> tuple[Stage | None, frozenset[str]]:
    """Where this migration stands, and which ones are finished; asked of the tables, as the role may read them."""
    if not (grants.ledger and grants.ledger_owned and tx.execute(_SQL["ledger"])[0][0]):
        return None, frozenset()
    rows = tx.execute(_SQL["stage"], {"id": scope.id})
    stage = None
    if rows:
        name, active, step, epoch = rows[0]
        stage = Stage(name=name, active=active, step=step, epoch=epoch)
    return stage, frozenset(str(row[0]) for row in tx.execute(_SQL["finished"]))


def _taken(tx: PostgresTx, table: Table, scope: Scope, hanging: Hanging) -> tuple[str, ...]:
    """Names that the operations will make and that are there already."""
    if scope.shape == "fill":
        return ()
    seats = (scope.new(0), scope.old(1)) if scope.renames else ()
    columns = [seat.column for seat in seats if table.column(seat.column) is not None]
    wanted = [index_relation(scope), Relation("limosa", f"old_{scope.id}"), Relation("limosa", f"new_{scope.id}")]
    held = [name.relation for name in held_names(hanging.remade)] if scope.renames else []
    wanted += [*held, *([scope.beside] if scope.beside is not None else [])]
    wanted += [partition_index(scope, each.relation) for each in table.partitions] if scope.beside is None else []
    wanted += [scope.old(0).relation] if scope.in_place else []
    asked = {"schemas": [each.schema for each in wanted], "names": [each.name for each in wanted]}
    found = [f"{kind} {schema}.{name}" for kind, schema, name in tx.execute(_SQL["taken"], asked)]
    # Names are cut at 63 bytes: two that begin alike would become one.
    twice = [f"{each}, twice" for each in dict.fromkeys(held) if held.count(each) > 1]
    return (*(f"column {name}" for name in columns), *found, *twice)


def _predecessors(tx: PostgresTx, views: list[Relation]) -> tuple[tuple[Relation, tuple[str, ...]], ...]:
    if not views:
        return ()
    rows = tx.execute(_SQL["readers"], {"views": [view.sql for view in views]})
    return tuple((view, tuple(f"{row[1]}.{row[2]}" for row in rows if row[3] == view.sql)) for view in views)


def routines(tx: PostgresTx, migration: Migration, scope: Scope) -> tuple[Routine, ...]:
    """All of the match function's name: in its schema, else in the table's, else where the search_path finds it."""
    if migration.match is None or scope.shape == "fill":
        return ()
    schema, name = parse_relation(migration.match.function)
    found = routines_named(tx, schema or scope.relation.schema, name)
    return found or (routines_named(tx, None, name) if schema is None else ())


def routines_named(tx: Tx, schema: str | None, name: str) -> tuple[Routine, ...]:
    """All routines of a name in a schema, or, without one, where the search_path finds them."""
    return tuple(_routine(row) for row in tx.execute(_SQL["routines"], {"schema": schema, "name": name}))


def _routine(row: tuple[Any, ...]) -> Routine:
    schema, signature, kind, returns_set, definer, defaults, arguments, result, types, names, answered, owned, owner = (
        row
    )
    return Routine(
        schema=schema,
        signature=signature,
        kind=kind,
        returns_set=returns_set,
        definer=definer,
        defaults=defaults,
        arguments=arguments,
        result=result,
        types=tuple(types),
        names=tuple(names),
        answered=tuple(answered),
        owned=owned,
        owner=owner,
    )
