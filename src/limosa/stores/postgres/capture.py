"""Capture in Postgres: triggers write every change that matters into an append-only table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from limosa.model.batch import Key
from limosa.model.operation import Operation
from limosa.ports.capture import Change
from limosa.ports.carried import Looked
from limosa.ports.tx import Tx
from limosa.stores.postgres.changes import ChangeTable
from limosa.stores.postgres.database import Database
from limosa.stores.postgres.names import Relation, dollar_quoted, literal, quoted
from limosa.stores.postgres.partition_triggers import amends, emptied_body, faults, forget, unwatch, watch
from limosa.stores.postgres.scope import Scope
from limosa.stores.postgres.seat import Seat

__all__ = ["TriggerCapture", "arm", "guard_function", "guard_trigger", "trigger_names"]


_PINNED = (
    "SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, YMD'"
    " SET intervalstyle = 'iso_8601' SET extra_float_digits = 1"
)
"""A key is written as limosa's own sessions write it, whatever the application has set."""


_NOTE = "INSERT INTO limosa.change (migration, key) VALUES"


def trigger_names(scope: Scope) -> dict[str, str]:
    """Role to trigger name. The guard sorts behind what people write: tilde is the last ASCII sign."""
    roles = ("insert", "update", "delete", "truncate", *(("moved",) if _moves(scope) else ()))
    names = {role: f"limosa_{scope.id}_{role}" for role in roles}
    return names if scope.shape == "fill" else {**names, "guard": f"~limosa_{scope.id}_guard"}


def _moves(scope: Scope) -> bool:
    """A row that moves to another partition is deleted there and inserted here, and no trigger sees it as an update.

    A vector in the row is carried along past the guard. One in a table beside would follow by the foreign key, its text
    changed or not: the deletion takes it away first.
    """
    return scope.partitioned and scope.beside is not None and scope.shape != "fill"


def _function(scope: Scope, role: str) -> Relation:
    return Relation("limosa", f"{role}_{scope.id}")


def guard_function(scope: Scope, seat: Seat) -> str:
    """The function that takes away a new vector which its text has outrun; its body says where it stands."""
    if seat.beside:
        new, old = (_vector_of(seat, row) for row in ("NEW", "OLD"))
        body = f"BEGIN {new}; RETURN NULL; END"
        if scope.partitioned:
            body = f"BEGIN IF TG_OP = 'DELETE' THEN {old}; ELSE {new}; END IF; RETURN NULL; END"
    else:
        # What a generated text is made of may differ where the text does not: capture would not note the row.
        made = any(column.generated for column in scope.text_source)
        noted = f" {_NOTE} ({literal(scope.id)}, {scope.key_array('new')});" if made else ""
        body = f"BEGIN NEW.{quoted(seat.column)} := NULL;{noted} RETURN NEW; END"
    return (
        f"CREATE OR REPLACE FUNCTION {_function(scope, 'guard').sql}() RETURNS trigger LANGUAGE plpgsql"
        f" {_PINNED} AS {dollar_quoted(body)}"
    )


def _vector_of(seat: Seat, row: str) -> str:
    same = " AND ".join(f"{seat.alias}.{quoted(name)} = {row}.{quoted(name)}" for name in seat.key)
    return f"DELETE FROM {seat.relation.sql} AS {seat.alias} WHERE {same}"


