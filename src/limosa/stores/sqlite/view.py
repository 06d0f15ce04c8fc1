"""The view that stands where the table stood, and the triggers through which old code writes to both sides."""

from __future__ import annotations

from limosa.stores.sqlite.catalogue import Dependent
from limosa.stores.sqlite.names import literal, quoted
from limosa.stores.sqlite.scope import HAD_VECTOR, Scope
from limosa.stores.sqlite.writer import had_vector

__all__ = ["absent", "both_view", "detached", "switch_back", "switch_statements", "union_view"]


def union_view(scope: Scope, name: str, *, side: str, finished: bool = False) -> str:
    """A view with the source's columns over every target, and over what stands in the table ``side`` alone."""
    arms = [f"SELECT {_columns(scope, '' if finished else side)} FROM {quoted(t)} AS t" for t in scope.targets]
    columns = ", ".join(f"o.{quoted(column.name)}" for column in scope.columns)
    arms.append(f"SELECT {columns} FROM {quoted(side)} AS o WHERE {absent(scope, 'o')}")
    names = ", ".join(quoted(column.name) for column in scope.columns)
    return f"CREATE VIEW {quoted(name)} ({names}) AS " + " UNION ALL ".join(arms)


def _columns(scope: Scope, old: str) -> str:
    """The source's columns of a target's row; what does not travel is looked up in the old table while there is one."""
    carried = {column.name for column in scope.carried}
    key = quoted(scope.key.name)
    parts: list[str] = []
    for column in scope.columns:
        name = quoted(column.name)
        if column.name in carried:
            parts.append(f"t.{name}")
        elif column.name == scope.split.vector:
            parts.append(f"CASE WHEN t.{HAD_VECTOR} THEN t.{name} END")
        elif old:
            parts.append(f"(SELECT o.{name} FROM {quoted(old)} AS o WHERE o.{key} = t.{key})")
        else:
            parts.append("NULL")
    return ", ".join(parts)


def both_view(scope: Scope) -> tuple[str, ...]:
    """A view over the old and the new layout while the table is split; the flag ``reads`` chooses between them."""
    name = literal(scope.table)
    flag = f"(SELECT reads FROM limosa_layout WHERE name = {name})"
    columns = ", ".join(f"o.{quoted(column.name)}" for column in scope.columns)
    arms = [
        f"SELECT {_columns(scope, scope.table)} FROM {quoted(table)} AS t WHERE {flag} <> 'old'"
        for table in scope.targets
    ]
    arms.append(
        f"SELECT {columns} FROM {quoted(scope.table)} AS o"
        f" WHERE {flag} = 'old' OR ({flag} = 'both' AND {absent(scope, 'o')})"
    )
    names = ", ".join(quoted(column.name) for column in scope.columns)
    return (
        f"INSERT INTO limosa_layout (name, layout) VALUES ({name}, 'table')"
        " ON CONFLICT (name) DO UPDATE SET layout = excluded.layout, changed = CURRENT_TIMESTAMP, reads = 'both'",
        f"CREATE VIEW {quoted(scope.both)} ({names}) AS " + " UNION ALL ".join(arms),
    )


def switch_statements(scope: Scope, dependents: tuple[Dependent, ...]) -> tuple[str, ...]:
    """The old table steps aside, the view takes its name; whoever reads the name is made again over the view.

    SQLite rewrites views and triggers to a table's new name, which would tie them to the old table.
    """
    return (
        *_drops(dependents),
        f"DROP VIEW IF EXISTS {quoted(scope.both)}",
        f"ALTER TABLE {quoted(scope.table)} RENAME TO {quoted(scope.old)}",
        union_view(scope, scope.table, side=scope.old),
        *_write_triggers(scope),
        *(each.sql for each in dependents),
        _layout(scope, "dimension_tables"),
    )


def switch_back(scope: Scope, dependents: tuple[Dependent, ...]) -> tuple[str, ...]:
    """The table comes back under its name."""
    return (
        *_drops(dependents),
        f"DROP VIEW {quoted(scope.table)}",
        f"ALTER TABLE {quoted(scope.old)} RENAME TO {quoted(scope.table)}",
        *(each.sql for each in dependents),
        _layout(scope, "table"),
    )


def detached(scope: Scope, dependents: tuple[Dependent, ...]) -> tuple[str, ...]:
    """What no target holds goes to a table of its own; view and writes leave the old table alone.

    Nothing that the old table answered is lost to the view: dead and skipped rows, and those outside the filter.
    """
    key, rest = quoted(scope.key.name), quoted(scope.rest)
    return (
        *_drops(dependents),
        f"DROP VIEW {quoted(scope.table)}",
        f"CREATE TABLE {rest} AS SELECT * FROM {quoted(scope.old)} AS o WHERE {absent(scope, 'o')}",
        f"CREATE UNIQUE INDEX {quoted(scope.rest + '_key')} ON {rest} ({key})",
        union_view(scope, scope.table, side=scope.rest, finished=True),
        *_write_triggers(scope, finished=True),
        *(each.sql for each in dependents),
    )


