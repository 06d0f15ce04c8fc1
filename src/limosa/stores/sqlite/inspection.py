"""What can be said of a split before anything is touched: refusals, questions, counts, sizes, and the way through."""

from __future__ import annotations

from collections.abc import Iterator, Set

from limosa.model.migration import Migration
from limosa.model.plan import Check
from limosa.ports.store import Facts
from limosa.stores.sqlite.adoption import adoption_checks
from limosa.stores.sqlite.backup import backup_operation
from limosa.stores.sqlite.catalogue import Table, names_of
from limosa.stores.sqlite.database import Database, SqliteTx
from limosa.stores.sqlite.layouts.dimension_tables import operations
from limosa.stores.sqlite.names import mentions, quoted
from limosa.stores.sqlite.scope import Scope
from limosa.stores.sqlite.sizes import foreseen, vector_index_bytes

__all__ = ["inspect"]

SHORT = ("compress_neighbors=float8", "max_neighbors=24")
"""Options of an index a seventh as large, which at 1,000 rows of 1536 dimensions found what exact search did."""


def inspect(database: Database, migration: Migration, scope: Scope, table: Table) -> Facts:
    """What can be said of the place; changes nothing."""
    with database.begin(snapshot=True) as tx:
        standing = names_of(tx) if not _begun(scope, tx) else set()
        checks = [*_key_checks(scope, table, tx), *_table_checks(scope, table, standing, tx)]
        checks += adoption_checks(scope, tx) if standing else []
        counts = _counts(scope, table, tx)
        sizes = foreseen(database, scope, table, counts["rows"], tx)
    checks += [*_view_checks(scope, table), *_index_cost(scope)]
    if not counts["rows"]:
        checks.append(Check(name="rows", verdict="note", said=f"{scope.table} is empty."))
    backup = backup_operation(scope, database, migration.backup, standing=standing)
    if backup is None:
        checks.append(Check(name="backup", verdict="note", said="No backup is made: finish will keep the old table."))
    return Facts(
        checks=tuple(checks),
        counts=counts,
        sizes=sizes,
        texts=(),
        characters=0.0,
        operations=operations(scope, table.dependents, backup, standing=standing),
    )


def _key_checks(scope: Scope, table: Table, tx: SqliteTx) -> Iterator[Check]:
    key, name = quoted(scope.key.name), scope.key.name
    unique = table.primary == (name,) or any(
        index.unique and not index.partial and index.columns == (name,) for index in table.indexes
    )
    if not unique:
        yield Check(
            name="key",
            verdict="refused",
            said=f"Nothing makes {name} unique in {table.name}.",
            needed="A primary key or a unique index on it alone.",
            do=f"CREATE UNIQUE INDEX {quoted(f'{table.name}_{name}')} ON {quoted(table.name)} ({key});",
        )
    wanted = "integer" if scope.key.integer else "text"
    kinds = tx.raw(f"SELECT typeof({key}), count(*) FROM {quoted(table.name)} GROUP BY 1")
    odd = [f"{count:,} {kind}" for kind, count in kinds if kind != wanted]
    if odd:
        yield Check(
            name="key",
            verdict="refused",
            said=f"Keys in {name} are not all of type {wanted}: {', '.join(odd)}.",
            needed="Every key of one type, and none NULL.",
            do=f"SELECT * FROM {quoted(table.name)} WHERE typeof({key}) <> '{wanted}' shows them.",
        )


def _table_checks(scope: Scope, table: Table, standing: Set[str], tx: SqliteTx) -> Iterator[Check]:
    encoding = str(tx.raw("PRAGMA encoding")[0][0])
    if encoding != "UTF-8":
        yield Check(
            name="encoding",
            verdict="refused",
            said=f"The database keeps texts as {encoding}.",
            needed="UTF-8.",
            do="Dump it and load the dump into a database that was made with PRAGMA encoding = 'UTF-8'.",
        )
    taken = [name for name in (scope.old, scope.rest, scope.both) if name.lower() in standing]
    if taken:
        yield Check(
            name="names",
            verdict="refused",
            said=f"There is something called {', '.join(taken)} already.",
            needed="Names that are free: the migration needs them.",
            do="Rename or drop it.",
        )
    if any(column.name == scope.split.vector for column in scope.columns):
        vector = quoted(scope.split.vector)
        found = tx.raw(f"SELECT count(*) FROM {quoted(table.name)} WHERE typeof({vector}) NOT IN ('blob', 'null')")[0][
            0
        ]
        if found:
            yield Check(
                name="vector",
                verdict="refused",
                said=f"{found:,} rows hold something else than a blob in {scope.split.vector}.",
                needed="Blobs or NULL: the targets hold blobs under that name, and old code is to read what it read.",
                do="Give vector in [target] another name.",
            )
    if table.inbound:
        yield Check(
            name="foreign keys",
            verdict="refused",
            said=f"Foreign keys of {', '.join(table.inbound)} point at {scope.table}.",
            needed="None: cutover puts a view in the table's place, and a foreign key cannot point at a view.",
            do="Make those tables again without the foreign key.",
        )


