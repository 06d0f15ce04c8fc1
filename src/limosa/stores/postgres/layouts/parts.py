"""Operations that several layouts share."""

from __future__ import annotations

from collections.abc import Sequence

from limosa.model.migration import Index
from limosa.model.operation import Operation
from limosa.stores.postgres.capture import arm
from limosa.stores.postgres.catalogue import Grant, Table
from limosa.stores.postgres.indexes import index_relation
from limosa.stores.postgres.match import MatchFunction
from limosa.stores.postgres.names import Relation, dollar_quoted, literal, quoted, shortened
from limosa.stores.postgres.partition_indexes import partition_index
from limosa.stores.postgres.partitions import self_and_partitions
from limosa.stores.postgres.scope import Scope

__all__ = [
    "disarm",
    "drop_old",
    "final_match",
    "has_column",
    "inherit_name",
    "lift_not_null",
    "mirrored_rights",
    "negated",
    "not_null",
    "nothing_hangs",
]


def has_column(relation: Relation, name: str) -> str:
    """Asks whether a table has a column."""
    return (
        f"SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass({literal(relation.sql)})"
        f" AND attname = {literal(name)} AND NOT attisdropped)"
    )


def negated(probe: str) -> str:
    """The opposite question."""
    return "SELECT NOT (" + probe.removeprefix("SELECT ") + ")"


def disarm(scope: Scope) -> Operation:
    """Takes the capture triggers and their functions away."""
    armed = arm(scope)
    return Operation(
        id="disarm",
        step="finish",
        title="Take the capture triggers away",
        do=tuple(statement for operation in reversed(armed) for statement in operation.undo),
        probe=negated(armed[0].probe),
        lock="ACCESS EXCLUSIVE",
    )


def final_match(match: MatchFunction | None) -> list[Operation]:
    """The match function answers in the new space only."""
    if match is None:
        return []
    return [
        Operation(
            id="match-finished",
            step="finish",
            title=f"Let {match.relation} answer in the new space only",
            do=match.statements("finished"),
            probe=match.probe("finished"),
        )
    ]


def nothing_hangs(scope: Scope, parked: Sequence[Relation] = (), *, epoch: int = 1) -> Operation:
    """Fails, before anything of finish is done, while something reads the old vectors that does not go with them.

    It is asked at finish and not at plan: until then a view may be changed, and another one made.

    Args:
        parked: views that are dropped with the old vectors.
    """
    seat = scope.old(epoch)
    gone = ", ".join(f"to_regclass({literal(view.sql)})" for view in parked)
    column = f" AND a.attname = {literal(seat.column)}"
    if seat.beside:
        # The whole table goes, and what is its own with it.
        column = (
            " AND NOT EXISTS (SELECT FROM pg_depend AS o WHERE o.classid = d.classid AND o.objid = d.objid"
            " AND o.refobjid = d.refobjid AND o.deptype IN ('a', 'i'))"
        )
    # What is bound by 'n' stops a DROP; the views of limosa's own are dropped first.
    found = (
        "SELECT string_agg(DISTINCT pg_describe_object(d.classid, d.objid, 0), ', ') FROM pg_depend AS d"
        " LEFT JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid"
        " LEFT JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid"
        " LEFT JOIN pg_class AS v ON v.oid = r.ev_class"
        f" WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid IN ({self_and_partitions(seat.relation)})"
        f" AND d.deptype = 'n'{column} AND (v.oid IS NULL OR v.relnamespace <> 'limosa'::regnamespace"
        f" AND coalesce(v.oid <> ALL (ARRAY[{gone}]::oid[]), true))"
    )
    where = f"{seat.relation}.{seat.column}"
    body = (
        f"DECLARE said text := ({found}); BEGIN\n"
        f"  IF said <> '' THEN RAISE EXCEPTION USING MESSAGE = 'limosa: ' || said || {literal(f' reads {where}.')},"
        " DETAIL = 'Nothing that reads the old vectors, which are dropped now. Nothing of finish has been done.',"
        " HINT = 'Let it read the new vectors, or drop it; then limosa finish FILE.'; END IF;\nEND"
    )
    return Operation(
        id="nothing-hangs",
        step="finish",
        title=f"See that nothing reads {where} any more",
        do=(f"DO {dollar_quoted(body)}",),
    )


def drop_old(
    scope: Scope,
    match: MatchFunction | None,
    predecessors: tuple[Relation, ...],
    *,
    epoch: int = 1,
    first: Sequence[str] = (),
) -> Operation:
    """Drops the old vectors with their index, and the internal views over them.

    Args:
        first: statements that drop what reads them.
    """
    seat = scope.old(epoch)
    views = [view.sql for view in predecessors]
    if match is not None:
        views.append(match.views[0].sql)
    drop = f"ALTER TABLE {seat.relation.sql} DROP COLUMN IF EXISTS {quoted(seat.column)}"
    if seat.beside:
        drop = f"DROP TABLE IF EXISTS {seat.relation.sql}"
    return Operation(
        id="drop-old",
        step="finish",
        title=f"Drop the old vectors {seat.relation if seat.beside else seat.column} and their index",
        do=(*first, *((f"DROP VIEW IF EXISTS {', '.join(views)}",) if views else ()), drop),
        probe=negated(has_column(seat.relation, seat.column)),
        lock="ACCESS EXCLUSIVE",
    )