def _layout(scope: Scope, layout: str) -> str:
    return (
        f"UPDATE limosa_layout SET layout = {literal(layout)}, changed = CURRENT_TIMESTAMP"
        f" WHERE name = {literal(scope.table)}"
    )


def absent(scope: Scope, alias: str) -> str:
    """No target holds a row under this key."""
    key = quoted(scope.key.name)
    return " AND ".join(
        f"NOT EXISTS (SELECT 1 FROM {quoted(table)} AS g WHERE g.{key} = {alias}.{key})" for table in scope.targets
    )


def _drops(dependents: tuple[Dependent, ...]) -> list[str]:
    return [f"DROP {each.kind.upper()} IF EXISTS {quoted(each.name)}" for each in reversed(dependents)]


def _write_triggers(scope: Scope, *, finished: bool = False) -> tuple[str, ...]:
    key, side = quoted(scope.key.name), quoted(scope.rest if finished else scope.old)
    names = [column.name for column in scope.columns if not column.generated]
    given, written = f"NEW.{key}", f"NEW.{key}"
    if scope.key.integer:
        written = f"coalesce(NEW.{key}, last_insert_rowid())"
        if finished:
            # The rest does not know the keys that the targets hold.
            given = f"coalesce(NEW.{key}, (SELECT coalesce(max(w.{key}), 0) + 1 FROM {quoted(scope.table)} AS w))"
            written = f"coalesce(NEW.{key}, (SELECT max(w.{key}) FROM {quoted(scope.table)} AS w))"
    values = ", ".join(given if name == scope.key.name else f"NEW.{quoted(name)}" for name in names)
    copies = " ".join(_copy(scope, table, d, side, written, finished=finished) for table, d in scope.split.targets)
    clear = " ".join(f"DELETE FROM {quoted(table)} WHERE {key} = OLD.{key};" for table in scope.targets)
    gone = f"DELETE FROM {side} WHERE {key} = OLD.{key};"
    # INSERT OR REPLACE may replace a row of another length, whose target is another one.
    replaced = " ".join(f"DELETE FROM {quoted(table)} WHERE {key} = {written};" for table in scope.targets)
    listed = ", ".join(quoted(name) for name in names)
    insert = f"INSERT INTO {side} ({listed}) VALUES ({values}); {replaced} {copies}"
    same = ", ".join(f"{quoted(name)} = NEW.{quoted(name)}" for name in names)
    change = f"UPDATE {side} SET {same} WHERE {key} = OLD.{key}; {clear} {replaced} {copies}"
    if finished:
        # What a target took need not stand beside it.
        insert += f" DELETE FROM {side} WHERE {key} = {written} AND NOT ({absent(scope, side)});"
        change = f"{gone} {clear} {insert}"
    made = {"insert": insert, "update": change, "delete": f"{gone} {clear}"}
    return tuple(
        f"CREATE TRIGGER limosa_{scope.id}_view_{event} INSTEAD OF {event.upper()} ON {quoted(scope.table)}"
        f" BEGIN {body} END"
        for event, body in made.items()
    )


def _copy(scope: Scope, table: str, dimension: int | None, side: str, written: str, *, finished: bool) -> str:
    """A row that was just written goes to the target of its length.

    Until finish one that came as JSON text alone goes there too, without a vector: the follower makes
    it. Afterwards nobody does, and it stays with the rest.
    """
    names = [column.name for column in scope.carried]
    columns = ", ".join(quoted(name) for name in (*names, scope.split.vector, HAD_VECTOR))
    vectors = [f"s.{quoted(name)}" for name in scope.split.vectors]
    blobs = [f"CASE typeof({each}) WHEN 'blob' THEN {each} END" for each in vectors]
    blob = f"coalesce({', '.join(blobs)}, NULL)"
    lengths = [f"length({blob}) / 4"]
    if not finished:
        lengths += [
            f"CASE WHEN typeof({each}) = 'text' AND json_valid({each}) THEN json_array_length({each}) END"
            for each in vectors
        ]
    length = f"coalesce({', '.join(lengths)}, 0)"
    known = ", ".join(str(d) for d in scope.split.dimensions)
    right = f"{length} = {dimension}" if dimension is not None else f"{length} > 0 AND {length} NOT IN ({known})"
    carried = ", ".join(f"s.{quoted(name)}" for name in names)
    return (
        f"INSERT INTO {quoted(table)} ({columns}) SELECT {carried}, {blob}, {had_vector(scope, 's')}"
        f" FROM {side} AS s WHERE s.{quoted(scope.key.name)} = {written} AND {right};"
    )
