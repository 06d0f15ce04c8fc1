"""The view through which an application reads rows with whichever vectors are in use."""

from __future__ import annotations

from dataclasses import dataclass

from limosa.model.migration import Migration
from limosa.model.operation import Operation
from limosa.stores.postgres.catalogue import Table
from limosa.stores.postgres.names import Relation, literal, parse_relation, quoted
from limosa.stores.postgres.scope import Scope
from limosa.stores.postgres.seat import Seat

__all__ = ["LiveView", "live_view"]


def live_view(migration: Migration, scope: Scope) -> Relation | None:
    """The name of the file's view; without a schema it lies in that of the table. None where there is none."""
    if migration.view is None:
        return None
    schema, name = parse_relation(migration.view)
    return Relation(schema or scope.relation.schema, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveView:
    """A view of every row that has a vector: all columns of the table but the old vectors, then the vector.

    It stands from expand on, over the old vectors; the switch replaces it in place, so that what depends on it and
    statements in flight stay. Its vector column declares no dimension, which a view cannot change.
    """

    scope: Scope
    table: Table
    relation: Relation

    def make(self) -> Operation:
        """The view over the old vectors: the step expand."""
        view = self.relation.sql
        readers = dict.fromkeys(
            quoted(grant.grantee) if grant.grantee is not None else "PUBLIC"
            for grant in self.table.grants
            if grant.privilege == "SELECT" and grant.column is None
        )
        owner = self.table.owner
        return Operation(
            id="make-view",
            step="expand",
            title=f"Make the view {self.relation}, over the old vectors until cutover",
            do=(
                *self.statements(new=False),
                *(f"GRANT SELECT ON {view} TO {to}" for to in readers),
                *((f"ALTER VIEW {view} OWNER TO {quoted(owner)}",) if owner != self.table.server.user else ()),
            ),
            undo=(f"DROP VIEW IF EXISTS {view}",),
            probe=f"SELECT to_regclass({literal(view)}) IS NOT NULL",
            lock="ACCESS SHARE",
        )

    def statements(self, *, new: bool) -> tuple[str, ...]:
        """The statement that puts the view over the new or over the old vectors."""
        scope, seat = self.scope, self._seat(new=new)
        names = [f"t.{quoted(column.name)}" for column in self.table.columns if column.name != scope.vector]
        vector = f"{seat.value}::{scope.operators}.{quoted(scope.base)} AS {quoted(scope.vector)}"
        # An inner join: over an outer one Postgres never searches by the index of the vectors.
        return (
            f"CREATE OR REPLACE VIEW {self.relation.sql} WITH (security_invoker = true) AS"
            f" SELECT {', '.join([*names, vector])}"
            f" FROM {scope.relation.sql} AS t{seat.joined('JOIN')} WHERE {seat.value} IS NOT NULL",
        )

    def probe(self, *, new: bool) -> str:
        """Whether the view stands over the new or over the old vectors."""
        seat = self._seat(new=new)
        return (
            "SELECT EXISTS (SELECT FROM pg_depend AS d JOIN pg_rewrite AS r ON r.oid = d.objid"
            " JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid"
            f" WHERE d.classid = 'pg_rewrite'::regclass AND r.ev_class = to_regclass({literal(self.relation.sql)})"
            f" AND d.refobjid = to_regclass({literal(seat.relation.sql)}) AND a.attname = {literal(seat.column)})"
        )

    def _seat(self, *, new: bool) -> Seat:
        return self.scope.new(1) if new else self.scope.old(1)
