"""What can be said of a Postgres table before anything is touched: checks, counts, sizes, operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from limosa.errors import Refused
from limosa.model.batch import Vectors
from limosa.model.migration import Migration
from limosa.model.operation import Operation
from limosa.model.plan import Check
from limosa.ports.layout import Layout
from limosa.ports.store import Facts, Longest
from limosa.stores.postgres.backup.planning import plan_backup
from limosa.stores.postgres.beside import beside_checks
from limosa.stores.postgres.catalogue import Table, functions, look
from limosa.stores.postgres.checks import key_checks, layout_checks, server_checks, table_checks, vector_checks
from limosa.stores.postgres.counts import Counts, count_rows, longest_texts, query_checks, sample, vector_sizes
from limosa.stores.postgres.database import Database, PostgresTx
from limosa.stores.postgres.dependence import dependence_checks, name_checks, trigger_checks
from limosa.stores.postgres.grants import grant_checks, row_security_checks, sees_all_rows
from limosa.stores.postgres.layouts.choose import layout_of
from limosa.stores.postgres.match import MatchFunction
from limosa.stores.postgres.matching import match_checks
from limosa.stores.postgres.names import Relation, parse_relation
from limosa.stores.postgres.notes import count_checks, notes
from limosa.stores.postgres.partitioned import partition_checks
from limosa.stores.postgres.pooler import pooler_checks
from limosa.stores.postgres.scope import Scope
from limosa.stores.postgres.seat import VECTORS, seated
from limosa.stores.postgres.sizes import sizes
from limosa.stores.postgres.surroundings import Surroundings, gather, routines
from limosa.stores.postgres.texts import text_columns

__all__ = ["inspect", "match_function"]

STORED = 32
"""Stored vectors that are compared with what the old model answers now."""


@dataclass(frozen=True, slots=True)
class _Contents:
    """What the rows say; everything is empty where they may not be read."""

    counts: Counts | None = None
    sizes: dict[int, int] | None = None
    texts: Sequence[str] = ()
    stored_texts: Sequence[str] = ()
    stored: Vectors | None = None
    longest: tuple[Longest, ...] = ()


def inspect(database: Database, migration: Migration, scope: Scope) -> Facts:
    """What can be said of the place now; changes nothing.

    A migration that is under way is only counted: its table is no longer as its file describes it.
    """
    with database.begin(snapshot=True) as tx:
        table = look(tx, migration.target.place.table)
        holder = look(tx, scope.old(0).relation.sql) if seated(tx, scope.old(0)) is not None else table
        around = gather(tx, migration, table, scope, holder)
        made = _match_function(tx, migration, table, scope, around)
    checks = pooler_checks(database) + grant_checks(table, scope, around) + row_security_checks(table)
    asked = query_checks(database, scope)
    readable = _readable(table, around) and not any(check.verdict == "refused" for check in asked)
    contents = _Contents()
    if readable:
        with database.begin(snapshot=True) as tx:
            contents = _contents(tx, migration, table, scope, around)
    counts = contents.counts.rows if contents.counts is not None else {}
    backup = plan_backup(database, migration, table)
    under_way = around.stage is not None and (around.stage.active or around.stage.step == "finish")
    checks += [_stage(around)] if under_way else _checks(migration, table, scope, around, made) + asked
    checks += [*beside_checks(table, holder, scope, migration), *backup.checks] if not under_way else []
    if not under_way and contents.counts is not None:
        checks += vector_checks(holder, scope, migration, contents.sizes or {})
        checks += count_checks(scope, counts, repeated=contents.counts.repeated)
        checks += notes(table, scope, migration, around, counts)
    elif not under_way:
        checks += vector_checks(holder, scope, migration, {})
    embedded = counts.get("to_embed", 0)
    return Facts(
        checks=tuple(sorted(checks, key=lambda check: _ORDER[check.verdict])),
        counts=counts,
        sizes=sizes(table, scope, migration.index, around.room, counts) | backup.sizes if counts else {},
        texts=tuple(contents.texts),
        characters=contents.counts.characters / embedded if contents.counts is not None and embedded else 0.0,
        operations=(
            *backup.operations,
            *_operations(layout_of(migration, table, scope, around=around, match=made, rows=counts.get("rows", 0))),
        ),
        longest=contents.longest,
        stored_texts=tuple(contents.stored_texts),
        stored_vectors=contents.stored,
    )


_ORDER = {"refused": 0, "accept": 1, "note": 2, "ok": 3}


def _operations(layout: Layout) -> tuple[Operation, ...]:
    """The whole way from expand to finish."""
    return (*layout.make_room(), *layout.build_index(), *layout.switch(), *layout.clear_away())


def _checks(
    migration: Migration, table: Table, scope: Scope, around: Surroundings, made: MatchFunction | None
) -> list[Check]:
    """What the catalogue alone says, all of it at once."""
    return [
        *table_checks(table, around),
        *server_checks(table, scope),
        *key_checks(table, scope, around),
        *layout_checks(scope, migration),
        *partition_checks(table, scope, migration),
        *dependence_checks(table, scope, migration, around),
        *trigger_checks(table, scope),
        *name_checks(table, around),
        *match_checks(table, scope, migration.match, made, around),
    ]


def _stage(around: Surroundings) -> Check:
    stage = around.stage
    assert stage is not None  # noqa: S101 - asked for only where there is one
    if stage.active:
        said = f"The migration {stage.name} is under way, after {stage.step}: what it does was locked when it began."
        return Check(name="under-way", verdict="note", said=said, do="limosa run FILE goes on.")
    return Check(
        name="nothing-to-do",
        verdict="refused",
        said=f"The migration {stage.name} is finished.",
        needed="Something that is still to be done.",
        do="Write a file of its own for the next migration: another name, or another target.",
    )


def _readable(table: Table, around: Surroundings) -> bool:
    """Whether every row can be counted: the role may read them, and no policy hides one."""
    grants = around.grants
    usable = grants.select and grants.schema_usage and grants.extension_usage
    far = any(each.kind == "f" for each in table.partitions)
    return usable and sees_all_rows(table) and table.kind in {"r", "p", "m", "v"} and not far


def _contents(tx: PostgresTx, migration: Migration, table: Table, scope: Scope, around: Surroundings) -> _Contents:
    stage = around.stage
    epoch = stage.epoch if stage is not None and stage.active else 0
    begun = stage is not None and stage.active
    # Once finish has dropped the old vectors, the new ones are all there is.
    new = seated(tx, scope.new(epoch))
    column = seated(tx, scope.old(epoch)) or new
    assert column is not None  # noqa: S101 - scope_of found one of them
    target = scope.new(epoch) if new is not None and (begun or scope.shape == "fill") else None
    counts = count_rows(tx, scope, old=column.seat, new=target)
    rows = counts.rows["rows"] + counts.rows["outside"]
    texts, _ = sample(tx, scope, rows=rows)
    vector = column.base in VECTORS
    found = vector_sizes(tx, scope) if vector and column.dimensions is None else {}
    wanted = migration.source.space.dimensions
    source = replace(scope, text=migration.source.place.text)
    known = source.text.query is not None or all(map(table.column, text_columns(source.text)))
    stored_texts: Sequence[str] = ()
    stored: Vectors | None = None
    if vector and known and (column.dimensions == wanted or set(found) == {wanted}):
        stored_texts, stored = sample(tx, source, rows=rows, stored=column, limit=STORED)
    return _Contents(counts, found, texts, stored_texts, stored, longest_texts(tx, scope, new=target))


def _match_function(
    tx: PostgresTx, migration: Migration, table: Table, scope: Scope, around: Surroundings
) -> MatchFunction | None:
    """The match function for the plan; None where the file names none or a column of it is missing."""
    try:
        return match_function(tx, migration, table, scope)
    except Refused:
        # The check says what is missing, beside everything else that is.
        return None


def match_function(tx: PostgresTx, migration: Migration, table: Table, scope: Scope) -> MatchFunction | None:
    """The match function of the file, resolved against the catalogue; None where the file names none.

    A name without a schema means one in the table's schema, else one that the search_path finds.

    Raises:
        Refused: a column that it returns is not there.
    """
    match = migration.match
    if match is None or scope.shape == "fill":
        return None
    schema, name = parse_relation(match.function)
    old = seated(tx, scope.old(0))
    found = routines(tx, migration, scope)
    metric = migration.index.metric if migration.index is not None else "cosine"
    relation = Relation(found[0].schema if found else schema or scope.relation.schema, name)
    existing = functions(tx, relation.sql)
    return MatchFunction(
        scope=scope,
        match=match,
        relation=relation,
        returns=tuple(table.require(column, "a column that the match function returns") for column in match.returns),
        metric=metric,
        old_base=old.base if old is not None else scope.base,
        existing=existing[0] if len(existing) == 1 else None,
    )
