"""The view that stands where the table stood, and the triggers through which old code writes to both sides."""

from __future__ import annotations

from limosa.stores.sqlite.catalogue import Dependent
from limosa.stores.sqlite.names import literal, quoted
from limosa.stores.sqlite.scope import HAD_VECTOR, Scope
from limosa.stores.sqlite.writer import had_vector

__all__ = ["absent", "both_view", "detached", "switch_back", "switch_statements", "union_view"]


def union_view(scope: Scope, name: str, *, side: str, finished: bool = False) -> str:
    """A view with the source's columns over every target, and over what stands in the table ``side`` alone."""
    arms = [
        f"SELECT {_columns(scope, '' if finished else side)} FROM {quoted(t)} AS t WHERE {scope.ours('t')}"
        for t in scope.targets
    ]
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
        f"SELECT {_columns(scope, scope.table)} FROM {quoted(table)} AS t WHERE {flag} <> 'old' AND {scope.ours('t')}"
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
        _key_table(scope),
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
        f"DROP TABLE {_keys(scope)}",
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
    """No target holds this row."""
    key = quoted(scope.key.name)
    return " AND ".join(
        f"NOT EXISTS (SELECT 1 FROM {quoted(table)} AS g WHERE g.{key} = {alias}.{key} AND {scope.ours('g')})"
        for table in scope.targets
    )


def _drops(dependents: tuple[Dependent, ...]) -> list[str]:
    return [f"DROP {each.kind.upper()} IF EXISTS {quoted(each.name)}" for each in reversed(dependents)]


def _write_triggers(scope: Scope, *, finished: bool = False) -> tuple[str, ...]:
    """What old code writes through the view: to the table ``side``, and from there to the target of its length."""
    key, side = quoted(scope.key.name), quoted(scope.rest if finished else scope.old)
    clear = " ".join(_clear(scope, table, f"OLD.{key}") for table in scope.targets)
    # A key can be NULL in the old table.
    gone = f"DELETE FROM {side} WHERE {key} IS OLD.{key};"
    made = {"insert": ("INSERT", "", _inserted(scope, side, finished=finished)), "delete": ("DELETE", "", gone + clear)}
    if finished:
        vectors = [quoted(name) for name in scope.split.vectors]
        same = " AND ".join(f"NEW.{name} IS OLD.{name}" for name in vectors)
        check = _free_key(scope, f"NEW.{key} IS NOT OLD.{key}")
        body = f"{check} {gone} {clear} {_moved(scope, side)} DELETE FROM {_keys(scope)};"
        made["update"] = ("UPDATE", f" WHEN NOT ({same})", body)
        # A vector that was made from the text is not made again: the row stays where it is.
        made["payload"] = ("UPDATE", f" WHEN {same}", f"{check} {_payload(scope, side)} DELETE FROM {_keys(scope)};")
    else:
        same = ", ".join(f"{quoted(name)} = NEW.{quoted(name)}" for name in _written(scope))
        copies = _copies(scope, side, f"NEW.{key}", finished=False)
        made["update"] = ("UPDATE", "", f"UPDATE {side} SET {same} WHERE {key} = OLD.{key}; {clear} {copies}")
    return tuple(
        f"CREATE TRIGGER limosa_{scope.id}_view_{name} INSTEAD OF {event} ON {quoted(scope.table)}{when}"
        f" BEGIN {body} END"
        for name, (event, when, body) in made.items()
    )


def _clear(scope: Scope, table: str, written: str) -> str:
    return f"DELETE FROM {quoted(table)} WHERE {quoted(scope.key.name)} = {written} AND {scope.ours(quoted(table))};"


def _keys(scope: Scope) -> str:
    return quoted(f"limosa_{scope.id}_key")


def _key_table(scope: Scope) -> str:
    """A table in which a key that is inserted meets the key that stands, under the statement's own conflict rule.

    The rows lie in several tables, none of which knows all keys; INSERT OR REPLACE, OR IGNORE and a plain
    INSERT are told apart by what becomes of ``fresh`` here.
    """
    return f"CREATE TABLE {_keys(scope)} (key {scope.key.type}, fresh INTEGER, UNIQUE (key))"


