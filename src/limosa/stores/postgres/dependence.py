"""Checks of what hangs on the vector column, and of the names that the layout needs."""

from __future__ import annotations

from limosa.model.migration import Migration
from limosa.model.plan import Check
from limosa.stores.postgres.capture import trigger_names
from limosa.stores.postgres.catalogue import Dependent, Table
from limosa.stores.postgres.names import Relation, parse_relation, quoted
from limosa.stores.postgres.scope import Scope
from limosa.stores.postgres.surroundings import Surroundings

__all__ = ["dependence_checks", "name_checks", "trigger_checks"]

_WHY = {
    "view": "keeps reading the old column after the switch",
    "materialized view": "keeps reading the old column after the switch",
    "rule on": "keeps naming the old column after the switch",
    "generated column": "keeps being made from the old column after the switch",
    "policy": "keeps looking at the old column after the switch",
    "constraint": "keeps holding for the old column after the switch",
    "function": "names the column in its body",
    "trigger": "names the column: it would fire for, or look at, the old one after the switch",
    "object": "depends on the old column",
}


def dependence_checks(table: Table, scope: Scope, migration: Migration, around: Surroundings) -> list[Check]:
    """What a renamed column cannot carry along, by name."""
    if scope.shape == "fill":
        return []
    found = [_dependent(table, scope, each) for each in _foreign(scope, migration, around)]
    named = {check.said for check in found}
    for trigger, function in around.trigger_bodies:
        said = f"The trigger {trigger} calls {function}, which names the column {scope.vector}."
        if said not in named:
            do = f"Take {scope.vector} out of the function, or drop the trigger; then plan again."
            found.append(_refusal(said, do))
    for view, readers in around.predecessors:
        others = [name for name in readers if name != _match_name(migration, scope, around)]
        if others:
            said = f"{', '.join(others)} was made by an earlier migration and reads {scope.vector} through {view}."
            do = f'Name it in the file: function = "{others[0]}" in [target.match]; or drop it.'
            found.append(_refusal(said, do))
    return found + (_published(table) if scope.beside is None else []) + _indexes(scope, around)


def _match_name(migration: Migration, scope: Scope, around: Surroundings) -> str:
    if migration.match is None:
        return ""
    schema, name = parse_relation(migration.match.function)
    found = around.routines[0].schema if around.routines else scope.relation.schema
    return str(Relation(schema or found, name))


def _foreign(scope: Scope, migration: Migration, around: Surroundings) -> list[Dependent]:
    """Dependents that are not the match function itself, not of use to a reader, and not told elsewhere."""
    own = {routine.signature for routine in around.routines}
    told = {"publication", "statistics"}
    return [each for each in around.dependents if each.kind not in told and each.name not in own]


def _dependent(table: Table, scope: Scope, dependent: Dependent) -> Check:
    why = _WHY.get(dependent.kind, _WHY["object"])
    do = f"Drop it before and make it again after cutover, or let it not name {scope.vector}."
    if dependent.kind == "function":
        do = (
            f"If it is how the application searches, name it as function in [target.match];"
            f" else take {scope.vector} out of it."
        )
    return _refusal(f"The {dependent.kind} {dependent.name} {why}.", do)


def _refusal(said: str, do: str) -> Check:
    needed = "A vector column that nothing else in the database names."
    return Check(name="dependents", verdict="refused", said=said, needed=needed, do=do)


def _published(table: Table) -> list[Check]:
    if not table.publications:
        return []
    names = ", ".join(table.publications)
    return [
        Check(
            name="publication",
            verdict="refused",
            said=f"{table.relation} is published by {names}: a new column stops the subscriber's apply.",
            needed="A table that is not published while it is migrated.",
            do=f"ALTER PUBLICATION {quoted(table.publications[0])} DROP TABLE {table.relation.sql};"
            " or end the publication.",
        )
    ]


def _indexes(scope: Scope, around: Surroundings) -> list[Check]:
    """Indexes beside a single vector index: finish drops them with the column."""
    vectors = [name for name, _, method in around.indexes if method in {"hnsw", "ivfflat"}]
    others = [name for name, _, method in around.indexes if method not in {"hnsw", "ivfflat"}]
    found = [
        _refusal(f"The unique index {name} names {scope.vector}; it would hold for the old column.", "Drop it.")
        for name, unique, _ in around.indexes
        if unique
    ]
    lost = others + vectors if len(vectors) > 1 else others
    if lost:
        said = f"These indexes stay with the old column and go with it at finish: {', '.join(lost)}."
        if len(vectors) > 1:
            said += " The file asks for one index on the new one."
        found.append(Check(name="indexes", verdict="note", said=said, do="Make their successors after cutover."))
    return found


def trigger_checks(table: Table, scope: Scope) -> list[Check]:
    """Triggers that would undo the guard, and triggers that fire for every row limosa writes."""
    found = []
    guard = trigger_names(scope).get("guard")
    if scope.new(0).beside:
        # It looks at the row when everything else has changed it.
        guard = None
    late = [t.name for t in table.triggers if t.before_update_row and guard and t.name.encode() > guard.encode()]
    if late:
        found.append(
            Check(
                name="guard-order",
                verdict="refused",
                said=f"The BEFORE UPDATE trigger {', '.join(late)} fires after the guard {guard}:"
                " it could change the text again.",
                needed="Row triggers whose names sort before ~limosa.",
                do=f"ALTER TRIGGER {quoted(late[0])} ON {table.relation.sql} RENAME TO ...;",
            )
        )
    writes = not scope.new(0).beside
    firing = [t.name for t in table.triggers if writes and _fires(t.on_update, t.enabled, t.definition, table)]
    firing = [name for name in firing if name not in trigger_names(scope).values()]
    if firing:
        rest = table.server.may_replicate
        why = (
            "They are ENABLE ALWAYS or REPLICA, so that session_replication_role does not rest them."
            if rest
            else f'GRANT SET ON PARAMETER session_replication_role TO "{table.server.user}"; would let them rest.'
        )
        found.append(
            Check(
                name="triggers",
                verdict="accept",
                said=f"These triggers fire for every row that limosa fills: {', '.join(firing)}. {why}",
                needed="Your word that they may fire once for every row.",
                do="Look at what they do (updated_at, audit), then accept.",
                flag="--accept-triggers",
            )
        )
    return found


def _fires(on_update: bool, enabled: str, definition: str, table: Table) -> bool:
    """Fires for an UPDATE of limosa's own column: one with a list of columns does not."""
    listed = " UPDATE OF " in definition
    return on_update and not listed and enabled in ("AR" if table.server.may_replicate else "AO")


def name_checks(table: Table, around: Surroundings) -> list[Check]:
    """The names that limosa makes are free."""
    if not around.taken:
        return []
    column = next((name.removeprefix("column ") for name in around.taken if name.startswith("column ")), None)
    do = f"Drop or rename it: ALTER TABLE {table.relation.sql} RENAME COLUMN {quoted(column)} TO ...;" if column else ""
    return [
        Check(
            name="names",
            verdict="refused",
            said=f"Taken already, and not by this migration: {', '.join(around.taken)}.",
            needed="These names, for as long as the migration lives.",
            do=do or "Drop or rename it.",
        )
    ]
