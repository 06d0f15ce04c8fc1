"""Layout ``column``: the new vectors in a new column of the same table, switched by renaming."""

from __future__ import annotations

from dataclasses import dataclass

from limosa.model.migration import Index
from limosa.model.operation import Operation
from limosa.stores.postgres.capture import arm, guard_function
from limosa.stores.postgres.catalogue import Column, Table
from limosa.stores.postgres.indexes import build, index_relation
from limosa.stores.postgres.match import MatchFunction
from limosa.stores.postgres.names import Relation, literal, quoted
from limosa.stores.postgres.scope import Scope

__all__ = ["ColumnLayout"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnLayout:
    """The operations of a migration, made once from the facts at plan and then locked.

    Attributes:
        table: the facts when the plan was made.
        rows: rows of the filter then.
        predecessors: views that earlier migrations of limosa left over the column.
    """

    scope: Scope
    table: Table
    index: Index | None
    match: MatchFunction | None
    rows: int
    predecessors: tuple[Relation, ...] = ()

    def make_room(self) -> list[Operation]:
        """Column, capture, views, match function."""
        if self.scope.shape == "fill":
            return arm(self.scope)
        made = [self._add_column(), *arm(self.scope)]
        return made + (self.match.make() if self.match is not None else [])

    def build_index(self) -> list[Operation]:
        """The index, then the match function that answers in both spaces."""
        if self.scope.shape == "fill":
            return []
        built = build(self.scope, self.table, self.index, rows=self.rows) if self.index is not None else []
        ready = [self.match.phase("ready", step="index", before="filling")] if self.match is not None else []
        return built + ready

    def switch(self) -> list[Operation]:
        """Lifts NOT NULL where it stands, then renames both columns in one short transaction."""
        scope = self.scope
        if scope.shape == "fill":
            return []
        table = scope.relation.sql
        plain, work, parked = quoted(scope.vector), quoted(scope.new(0).column), quoted(scope.old(1).column)
        matched = self.match.statements("switched") if self.match is not None else ()
        unmatched = self.match.statements("ready") if self.match is not None else ()
        lock = f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"
        rename = "ALTER TABLE {0} RENAME COLUMN {1} TO {2}"
        switched = Operation(
            id="switch",
            step="cutover",
            title=f"Make the new vectors {scope.relation}.{scope.vector}; the old ones stay as {scope.old(1).column}",
            do=(
                lock,
                rename.format(table, plain, parked),
                rename.format(table, work, plain),
                guard_function(scope, scope.new(1)),
                *matched,
            ),
            undo=(
                lock,
                rename.format(table, plain, work),
                rename.format(table, parked, plain),
                guard_function(scope, scope.new(0)),
                *unmatched,
            ),
            probe=self._has_column(scope.old(1).column),
            lock="ACCESS EXCLUSIVE",
        )
        return [*self._lift_not_null(), switched]

    def clear_away(self) -> list[Operation]:
        """Takes the triggers, the old column and its index away; nothing of this can be undone."""
        scope = self.scope
        table = scope.relation.sql
        armed = arm(scope)
        disarm = Operation(
            id="disarm",
            step="finish",
            title="Take the capture triggers away",
            do=tuple(statement for operation in reversed(armed) for statement in operation.undo),
            probe="SELECT NOT (" + armed[0].probe.removeprefix("SELECT ") + ")",
            lock="ACCESS EXCLUSIVE",
        )
        if scope.shape == "fill":
            return [disarm]
        return [*self._final_match(), disarm, *self._drop_old(table), *self._inherit_name()]

    def _add_column(self) -> Operation:
        scope = self.scope
        name = scope.new(0).column
        return Operation(
            id="add-column",
            step="expand",
            title=f"Add the column {name} {scope.base}({scope.new_dimensions}) to {scope.relation}",
            do=(f"ALTER TABLE {scope.relation.sql} ADD COLUMN {quoted(name)} {scope.type}({scope.new_dimensions})",),
            undo=(f"ALTER TABLE {scope.relation.sql} DROP COLUMN IF EXISTS {quoted(name)}",),
            probe=self._has_column(name),
            lock="ACCESS EXCLUSIVE",
        )

    def _has_column(self, name: str) -> str:
        return (
            f"SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = {literal(self.scope.relation.sql)}::regclass"
            f" AND attname = {literal(name)} AND NOT attisdropped)"
        )

    def _lift_not_null(self) -> list[Operation]:
        vector = self.table.column(self.scope.vector)
        if vector is None or not vector.not_null:
            return []
        table, column = self.scope.relation.sql, quoted(vector.name)
        return [
            Operation(
                id="lift-not-null",
                step="cutover",
                title=f"Lift NOT NULL of {vector.name}: rows that arrive later have no old vector",
                do=(f"ALTER TABLE {table} ALTER COLUMN {column} DROP NOT NULL",),
                undo=_restore_not_null(table, column, f"limosa_{self.scope.id}_not_null"),
                probe=_nullable(self.scope, vector),
                lock="ACCESS EXCLUSIVE",
                each=True,
            )
        ]

    def _final_match(self) -> list[Operation]:
        if self.match is None:
            return []
        return [
            Operation(
                id="match-finished",
                step="finish",
                title=f"Let {self.match.relation} answer in the new space only",
                do=self.match.statements("finished"),
                probe=self.match.probe("finished"),
            )
        ]

    def _drop_old(self, table: str) -> list[Operation]:
        name = self.scope.old(1).column
        views = [view.sql for view in self.predecessors]
        if self.match is not None:
            views.append(self.match.views[0].sql)
        drop_views = (f"DROP VIEW IF EXISTS {', '.join(views)}",) if views else ()
        return [
            Operation(
                id="drop-old",
                step="finish",
                title=f"Drop the old vectors {name} and their index",
                do=(*drop_views, f"ALTER TABLE {table} DROP COLUMN IF EXISTS {quoted(name)}"),
                probe="SELECT NOT (" + self._has_column(name).removeprefix("SELECT ") + ")",
                lock="ACCESS EXCLUSIVE",
            )
        ]

    def _inherit_name(self) -> list[Operation]:
        """The new index takes the old one's name, if there was exactly one."""
        olds = [each for each in self.table.indexes if self.scope.vector in each.columns]
        if len(olds) != 1 or self.index is None:
            return []
        new, schema = index_relation(self.scope), self.scope.relation.schema
        old = Relation(schema, olds[0].name)
        return [
            Operation(
                id="name-index",
                step="finish",
                title=f"Name the new index {old.name}, as the old one was",
                do=(f"ALTER INDEX IF EXISTS {new.sql} RENAME TO {quoted(old.name)}",),
                probe=f"SELECT to_regclass({literal(new.sql)}) IS NULL",
                lock="SHARE UPDATE EXCLUSIVE",
            )
        ]


def _nullable(scope: Scope, vector: Column) -> str:
    return (
        f"SELECT NOT attnotnull FROM pg_attribute WHERE attrelid = {literal(scope.relation.sql)}::regclass"
        f" AND attnum = {vector.number}"
    )


def _restore_not_null(table: str, column: str, name: str) -> tuple[str, ...]:
    """NOT NULL by way of a validated CHECK: no statement scans the table under a lock that stops writers.

    Rows that had to be left without an old vector keep the column nullable; rollback lists them.
    """
    check = quoted(name)
    validated = (
        f"EXISTS (SELECT FROM pg_constraint WHERE conrelid = {literal(table)}::regclass"
        f" AND conname = {literal(name)} AND convalidated)"
    )
    return (
        f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {check}",
        f"ALTER TABLE {table} ADD CONSTRAINT {check} CHECK ({column} IS NOT NULL) NOT VALID",
        f"DO $limosa$ BEGIN ALTER TABLE {table} VALIDATE CONSTRAINT {check};"
        f" EXCEPTION WHEN check_violation THEN ALTER TABLE {table} DROP CONSTRAINT {check}; END $limosa$",
        f"DO $limosa$ BEGIN IF {validated} THEN ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL;"
        f" ALTER TABLE {table} DROP CONSTRAINT {check}; END IF; END $limosa$",
    )
