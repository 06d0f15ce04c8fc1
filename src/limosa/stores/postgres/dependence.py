"""Checks of what hangs on the vector column, and of the names that the layout needs."""

from __future__ import annotations

from limosa.model.migration import Migration
from limosa.model.plan import Check, refused
from limosa.stores.postgres.bodies import body_checks
from limosa.stores.postgres.capture import trigger_names
from limosa.stores.postgres.catalogue import Dependent, Table
from limosa.stores.postgres.names import Relation, parse_relation, quoted
from limosa.stores.postgres.scope import Scope
from limosa.stores.postgres.surroundings import Surroundings
from limosa.stores.postgres.travel import bound, publication_checks, staying_checks, travel_checks

__all__ = ["dependence_checks", "name_checks", "trigger_checks"]

_WHY = {
    "view": "reads the old column, and belongs to another migration",
    "rule on": "keeps naming the old column after the switch",
    "generated column": "is made from the vector, and could only be made anew by a rewrite of the table under its lock",
    "constraint": "keeps holding for the old column after the switch",
    "trigger": "names the column: it would fire for, or look at, the old one after the switch",
    "object": "depends on the old column",
}


def dependence_checks(table: Table, scope: Scope, migration: Migration, around: Surroundings) -> list[Check]:
    """What hangs on the old vectors: what travels to the new ones, and what a renamed column cannot carry along."""
    if scope.shape == "fill":
        return []
    match = _match_name(migration, scope, around)
    own = {routine.signature for routine in around.routines}
    found = _named_by_triggers(scope, around) + _predecessors(scope, around, match)
    if scope.beside is None:
        found += [_kept(scope, each) for each in around.dependents if _cannot_travel(each)]
        found += [_of_partition(each) for each in around.dependents if _reads_partition(each, around)]
        found += travel_checks(scope, around.hanging) + publication_checks(table, around)
    else:
        found += staying_checks(scope, around)
    if scope.in_place:
        found += _expressions(table, scope, around)
    return found + body_checks(scope, around, own=own) + _indexes(scope, around)


def _named_by_triggers(scope: Scope, around: Surroundings) -> list[Check]:
    do = f"Take {scope.vector} out of the function, or drop the trigger; then plan again."
    return [
        bound(f"The trigger {trigger} calls {function}, which names the column {scope.vector}.", do)
        for trigger, function in around.trigger_bodies
    ]


def _predecessors(scope: Scope, around: Surroundings, match: str) -> list[Check]:
    found = []
    for view, readers in around.predecessors:
        others = [name for name in readers if name != match]
        if others:
            said = f"{', '.join(others)} was made by an earlier migration and reads {scope.vector} through {view}."
            do = f'Name it in the file: function = "{others[0]}" in [target.match]; or drop it.'
            found.append(bound(said, do))
    return found


def _match_name(migration: Migration, scope: Scope, around: Surroundings) -> str:
    if migration.match is None:
        return ""
    schema, name = parse_relation(migration.match.function)
    found = around.routines[0].schema if around.routines else scope.relation.schema
    return str(Relation(schema or found, name))


def _cannot_travel(each: Dependent) -> bool:
    return each.schema == "limosa" if each.kind == "view" else each.kind in _WHY


def _reads_partition(each: Dependent, around: Surroundings) -> bool:
    """A view that hangs on a column of a partition, and not on the table's own."""
    travelling = {made.name for made in around.hanging.remade}
    return each.kind in {"view", "materialized view"} and each.schema != "limosa" and each.name not in travelling


def _of_partition(each: Dependent) -> Check:
    said = f"The {each.kind} {each.name} keeps reading the old column after the switch: it names a partition itself."
    return bound(said, "Let it read the partitioned table, or drop it before and make it again after finish.")


def _kept(scope: Scope, each: Dependent) -> Check:
    do = f"Drop it before and make it again after finish, or let it not name {scope.vector}."
    if each.kind == "generated column":
        do = 'Drop it before and add it again after finish; or set layout = "side_table".'
    return bound(f"The {each.kind} {each.name} {_WHY[each.kind]}.", do)


def _expressions(table: Table, scope: Scope, around: Surroundings) -> list[Check]:
    """An index on an expression would be made again with the old size in it, and then take no new vector."""
    plain = {each.name for each in table.indexes if scope.vector in each.columns}
    return [
        bound(
            f"The index {name} stands on an expression of {scope.vector}, which says the old type.",
            f"DROP INDEX {Relation(scope.relation.schema, name).sql}; make it again after finish, with the new type.",
        )
        for name, _, method in around.indexes
        if method in {"hnsw", "ivfflat"} and name not in plain
    ]


def _indexes(scope: Scope, around: Surroundings) -> list[Check]:
    """Indexes beside a single vector index: finish drops them with the column."""
    vectors = [name for name, _, method in around.indexes if method in {"hnsw", "ivfflat"}]
    others = [name for name, _, method in around.indexes if method not in {"hnsw", "ivfflat"}]
    found = [
        bound(f"The unique index {name} names {scope.vector}; it would hold for the old column.", "Drop it.")
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
            refused(
                "guard-order",
                f"The BEFORE UPDATE trigger {', '.join(late)} fires after the guard {guard}:"
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
        refused(
            "names",
            f"Taken already, and not by this migration: {', '.join(around.taken)}.",
            needed="These names, for as long as the migration lives.",
            do=do or "Drop or rename it.",
        )
    ]