def inherit_name(scope: Scope, table: Table, index: Index | None) -> list[Operation]:
    """The new index takes the old one's name, if there was exactly one."""
    olds = [each for each in table.indexes if scope.vector in each.columns]
    if len(olds) != 1 or index is None:
        return []
    new, schema = index_relation(scope), scope.relation.schema
    old = Relation(schema, olds[0].name)
    return [
        Operation(
            id="name-index",
            step="finish",
            title=f"Name the new index {old.name}, as the old one was",
            do=(
                f"ALTER INDEX IF EXISTS {new.sql} RENAME TO {quoted(old.name)}",
                *_partitions_inherit(scope, table, old),
            ),
            probe=f"SELECT to_regclass({literal(new.sql)}) IS NULL",
            lock="SHARE UPDATE EXCLUSIVE",
        )
    ]


def _partitions_inherit(scope: Scope, table: Table, old: Relation) -> list[str]:
    """The same for the indexes of partitions; one that was detached meanwhile has kept the old index and its name."""
    found: list[str] = []
    for each in table.partitions:
        new, name = partition_index(scope, each.relation), each.indexes.get(old.name)
        if name is not None:
            stands = f"to_regclass({literal(Relation(each.relation.schema, name).sql)})"
            rename = f"ALTER INDEX IF EXISTS {new.sql} RENAME TO {quoted(name)}"
            found.append(f"DO $limosa$ BEGIN IF {stands} IS NULL THEN {rename}; END IF; END $limosa$")
    return found


def mirrored_rights(scope: Scope, table: Table, beside: Relation, *, allowed: Sequence[str]) -> list[str]:
    """What gives a table beside no more than the table gives: row security by its rows, grants as its own.

    Args:
        beside: a new table with the same key.
        allowed: the privileges that may be granted.
    """
    side = beside.sql
    made = [_revoke_all(side)]
    granted: dict[str, list[str]] = {}
    for grant in table.grants:
        if grant.privilege in allowed and grant.column in {None, scope.vector}:
            granted.setdefault(_grantee(grant), []).append(grant.privilege)
    made += [f"GRANT {', '.join(dict.fromkeys(rights))} ON {side} TO {to}" for to, rights in granted.items()]
    if table.row_security:
        same = " AND ".join(f"t.{quoted(c.name)} = {side}.{quoted(c.name)}" for c in scope.key)
        made += [
            f"ALTER TABLE {side} ENABLE ROW LEVEL SECURITY",
            f"CREATE POLICY {quoted(shortened(scope.relation.name, ' is visible'))} ON {side} FOR SELECT"
            f" USING (EXISTS (SELECT FROM {scope.relation.sql} AS t WHERE {same}))",
        ]
    if table.forced_row_security:
        made.append(f"ALTER TABLE {side} FORCE ROW LEVEL SECURITY")
    return made


def _grantee(grant: Grant) -> str:
    return quoted(grant.grantee) if grant.grantee is not None else "PUBLIC"


def _revoke_all(side: str) -> str:
    """What default privileges gave to a new table is taken back."""
    return (
        f"DO $limosa$ DECLARE r record; BEGIN FOR r IN SELECT DISTINCT a.grantee FROM pg_class AS c,"
        f" aclexplode(c.relacl) AS a WHERE c.oid = {literal(side)}::regclass AND a.grantee <> c.relowner LOOP"
        f" EXECUTE format('REVOKE ALL ON %s FROM %s', {literal(side)}::regclass,"
        " CASE WHEN r.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r.grantee)) END);"
        " END LOOP; END $limosa$"
    )


def lift_not_null(scope: Scope, table: Table) -> list[Operation]:
    """Lets rows that arrive after the switch have no old vector; empty where they may have none already."""
    vector = table.column(scope.vector)
    if vector is None or not vector.not_null or scope.old(0).beside:
        return []
    relation, column = scope.relation.sql, quoted(vector.name)
    return [
        Operation(
            id="lift-not-null",
            step="cutover",
            title=f"Lift NOT NULL of {vector.name}: rows that arrive later have no old vector",
            do=(f"ALTER TABLE {relation} ALTER COLUMN {column} DROP NOT NULL",),
            undo=_restore_not_null(
                relation,
                column,
                f"limosa_{scope.id}_not_null",
                f"{_named_apart(table, vector.name)} {not_null(relation, column, vector.not_null_name)};",
            ),
            probe=(
                f"SELECT NOT attnotnull FROM pg_attribute WHERE attrelid = {literal(relation)}::regclass"
                f" AND attnum = {vector.number}"
            ),
            lock="ACCESS EXCLUSIVE",
            each=True,
        )
    ]


def _named_apart(table: Table, column: str) -> str:
    """Statements that give partitions back a NOT NULL of a name of their own, before they inherit the table's."""
    return "".join(
        f" IF EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass({literal(each.relation.sql)})"
        f" AND inhparent = {literal(table.relation.sql)}::regclass) THEN ALTER TABLE {each.relation.sql}"
        f" ADD CONSTRAINT {quoted(each.not_null_names[column])} NOT NULL {quoted(column)}; END IF;"
        for each in table.partitions
        if column in each.not_null_names
    )


def not_null(table: str, column: str, name: str | None) -> str:
    """The statement that makes a column NOT NULL, under the name that it had; the column quoted.

    Args:
        name: None on a server that names none.
    """
    if name is None:
        return f"ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL"
    return f"ALTER TABLE {table} ADD CONSTRAINT {quoted(name)} NOT NULL {column}"


def _restore_not_null(table: str, column: str, name: str, set_again: str) -> tuple[str, ...]:
    """NOT NULL by way of a validated CHECK: no statement scans the table under a lock that stops writers.

    Rows that had to be left without an old vector keep the column nullable; rollback lists them.

    Args:
        set_again: what does it, in the body of a DO block.
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
        f"DO $limosa$ BEGIN IF {validated} THEN{set_again}"
        f" ALTER TABLE {table} DROP CONSTRAINT {check}; END IF; END $limosa$",
    )