def arm(scope: Scope) -> list[Operation]:
    """The operations that make the triggers; after them nothing that changes goes unseen."""
    table = scope.relation.sql
    names = trigger_names(scope)
    bodies = _bodies(scope)
    functions = [
        f"CREATE OR REPLACE FUNCTION {_function(scope, role).sql}() RETURNS trigger LANGUAGE plpgsql"
        f" {_PINNED} AS {dollar_quoted(body)}"
        for role, body in bodies.items()
    ]
    if "guard" in names:
        functions.append(guard_function(scope, scope.new(0)))
    capture, truncate = (f"{_function(scope, role).sql}()" for role in ("capture", "truncate"))
    new_kept, old_kept = _when(scope.where("new"), scope), _when(scope.where("old"), scope)
    made = {
        "insert": f"AFTER INSERT ON {table} FOR EACH ROW{new_kept} EXECUTE FUNCTION {capture}",
        "update": f"AFTER UPDATE ON {table} FOR EACH ROW WHEN ({_outrun(scope)}) EXECUTE FUNCTION {capture}",
        "delete": f"AFTER DELETE ON {table} FOR EACH ROW{old_kept} EXECUTE FUNCTION {capture}",
        "truncate": f"AFTER TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {truncate}",
    }
    if "moved" in names:
        made["moved"] = f"AFTER DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {_function(scope, 'guard').sql}()"
    does = [statement for role, body in made.items() for statement in _trigger(scope, names[role], body)]
    does += guard_trigger(scope) if "guard" in names else ()
    undone = [f"DROP TRIGGER IF EXISTS {quoted(name)} ON {table}" for name in names.values()]
    if scope.partitioned:
        does += _apart(scope)
        undone = [unwatch(name) for name in (names["truncate"], *_emptied(scope))] + undone
    roles = [*bodies, *(["guard"] if "guard" in names else [])]
    listed = ", ".join(literal(name) for name in names.values())
    return [
        Operation(
            id="capture-functions",
            step="expand",
            title="Make the functions that note changed rows",
            do=tuple(functions),
            undo=tuple(f"DROP FUNCTION IF EXISTS {_function(scope, role).sql}()" for role in roles),
            probe=f"SELECT to_regprocedure({literal(capture)}) IS NOT NULL",
        ),
        Operation(
            id="capture-triggers",
            step="expand",
            title=f"Note from now on every row of {scope.relation} whose text, key or filter changes",
            do=tuple(does),
            undo=tuple(undone),
            probe=(
                f"SELECT count(*) = {len(names)} FROM pg_trigger WHERE tgrelid = {literal(table)}::regclass"
                f" AND tgname IN ({listed})"
            ),
            lock="SHARE ROW EXCLUSIVE",
        ),
    ]


def _bodies(scope: Scope) -> dict[str, str]:
    """Role to body of the functions, the guard's aside."""
    truncated = [
        f"DELETE FROM limosa.{name} WHERE migration = {literal(scope.id)}" for name in ("exception", "touched")
    ]
    if scope.partitioned:
        truncated = list(forget(scope))
    bodies = {"capture": _capture_body(scope), "truncate": f"BEGIN {'; '.join(truncated)}; RETURN NULL; END"}
    return bodies | ({"emptied": emptied_body(scope)} if _emptied(scope) else {})


def _emptied(scope: Scope) -> tuple[str, ...]:
    """The trigger on the table beside that tells of its TRUNCATE; without partitions the rows go along with it."""
    return (f"limosa_{scope.id}_emptied",) if _moves(scope) else ()


def _apart(scope: Scope) -> list[str]:
    """What the table's own triggers do not see: TRUNCATE of one partition, and of the table beside by CASCADE."""
    made = [watch(scope, trigger=trigger_names(scope)["truncate"], function=_function(scope, "truncate").sql)]
    for name in _emptied(scope):
        side = scope.new(0).relation.sql
        function = f"{_function(scope, 'emptied').sql}()"
        made += [
            f"CREATE TRIGGER {quoted(name)} AFTER TRUNCATE ON {side} FOR EACH STATEMENT EXECUTE FUNCTION {function}",
            f"ALTER TABLE {side} ENABLE ALWAYS TRIGGER {quoted(name)}",
        ]
    return made


def _trigger(scope: Scope, name: str, body: str) -> tuple[str, str]:
    return (
        f"CREATE TRIGGER {quoted(name)} {body}",
        # A subscriber's apply fires no ordinary trigger.
        f"ALTER TABLE {scope.relation.sql} ENABLE ALWAYS TRIGGER {quoted(name)}",
    )


def guard_trigger(scope: Scope) -> tuple[str, str]:
    """The statements that make the guard's trigger; no column that it names can change its type while it stands."""
    body = f"{_guarded(scope)} EXECUTE FUNCTION {_function(scope, 'guard').sql}()"
    return _trigger(scope, trigger_names(scope)["guard"], body)


def _capture_body(scope: Scope) -> str:
    ids = literal(scope.id)
    new, old = (scope.key_array(alias) for alias in ("new", "old"))
    return (
        "BEGIN\n"
        f"  IF TG_OP <> 'DELETE' THEN {_NOTE} ({ids}, {new}); END IF;\n"
        f"  IF TG_OP = 'DELETE' THEN {_NOTE} ({ids}, {old});\n"
        f"  ELSIF TG_OP = 'UPDATE' AND {old} IS DISTINCT FROM {new} THEN {_NOTE} ({ids}, {old}); END IF;\n"
        "  RETURN NULL;\nEND"
    )


