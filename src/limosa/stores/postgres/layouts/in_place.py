"""Layout ``in_place``: the column itself changes its type in a maintenance window; its old vectors are kept aside."""

from __future__ import annotations

from dataclasses import dataclass

from limosa.model.migration import Index
from limosa.model.operation import Operation
from limosa.stores.postgres.capture import arm, guard_trigger, trigger_names
from limosa.stores.postgres.catalogue import Column, IndexFacts, Table
from limosa.stores.postgres.dependents import Remade
from limosa.stores.postgres.indexes import build
from limosa.stores.postgres.layouts.parts import disarm, drop_old, final_match, inherit_name, mirrored_rights, not_null
from limosa.stores.postgres.layouts.twins import Twins
from limosa.stores.postgres.match import MatchFunction
from limosa.stores.postgres.names import Relation, literal, quoted
from limosa.stores.postgres.scope import Scope
from limosa.stores.postgres.seat import Seat

__all__ = ["InPlaceLayout"]

_STORAGE = {"p": "PLAIN", "e": "EXTERNAL", "m": "MAIN", "x": "EXTENDED"}
_COMPRESSION = {"p": "pglz", "l": "lz4"}
"""Source: attstorage and attcompression of pg_attribute in Postgres's documentation, "System Catalogs"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InPlaceLayout:
    """The operations of a migration, made once from the facts at plan and then locked.

    One transaction, under one lock, saves the old vectors, takes the old index away and changes the column's type; its
    undo puts all of them back. Between the two the table has no other vectors than those that are filled in.

    Attributes:
        table: the facts when the plan was made.
        rows: rows of the filter then.
        predecessors: views that earlier migrations of limosa left over the column.
        remade: what hangs on the column, and is dropped and made again around each change of its type.
    """

    scope: Scope
    table: Table
    index: Index | None
    match: MatchFunction | None
    rows: int
    predecessors: tuple[Relation, ...] = ()
    remade: tuple[Remade, ...] = ()

    def make_room(self) -> list[Operation]:
        """Capture, the change of type, and what the application reads through."""
        return [*arm(self.scope), self._convert(), *(self.match.make() if self.match is not None else [])]

    def build_index(self) -> list[Operation]:
        """The index, then the match function that answers in both spaces."""
        built = build(self.scope, self.table, self.index, rows=self.rows) if self.index is not None else []
        ready = [self.match.phase("ready", step="index", before="filling")] if self.match is not None else []
        return [*built, *self._refreshed(), *ready]

    def switch(self) -> list[Operation]:
        """The vectors stand where they belong already: only the match function prefers the new ones from here on."""
        saved, match = self.scope.old(0).relation, self.match
        mark = f"COMMENT ON TABLE {saved.sql} IS {{0}}"
        return [
            Operation(
                id="switch",
                step="cutover",
                title=f"Take the new vectors of {self.scope.relation}.{self.scope.vector} into use",
                do=(
                    f"LOCK TABLE {self.scope.relation.sql} IN SHARE ROW EXCLUSIVE MODE",
                    mark.format("'switched'"),
                    *(match.statements("switched") if match is not None else ()),
                ),
                undo=(
                    f"LOCK TABLE {self.scope.relation.sql} IN SHARE ROW EXCLUSIVE MODE",
                    mark.format("NULL"),
                    *(match.statements("ready") if match is not None else ()),
                ),
                probe=(
                    f"SELECT coalesce(obj_description(to_regclass({literal(saved.sql)}), 'pg_class') = 'switched',"
                    " false)"
                ),
                lock="SHARE ROW EXCLUSIVE",
            )
        ]

    def clear_away(self) -> list[Operation]:
        """Takes the triggers and the saved vectors away."""
        return [
            *final_match(self.match),
            disarm(self.scope),
            drop_old(self.scope, self.match, self.predecessors),
            *inherit_name(self.scope, self.table, self.index),
        ]

    def _convert(self) -> Operation:
        scope, saved = self.scope, self.scope.old(0)
        table = scope.relation.sql
        column = self.table.require(scope.vector, "the vector column")
        lock = f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"
        return Operation(
            id="convert",
            step="expand",
            title=f"Save the old vectors as {saved.relation}, and make {scope.relation}.{scope.vector}"
            f" {scope.base}({scope.new_dimensions})",
            do=(
                lock,
                self._as_planned,
                self._unguarded,
                *self._save(saved),
                *self._dropped,
                *(f"DROP INDEX {Relation(scope.relation.schema, each.name).sql}" for each in self._old_indexes),
                *([f"ALTER TABLE {table} ALTER COLUMN {quoted(column.name)} DROP NOT NULL"] if column.not_null else []),
                f"{_retyped(table, column.name, f'{scope.type}({scope.new_dimensions})')} NULL",
                *_stored(table, column),
                *guard_trigger(scope),
                *(statement for each in self.remade for statement in each.create),
            ),
            undo=(
                lock,
                self._as_planned,
                self._unguarded,
                *self._dropped,
                *self._bring_back(saved, column),
                *(statement for each in self.remade for statement in (*each.create, each.refresh) if statement),
            ),
            probe=f"SELECT to_regclass({literal(saved.relation.sql)}) IS NOT NULL",
            lock="ACCESS EXCLUSIVE",
        )

    def _refreshed(self) -> list[Operation]:
        """Fills the materialized views that were made again."""
        return [
            Operation(
                id=f"refresh-{number}",
                step="index",
                title=f"Fill the materialized view {each.name} with the new vectors",
                do=(each.refresh,),
                probe=(
                    "SELECT relispopulated FROM pg_class"
                    f" WHERE oid = to_regclass({literal(each.names[0].relation.sql)})"
                ),
                lock="ACCESS EXCLUSIVE on the view",
            )
            for number, each in enumerate(self.remade, 1)
            if each.refresh
        ]

    @property
    def _as_planned(self) -> str:
        return Twins(self.scope, self.remade).as_planned()

    @property
    def _dropped(self) -> tuple[str, ...]:
        return tuple(each.drop for each in reversed(self.remade))

    @property
    def _unguarded(self) -> str:
        """A column that a trigger names keeps its type."""
        return f"DROP TRIGGER IF EXISTS {quoted(trigger_names(self.scope)['guard'])} ON {self.scope.relation.sql}"

    @property
    def _old_indexes(self) -> list[IndexFacts]:
        """Approximate indexes on the vectors: filling would enter each row into them."""
        return [
            each
            for each in self.table.indexes
            if self.scope.vector in each.columns and each.method in {"hnsw", "ivfflat"}
        ]

    def _save(self, saved: Seat) -> tuple[str, ...]:
        keys, vector = self._keys, quoted(self.scope.vector)
        return (
            f"CREATE TABLE {saved.relation.sql} AS SELECT {keys}, {vector} FROM {self.scope.relation.sql}"
            f" WHERE {vector} IS NOT NULL",
            f"ALTER TABLE {saved.relation.sql} ADD PRIMARY KEY ({keys})",
            *mirrored_rights(self.scope, self.table, saved.relation, allowed=("SELECT",)),
        )

    def _bring_back(self, saved: Seat, column: Column) -> tuple[str, ...]:
        """One rewrite reads the saved vectors by key: no row is updated, and no trigger of the table fires."""
        table, name = self.scope.relation.sql, quoted(column.name)
        reader = Relation("limosa", f"saved_vector_{self.scope.id}").sql
        types = ", ".join(each.type for each in self.scope.key)
        same = " AND ".join(f"o.{quoted(each.name)} = ${i}" for i, each in enumerate(self.scope.key, 1))
        body = f"SELECT o.{name} FROM {saved.relation.sql} AS o WHERE {same}"
        filled = (
            f"DO $limosa$ BEGIN IF NOT EXISTS (SELECT FROM {table} WHERE {name} IS NULL)"
            f" THEN {not_null(table, name, column.not_null_name)}; END IF; END $limosa$"
        )
        return (
            f"CREATE FUNCTION {reader}({types}) RETURNS {self.scope.operators}.{quoted(column.base)}"
            f" LANGUAGE sql STABLE AS $limosa${body}$limosa$",
            f"{_retyped(table, column.name, column.type)} {reader}({self._keys})",
            *_stored(table, column),
            f"DROP FUNCTION {reader}({types})",
            *([filled] if column.not_null else []),
            *(statement for each in self._old_indexes for statement in each.made),
            f"DROP TABLE {saved.relation.sql}",
        )

    @property
    def _keys(self) -> str:
        return ", ".join(quoted(each.name) for each in self.scope.key)


def _retyped(table: str, column: str, kind: str) -> str:
    return f"ALTER TABLE {table} ALTER COLUMN {quoted(column)} TYPE {kind} USING"


def _stored(table: str, column: Column) -> list[str]:
    """A change of type silently resets how the column is stored."""
    kept = {"STORAGE": _STORAGE.get(column.storage), "COMPRESSION": _COMPRESSION.get(column.compression)}
    return [
        f"ALTER TABLE {table} ALTER COLUMN {quoted(column.name)} SET {what} {value}"
        for what, value in kept.items()
        if value
    ]
