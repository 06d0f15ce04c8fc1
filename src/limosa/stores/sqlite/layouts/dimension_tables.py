"""The layout ``dimension_tables``: one table for each dimension, made, filled, indexed, and put behind a view."""

from __future__ import annotations

from collections.abc import Set

from limosa.model.operation import Operation
from limosa.stores.sqlite.capture import capture_triggers
from limosa.stores.sqlite.catalogue import Dependent
from limosa.stores.sqlite.names import literal, quoted
from limosa.stores.sqlite.scope import HAD_VECTOR, Scope
from limosa.stores.sqlite.view import both_view, detached, switch_back, switch_statements

__all__ = ["operations", "target_table"]


def operations(
    scope: Scope, dependents: tuple[Dependent, ...], backup: Operation | None, *, standing: Set[str]
) -> tuple[Operation, ...]:
    """The whole way from expand to finish, in order.

    Args:
        standing: names in lower case that are there already: such tables are filled, such indexes left as they are.
    """
    indexed = scope.native and scope.split.index is not None
    indexes = [
        *(_index(scope, table, columns) for table in scope.targets for columns in scope.split.indexes),
        *(_vector_index(scope, table) for table, d in scope.split.targets if d is not None and indexed),
    ]
    return (
        *((backup,) if backup is not None else ()),
        *(
            _adopt(table) if table.lower() in standing else _make(scope, table, dimension)
            for table, dimension in scope.split.targets
        ),
        _arm(scope),
        _both(scope),
        *(each for each in indexes if each.id.removeprefix("index:").lower() not in standing),
        *_ending(scope, dependents),
    )


def target_table(scope: Scope, table: str, dimension: int | None) -> str:
    """How a target is made."""
    vector = quoted(scope.split.vector)
    native = scope.native and dimension is not None
    columns = [
        f"{quoted(column.name)} {column.type}" + (" PRIMARY KEY NOT NULL" if column.name == scope.key.name else "")
        for column in scope.carried
    ]
    check = f" CHECK ({vector} IS NULL OR length({vector}) = {4 * dimension})" if dimension is not None else ""
    columns.append(f"{vector} {f'F32_BLOB({dimension})' if native else 'BLOB'}{check}")
    columns.append(f"{HAD_VECTOR} INTEGER NOT NULL")
    return f"CREATE TABLE {quoted(table)} ({', '.join(columns)})"


def _stands(kind: str, name: str) -> str:
    return f"SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = '{kind}' AND name = {literal(name)})"


def _marked(table: str) -> str:
    """Whether a table is a target: one that somebody else made under its name meanwhile lacks the column."""
    return f"SELECT EXISTS (SELECT 1 FROM pragma_table_info({literal(table)}) WHERE name = {literal(HAD_VECTOR)})"


def _make(scope: Scope, table: str, dimension: int | None) -> Operation:
    return Operation(
        id=f"make:{table}",
        step="expand",
        title=f"Make the table {table}" + (f" for {dimension} dimensions" if dimension else " for every other length"),
        do=(target_table(scope, table, dimension),),
        undo=(f"DROP TABLE IF EXISTS {quoted(table)}",),
        probe=_marked(table),
    )


def _adopt(table: str) -> Operation:
    return Operation(
        id=f"adopt:{table}",
        step="expand",
        title=f"Mark in {table}, which stands already, what is carried",
        do=(f"ALTER TABLE {quoted(table)} ADD COLUMN {HAD_VECTOR} INTEGER",),
        undo=(
            f"DELETE FROM {quoted(table)} WHERE {HAD_VECTOR} IS NOT NULL",
            f"ALTER TABLE {quoted(table)} DROP COLUMN {HAD_VECTOR}",
        ),
        probe=_marked(table),
    )


def _arm(scope: Scope) -> Operation:
    triggers = capture_triggers(scope)
    return Operation(
        id="arm",
        step="expand",
        title=f"Note every change of {scope.table} from now on",
        do=tuple(triggers.values()),
        undo=tuple(f"DROP TRIGGER IF EXISTS {name}" for name in triggers),
        probe=_stands("trigger", list(triggers)[-1]),
    )


def _both(scope: Scope) -> Operation:
    return Operation(
        id="both",
        step="expand",
        title=f"Make the view {scope.both} over the old and the new layout",
        do=both_view(scope),
        undo=(
            f"DROP VIEW IF EXISTS {quoted(scope.both)}",
            f"DELETE FROM limosa_layout WHERE name = {literal(scope.table)}",
        ),
        probe=_stands("view", scope.both),
    )


def _index(scope: Scope, table: str, columns: tuple[str, ...]) -> Operation:
    name = f"{table}_{'_'.join(columns)}"
    return Operation(
        id=f"index:{name}",
        step="index",
        title=f"Build the index {name}",
        do=(f"CREATE INDEX {quoted(name)} ON {quoted(table)} ({', '.join(quoted(column) for column in columns)})",),
        undo=(f"DROP INDEX IF EXISTS {quoted(name)}",),
        probe=_stands("index", name),
    )


def _vector_index(scope: Scope, table: str) -> Operation:
    name = f"{table}_{scope.split.vector}"
    what = ", ".join([quoted(scope.split.vector), *(literal(option) for option in scope.split.index or ())])
    return Operation(
        id=f"index:{name}",
        step="index",
        title=f"Build the vector index {name}",
        do=(f"CREATE INDEX {quoted(name)} ON {quoted(table)} (libsql_vector_idx({what}))",),
        undo=(f"DROP INDEX IF EXISTS {quoted(name)}",),
        probe=_stands("index", name),
        # A server ends a transaction after seconds, and an index of many vectors takes minutes.
        transactional=scope.local,
        # A build that failed leaves a table behind, over which the next index is made empty, without an error.
        busy=_stands("table", f"{name}_shadow"),
    )


def _ending(scope: Scope, dependents: tuple[Dependent, ...]) -> tuple[Operation, ...]:
    disarm = tuple(f"DROP TRIGGER IF EXISTS {name}" for name in capture_triggers(scope))
    return (
        Operation(
            id="switch",
            step="cutover",
            title=f"{scope.table} steps aside for a view of that name over the new tables",
            do=switch_statements(scope, dependents),
            undo=switch_back(scope, dependents),
            probe=_stands("view", scope.table),
        ),
        Operation(
            id="disarm",
            step="finish",
            title=f"Leave {scope.old} alone: the view reads and writes the new tables",
            do=(*disarm, *detached(scope, dependents)),
            probe=_stands("table", scope.rest),
        ),
        Operation(
            id="drop-old",
            step="finish",
            title=f"Drop {scope.old}",
            do=(f"DROP TABLE IF EXISTS {quoted(scope.old)}",),
            probe=f"SELECT NOT EXISTS (SELECT 1 FROM sqlite_master WHERE name = {literal(scope.old)})",
        ),
    )