def _text_differs(columns: Sequence[str]) -> str:
    same = [
        f'old.{quoted(name)}::text COLLATE "C" IS DISTINCT FROM new.{quoted(name)}::text COLLATE "C"'
        for name in dict.fromkeys(columns)
    ]
    return "(" + (" OR ".join(same) or "false") + ")"


def _texts(scope: Scope) -> list[str]:
    return [column.name for column in scope.text_source]


def _written(scope: Scope) -> list[str]:
    """The same as a BEFORE trigger sees them: a generated column has no value yet, what it is made of has."""
    return [name for column in scope.text_source for name in (column.made_of if column.generated else (column.name,))]


def _outrun(scope: Scope) -> str:
    """Text, key, or membership of the filter differs."""
    parts = [_text_differs(_texts(scope))]
    parts += [f"old.{quoted(column.name)} IS DISTINCT FROM new.{quoted(column.name)}" for column in scope.key]
    if scope.filter is not None:
        parts.append(f"({scope.where('old')}) IS DISTINCT FROM ({scope.where('new')})")
    return " OR ".join(parts)


def _guarded(scope: Scope) -> str:
    """When the guard takes a vector away: in the row itself before it is written, in a table beside it after."""
    table = scope.relation.sql
    if scope.new(0).beside:
        return f"AFTER UPDATE ON {table} FOR EACH ROW WHEN ({_text_differs(_texts(scope))})"
    return f"BEFORE UPDATE ON {table} FOR EACH ROW WHEN ({_unwritten(scope)})"


def _unwritten(scope: Scope) -> str:
    """The text differs, and the statement did not write the new vector itself."""
    column = quoted(scope.new(0).column)
    equal = f"OPERATOR({scope.operators}.=)"
    both = f"old.{column} IS NOT NULL AND new.{column} IS NOT NULL"
    return f"{_text_differs(_written(scope))} AND {both} AND old.{column} {equal} new.{column}"


def _when(condition: str, scope: Scope) -> str:
    return f" WHEN ({condition})" if scope.filter is not None else ""


@dataclass(frozen=True, slots=True)
class TriggerCapture:
    """The change table of one migration."""

    database: Database
    scope: Scope

    def take(self, limit: int) -> list[Change]:
        """The oldest changes, in order; they stay until settled."""
        return self._changes.take(limit)

    def note(self, keys: Sequence[Key], tx: Tx) -> None:
        """Queues keys that must be read again."""
        self._changes.note(keys, tx)

    def settle(self, ids: Sequence[int], tx: Tx) -> None:
        """Removes exactly these changes."""
        self._changes.settle(ids, tx)

    def outstanding(self, tx: Tx) -> int:
        """How many changes wait, as this transaction sees it."""
        return self._changes.outstanding(tx)

    @property
    def _changes(self) -> ChangeTable:
        return ChangeTable(self.database, self.scope.id)

    def unseen(self, *, switched: bool, emptied: bool = False) -> Iterator[Looked]:
        """Empty: triggers note everything."""
        return iter(())

    def intact(self) -> str | None:
        """What is wrong with the triggers; None while they stand, enabled."""
        names = trigger_names(self.scope)
        if self.scope.partitioned:
            with self.database.begin() as tx:
                emptied = _emptied(self.scope)
                return faults(tx, self.scope, list(names.values()), trigger=names["truncate"], emptied=emptied)
        with self.database.begin() as tx:
            found = dict(
                tx.execute(
                    "SELECT tgname, tgenabled::text FROM pg_trigger"
                    " WHERE tgrelid = %(oid)s AND tgname = ANY(%(names)s)",
                    {"oid": self.scope.table_oid, "names": list(names.values())},
                )
            )
        wrong = [name for name in names.values() if found.get(name) != "A"]
        if not wrong:
            return None
        return f"Trigger {', '.join(wrong)} on {self.scope.relation} is missing or not ENABLE ALWAYS."

    def amends(self, epoch: int) -> list[Operation]:
        """What arms partitions that came after expand, and forgets those that went."""
        scope = self.scope
        if not scope.partitioned:
            return []
        trigger, function = trigger_names(scope)["truncate"], _function(scope, "truncate").sql
        with self.database.begin() as tx:
            return amends(tx, scope, trigger=trigger, function=function, seat=scope.new(epoch))