def _free_key(scope: Scope, condition: str) -> str:
    key, view = quoted(scope.key.name), quoted(scope.table)
    stands = f"EXISTS (SELECT 1 FROM {view} AS w WHERE w.{key} = NEW.{key})"
    return (
        f"INSERT INTO {_keys(scope)} SELECT NEW.{key}, 0 WHERE {condition} AND {stands};"
        f" INSERT INTO {_keys(scope)} SELECT NEW.{key}, 1 WHERE {condition};"
    )


def _written(scope: Scope) -> list[str]:
    return [column.name for column in scope.columns if not column.generated]


def _inserted(scope: Scope, side: str, *, finished: bool) -> str:
    key, keys, view = quoted(scope.key.name), _keys(scope), quoted(scope.table)
    given = f"NEW.{key}"
    if scope.key.integer and finished:
        # The rest does not know the keys that the targets hold.
        given = f"coalesce(NEW.{key}, (SELECT coalesce(max(w.{key}), 0) + 1 FROM {view} AS w))"
    # A column that the statement leaves out cannot be told from one that it sets to NULL.
    values = {
        column.name: f"coalesce(NEW.{quoted(column.name)}, {column.default})"
        if column.default
        else f"NEW.{quoted(column.name)}"
        for column in scope.columns
    }
    values[scope.key.name] = f"(SELECT key FROM {keys} WHERE fresh = 1)"
    listed = ", ".join(quoted(name) for name in _written(scope))
    fresh = f"(SELECT key FROM {keys} WHERE fresh = 1)"
    parts = [
        f"INSERT INTO {keys} SELECT NEW.{key}, 0 WHERE EXISTS (SELECT 1 FROM {view} AS w WHERE w.{key} = NEW.{key});",
        f"INSERT INTO {keys} VALUES ({given}, 1);",
        f"DELETE FROM {side} WHERE {key} = {fresh};",
        *(_clear(scope, table, fresh) for table in scope.targets),
        f"INSERT INTO {side} ({listed}) SELECT {', '.join(values[name] for name in _written(scope))}"
        f" WHERE EXISTS (SELECT 1 FROM {keys} WHERE fresh = 1);",
    ]
    if scope.key.integer:
        parts.append(f"UPDATE {keys} SET key = last_insert_rowid() WHERE fresh = 1 AND key IS NULL;")
    parts.append(_copies(scope, side, fresh, finished=finished))
    return " ".join([*parts, f"DELETE FROM {keys};"])


def _moved(scope: Scope, side: str) -> str:
    names = _written(scope)
    listed, values = ", ".join(quoted(name) for name in names), ", ".join(f"NEW.{quoted(name)}" for name in names)
    written = f"NEW.{quoted(scope.key.name)}"
    return f"INSERT INTO {side} ({listed}) VALUES ({values}); {_copies(scope, side, written, finished=True)}"


def _payload(scope: Scope, side: str) -> str:
    key = quoted(scope.key.name)
    carried = ", ".join(f"{quoted(column.name)} = NEW.{quoted(column.name)}" for column in scope.carried)
    every = ", ".join(f"{quoted(name)} = NEW.{quoted(name)}" for name in _written(scope))
    parts = [
        f"UPDATE {quoted(table)} SET {carried} WHERE {key} = OLD.{key} AND {scope.ours(quoted(table))};"
        for table in scope.targets
    ]
    return " ".join([*parts, f"UPDATE {side} SET {every} WHERE {key} = OLD.{key};"])


def _copies(scope: Scope, side: str, written: str, *, finished: bool) -> str:
    parts = [_copy(scope, table, d, side, written, finished=finished) for table, d in scope.split.targets]
    if finished:
        # What a target took need not stand beside it.
        parts.append(f"DELETE FROM {side} WHERE {quoted(scope.key.name)} = {written} AND NOT ({absent(scope, side)});")
    return " ".join(parts)


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
    key = quoted(scope.key.name)
    free = f"NOT EXISTS (SELECT 1 FROM {quoted(table)} AS g WHERE g.{key} = s.{key})"
    return (
        f"INSERT INTO {quoted(table)} ({columns}) SELECT {carried}, {blob}, {had_vector(scope, 's')}"
        f" FROM {side} AS s WHERE s.{key} = {written} AND {right} AND {free};"
    )