def _begun(scope: Scope, tx: SqliteTx) -> bool:
    """The migration is under way or finished: what it made is its own."""
    if "limosa_migration" not in names_of(tx):
        return False
    return bool(tx.raw("SELECT 1 FROM limosa_migration WHERE id = ? AND (active = 1 OR step = 'finish')", scope.id))


def _view_checks(scope: Scope, table: Table) -> Iterator[Check]:
    recursive = [trigger.name for trigger in table.triggers if mentions(trigger.sql.partition("BEGIN")[2], table.name)]
    if recursive:
        yield Check(
            name="triggers",
            verdict="refused",
            said=f"The bodies of {', '.join(recursive)} name {table.name} themselves.",
            needed="Triggers that still work when a view stands in the table's place.",
            do="Let them work on NEW and OLD alone, or drop them.",
        )
    unique = [index.name for index in table.indexes if index.unique and index.columns != (scope.key.name,)]
    if unique:
        yield Check(
            name="unique",
            verdict="note",
            said=f"INSERT OR REPLACE that removes another row by {', '.join(unique)} is found by verify only.",
            do="Delete the other row first.",
        )
    own = [trigger.name for trigger in table.triggers]
    if own:
        yield Check(
            name="after finish",
            verdict="note",
            said=f"The table's own triggers ({', '.join(own)}) go with it: they fire until finish.",
            do="Make INSTEAD OF triggers, or triggers on the new tables, before you call finish.",
        )
    if "REFERENCES" in table.sql.upper() or "CHECK" in table.sql.upper():
        yield Check(
            name="after finish",
            verdict="note",
            said="The table's own CHECK constraints and foreign keys hold until finish, the new tables have none.",
        )
    if scope.split.index is not None:
        yield _vector_index_check(scope)
    if scope.left_out:
        yield Check(
            name="columns",
            verdict="accept",
            said=f"{', '.join(scope.left_out)} do not travel: after finish the view answers NULL there.",
            needed="Your word that nobody needs them.",
            do="Name them in payload, or leave payload out, and all columns travel.",
            flag="--accept-columns",
        )
    yield Check(
        name="view",
        verdict="accept",
        said=(
            f"From cutover on {scope.table} is a view: INSERT ... ON CONFLICT DO UPDATE is refused, RETURNING does not"
            " answer what the database gave, the count of changed rows is 0, last_insert_rowid() and rowid are not"
            " there, and a NULL in a column with a DEFAULT becomes the default."
        ),
        needed="Your word that no statement of the application's needs them.",
        do="INSERT OR REPLACE, UPDATE and DELETE go on working.",
        flag="--accept-view",
    )


def _vector_index_check(scope: Scope) -> Check:
    if not scope.native:
        return Check(name="vector index", verdict="note", said="Stock SQLite has no vector index: none is built.")
    if not scope.local:
        return Check(name="vector index", verdict="ok", said="The server keeps it.")
    return Check(
        name="vector index",
        verdict="accept",
        said="Once vector indexes stand, a program that opens the file by stock SQLite can no longer write to it.",
        needed="Your word that every program opens it by libSQL.",
        do="Leave vector_index out of [target] otherwise; search then compares every row.",
        flag="--accept-libsql",
    )


def _index_cost(scope: Scope) -> Iterator[Check]:
    """What its options cost a vector index, where smaller ones would do."""
    known = [d for _, d in scope.split.targets if d is not None]
    if not scope.native or scope.split.index is None or any("compress" in option for option in scope.split.index):
        return
    whole, short = (vector_index_bytes(max(known), options, 4096) for options in (scope.split.index, SHORT))
    yield Check(
        name="vector index",
        verdict="note",
        said=f"At {max(known)} dimensions the index takes {whole / 1000:,.0f} kB a row, and as much again in its log.",
        do=f"vector_index = {[*scope.split.index, *SHORT]} takes {short / 1000:,.0f} kB.".replace("'", '"'),
    )


def _counts(scope: Scope, table: Table, tx: SqliteTx) -> dict[str, int]:
    """Rows, and rows by what they say of their dimension and model; lengths are decoded by a dry run."""
    split = scope.split
    source, kept = quoted(table.name), scope.filter("t", table.name)
    counts = {"rows": int(tx.raw(f"SELECT count(*) FROM {source} AS t WHERE {kept}")[0][0])}
    for title, name in (("dimension", split.dimension), ("model", split.model)):
        if name is not None:
            sql = (
                f"SELECT t.{quoted(name)}, count(*) FROM {source} AS t WHERE {kept} GROUP BY 1 ORDER BY 2 DESC LIMIT 20"
            )
            for value, rows in tx.raw(sql):
                counts[f"{title} {'NULL' if value is None else value}"] = int(rows)
    outside = int(tx.raw(f"SELECT count(*) FROM {source} AS t WHERE NOT {kept}")[0][0]) if scope.where else 0
    return {**counts, "outside": outside}
