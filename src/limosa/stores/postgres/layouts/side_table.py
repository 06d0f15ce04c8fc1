"""Layout ``side_table``: the new vectors in a table of their own beside the table, which stays as it is."""

from __future__ import annotations

from dataclasses import dataclass

from limosa.model.migration import Index
from limosa.model.operation import Operation
from limosa.stores.postgres.capture import arm
from limosa.stores.postgres.catalogue import Table
from limosa.stores.postgres.indexes import build
from limosa.stores.postgres.layouts.parts import (
    disarm,
    drop_old,
    final_match,
    has_column,
    lift_not_null,
    mirrored_rights,
    nothing_hangs,
)
from limosa.stores.postgres.match import MatchFunction
from limosa.stores.postgres.names import Relation, literal, quoted, shortened
from limosa.stores.postgres.scope import Scope
from limosa.stores.postgres.view import LiveView

__all__ = ["SideTableLayout"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SideTableLayout:
    """The operations of a migration, made once from the facts at plan and then locked.

    Nothing of the table is rewritten: its rows are only locked while their vectors are written, so that no index of
    it takes them in again.

    Attributes:
        side: the table of the new vectors.
        table: the facts when the plan was made.
        rows: rows of the filter then.
        predecessors: views that earlier migrations of limosa left over the old vectors.
        view: through which the application reads; None where the file names none.
    """

    scope: Scope
    side: Relation
    table: Table
    index: Index | None
    match: MatchFunction | None
    rows: int
    predecessors: tuple[Relation, ...] = ()
    view: LiveView | None = None

    def make_room(self) -> list[Operation]:
        """The table, its foreign key, capture, and what the application reads through."""
        made = [self._make_table(), self._foreign_key(), *arm(self.scope)]
        made += self.match.make() if self.match is not None else []
        return made + ([self.view.make()] if self.view is not None else [])

    def build_index(self) -> list[Operation]:
        """Proves the foreign key, builds the index, then lets the match function answer in both spaces."""
        built = build(self.scope, self.table, self.index, rows=self.rows) if self.index is not None else []
        ready = [self.match.phase("ready", step="index", before="filling")] if self.match is not None else []
        return [self._validate(), *built, *ready]

    def switch(self) -> list[Operation]:
        """Lets the match function or the view read the new vectors first, while nobody writes to the table."""
        match, view, table = self.match, self.view, self.scope.relation.sql
        lock = f"LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE"
        forward = (*(match.statements("switched") if match else ()), *(view.statements(new=True) if view else ()))
        back = (*(match.statements("ready") if match else ()), *(view.statements(new=False) if view else ()))
        probe = view.probe(new=True) if view is not None else match.probe("switched") if match is not None else ""
        switched = Operation(
            id="switch",
            step="cutover",
            title=f"Make {self.side} the vectors of {self.scope.relation}; the old ones stay where they are",
            do=(lock, *forward),
            undo=(lock, *back),
            probe=probe,
            lock="SHARE ROW EXCLUSIVE",
        )
        return [*lift_not_null(self.scope, self.table), switched]

    def clear_away(self) -> list[Operation]:
        """Takes the triggers and the old vectors away; the table beside stays, with its foreign key."""
        scope, match = self.scope, self.match
        return [
            nothing_hangs(scope),
            *final_match(match),
            disarm(scope),
            drop_old(scope, match, self.predecessors),
        ]

    def _make_table(self) -> Operation:
        scope, table, side = self.scope, self.table, self.side.sql
        allowed = ("SELECT",) if table.row_security else ("SELECT", "INSERT", "UPDATE", "DELETE")
        keys = ", ".join(quoted(column.name) for column in scope.key)
        vector = f"{quoted(scope.vector)} {scope.type}({scope.new_dimensions}) NOT NULL"
        return Operation(
            id="make-side-table",
            step="expand",
            title=f"Make the table {self.side} for {scope.base}({scope.new_dimensions}), with the key of"
            f" {scope.relation}, readable by whoever may read that",
            do=(
                # Types, collations and domains of the key come along.
                f"CREATE TABLE {side} AS SELECT {keys} FROM {scope.relation.sql} WITH NO DATA",
                f"ALTER TABLE {side} ADD COLUMN {vector}, ADD PRIMARY KEY ({keys})",
                *mirrored_rights(scope, table, self.side, allowed=allowed),
                *([f"ALTER TABLE {side} OWNER TO {quoted(table.owner)}"] if table.owner != table.server.user else []),
            ),
            undo=(f"DROP TABLE IF EXISTS {side}",),
            probe=has_column(self.side, scope.vector),
        )

    @property
    def _constraint(self) -> str:
        return shortened(self.side.name, "_row_fkey")

    def _foreign_key(self) -> Operation:
        keys = ", ".join(quoted(column.name) for column in self.scope.key)
        side, table = self.side.sql, self.scope.relation.sql
        return Operation(
            id="side-foreign-key",
            step="expand",
            title=f"Tie each vector to its row of {self.scope.relation}: it goes when the row does",
            do=(
                f"ALTER TABLE {side} ADD CONSTRAINT {quoted(self._constraint)} FOREIGN KEY ({keys})"
                f" REFERENCES {table} ({keys}) ON UPDATE CASCADE ON DELETE CASCADE NOT VALID",
            ),
            undo=(f"ALTER TABLE IF EXISTS {side} DROP CONSTRAINT IF EXISTS {quoted(self._constraint)}",),
            probe=f"SELECT EXISTS ({self._constraint_row})",
            lock="SHARE ROW EXCLUSIVE",
        )

    def _validate(self) -> Operation:
        side, scope = self.side.sql, self.scope
        same = " AND ".join(f"t.{quoted(c.name)} = v.{quoted(c.name)}" for c in scope.key)
        return Operation(
            id="side-foreign-key-validated",
            step="index",
            title=f"Prove that every vector of {self.side} has its row",
            do=(
                # A subscriber's apply deletes rows without the foreign key being told.
                f"DELETE FROM {side} AS v WHERE NOT EXISTS (SELECT FROM {scope.relation.sql} AS t WHERE {same})",
                f"ALTER TABLE {side} VALIDATE CONSTRAINT {quoted(self._constraint)}",
            ),
            probe=f"SELECT EXISTS ({self._constraint_row} AND convalidated)",
            lock="SHARE UPDATE EXCLUSIVE",
        )

    @property
    def _constraint_row(self) -> str:
        return (
            f"SELECT FROM pg_constraint WHERE conrelid = to_regclass({literal(self.side.sql)})"
            f" AND conname = {literal(self._constraint)}"
        )
