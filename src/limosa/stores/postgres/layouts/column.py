"""Layout ``column``: the new vectors in a new column of the same table, switched by renaming."""

from __future__ import annotations

from dataclasses import dataclass

from limosa.model.migration import Index
from limosa.model.operation import Operation
from limosa.stores.postgres.capture import arm, guard_function
from limosa.stores.postgres.catalogue import Table
from limosa.stores.postgres.dependents import Remade
from limosa.stores.postgres.indexes import build
from limosa.stores.postgres.layouts.parts import (
    disarm,
    drop_old,
    final_match,
    has_column,
    inherit_name,
    lift_not_null,
    nothing_hangs,
)
from limosa.stores.postgres.layouts.twins import Twins, together
from limosa.stores.postgres.match import MatchFunction
from limosa.stores.postgres.names import Relation, quoted
from limosa.stores.postgres.partition_indexes import build_apart
from limosa.stores.postgres.scope import Scope

__all__ = ["ColumnLayout"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnLayout:
    """The operations of a migration, made once from the facts at plan and then locked.

    Attributes:
        table: the facts when the plan was made.
        rows: rows of the filter then.
        predecessors: views that earlier migrations of limosa left over the column.
        remade: what hangs on the old column and travels, first what others need.
        settings: statements that give the new column what people gave to the old one.
    """

    scope: Scope
    table: Table
    index: Index | None
    match: MatchFunction | None
    rows: int
    predecessors: tuple[Relation, ...] = ()
    remade: tuple[Remade, ...] = ()
    settings: tuple[str, ...] = ()

    @property
    def _twins(self) -> Twins:
        return Twins(self.scope, self.remade)

    def make_room(self) -> list[Operation]:
        """Column, capture, views, match function."""
        return [self._add_column(), *arm(self.scope), *(self.match.make() if self.match is not None else [])]

    def build_index(self) -> list[Operation]:
        """The index, then the match function that answers in both spaces."""
        made = build_apart if self.scope.partitioned else build
        built = made(self.scope, self.table, self.index, rows=self.rows) if self.index is not None else []
        ready = [self.match.phase("ready", step="index", before="filling")] if self.match is not None else []
        return built + self._twins.make() + ready

    def switch(self) -> list[Operation]:
        """Lifts NOT NULL where it stands, then renames columns and dependents in one short transaction."""
        scope, twins = self.scope, self._twins
        table = scope.relation.sql
        plain, work, parked = quoted(scope.vector), quoted(scope.new(0).column), quoted(scope.old(1).column)
        matched = self.match.statements("switched") if self.match is not None else ()
        unmatched = self.match.statements("ready") if self.match is not None else ()
        rename = "ALTER TABLE {0} RENAME COLUMN {1} TO {2}"
        switched = Operation(
            id="switch",
            step="cutover",
            title=f"Make the new vectors {scope.relation}.{scope.vector}; the old ones stay as {scope.old(1).column}",
            do=(
                twins.lock,
                together(
                    twins.as_planned(),
                    rename.format(table, plain, parked),
                    rename.format(table, work, plain),
                    *twins.switch(),
                    guard_function(scope, scope.new(1)),
                    *matched,
                ),
            ),
            undo=(
                twins.lock,
                together(
                    twins.as_planned(),
                    rename.format(table, plain, work),
                    rename.format(table, parked, plain),
                    *twins.switch_back(),
                    guard_function(scope, scope.new(0)),
                    *unmatched,
                ),
            ),
            probe=has_column(scope.relation, scope.old(1).column),
            lock="ACCESS EXCLUSIVE",
        )
        # First what takes its time: lifting and switching are one transaction of a script.
        return [*twins.fill_again(), *lift_not_null(scope, self.table), switched]

    def clear_away(self) -> list[Operation]:
        """Takes the triggers, the old column and its index away; nothing of this can be undone."""
        scope = self.scope
        return [
            nothing_hangs(scope, self._twins.parked),
            *final_match(self.match),
            disarm(scope),
            drop_old(scope, self.match, self.predecessors, first=self._twins.drop_old()),
            *inherit_name(scope, self.table, self.index),
        ]

    def _add_column(self) -> Operation:
        scope = self.scope
        name = scope.new(0).column
        return Operation(
            id="add-column",
            step="expand",
            title=f"Add the column {name} {scope.base}({scope.new_dimensions}) to {scope.relation}",
            do=(
                f"ALTER TABLE {scope.relation.sql} ADD COLUMN {quoted(name)} {scope.type}({scope.new_dimensions})",
                *self.settings,
            ),
            undo=(f"ALTER TABLE {scope.relation.sql} DROP COLUMN IF EXISTS {quoted(name)}",),
            probe=has_column(scope.relation, name),
            lock="ACCESS EXCLUSIVE",
        )
