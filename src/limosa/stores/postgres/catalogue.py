"""What Postgres's catalogue says of a table: read, never guessed from information_schema."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

from limosa.errors import Refused
from limosa.ports.named import named_sql
from limosa.ports.tx import Tx
from limosa.stores.postgres.names import Relation, as_word, parse_relation
from limosa.stores.postgres.partitions import Partition, partitions

__all__ = [
    "OLDEST",
    "Column",
    "Dependent",
    "Function",
    "Grant",
    "IndexFacts",
    "Server",
    "Table",
    "Trigger",
    "dependents",
    "functions",
    "look",
    "server",
    "sized",
]

_SQL = named_sql("limosa.stores.postgres", "catalogue")

OLDEST = 150000
"""Views take security_invoker, and privileges on settings can be asked for, from Postgres 15 on (its release notes)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column; ``type`` with its modifiers, ``dimensions`` only for vectors that declare them.

    Attributes:
        compression: as pg_attribute has it; empty for the server's own.
        not_null_name: of its NOT NULL; from Postgres 18 on.
        made_of: of a generated column, those that it is generated from.
    """

    number: int
    name: str
    type: str
    dimensions: int | None
    base: str
    not_null: bool
    generated: bool
    storage: str
    options: tuple[str, ...]
    compression: str = ""
    not_null_name: str | None = None
    made_of: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexFacts:
    """One index and its size on disk; ``made``: the statements that make it again."""

    name: str
    method: str
    made: tuple[str, ...]
    valid: bool
    size_bytes: int
    unique: bool
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """One trigger of the user's or limosa's; ``enabled`` as pg_trigger has it, ``type`` its bits."""

    name: str
    definition: str
    enabled: str
    type: int
    function: str

    @property
    def before_update_row(self) -> bool:
        """Fires BEFORE UPDATE FOR EACH ROW. Source: pg_trigger.h (row 1, before 2, update 16)."""
        return self.type & 0b10011 == 0b10011

    @property
    def on_update(self) -> bool:
        """Fires on UPDATE."""
        return bool(self.type & 16)


@dataclass(frozen=True, slots=True)
class Dependent:
    """Something that names the vector column; of the kind ``body`` a function, whose text is ``source``."""

    kind: str
    name: str
    schema: str | None
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One function by name: how it is called, what it answers, and its definition."""

    signature: str
    arguments: str
    result: str
    definition: str
    identity: str
    owned: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What the server and the role allow."""

    version: int
    user: str
    database: str
    extension: str | None
    extension_schema: str | None
    may_create: bool
    may_replicate: bool
    may_set_deadlock_timeout: bool
    sees_all_rows: bool
    recovering: bool
    maintenance_work_mem: str
    parallel_workers: int


@dataclass(frozen=True, slots=True)
class Grant:
    """A right that somebody beside the owner has: ``grantee`` None is PUBLIC, ``column`` None the whole table."""

    grantee: str | None
    privilege: str
    column: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What the catalogue says of one table; sizes, rows and triggers are those of its partitions too.

    Attributes:
        published_whole: those of its publications that give no list of columns.
    """

    oid: int
    relation: Relation
    kind: str
    persistence: str
    partition: bool
    inherited: bool
    estimated_rows: int
    row_security: bool
    forced_row_security: bool
    owner: str
    owned: bool
    options: tuple[str, ...]
    columns: tuple[Column, ...]
    unique_keys: tuple[tuple[str, ...], ...]
    indexes: tuple[IndexFacts, ...]
    triggers: tuple[Trigger, ...]
    publications: tuple[str, ...]
    published_whole: tuple[str, ...]
    inbound_keys: tuple[str, ...]
    grants: tuple[Grant, ...]
    partitions: tuple[Partition, ...]
    heap_bytes: int
    index_bytes: int
    total_bytes: int
    toast_bytes: int
    server: Server

    def column(self, name: str) -> Column | None:
        """The column of this name; None where there is none."""
        return next((column for column in self.columns if column.name == name), None)

    def require(self, name: str, role: str) -> Column:
        """The column of this name.

        Raises:
            Refused: there is none; names the nearest.
        """
        column = self.column(name)
        if column is None:
            names = [each.name for each in self.columns]
            near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
            raise Refused(
                f"{self.relation} has no column {name!r}.",
                needed=f"The file names it as {role}.",
                do=f"Did you mean {near[0]!r}?" if near else "Its columns are: " + ", ".join(names) + ".",
            )
        return column


def look(tx: Tx, name: str) -> Table:
    """What the catalogue says of a table.

    Raises:
        Refused: there is no such table; names the nearest.
    """
    schema, bare = parse_relation(name)
    rows = tx.execute(_SQL["relation"], {"schema": schema, "name": bare})
    if not rows:
        known = [row[0] for row in tx.execute(_SQL["nearest"])]
        near = difflib.get_close_matches(f"{schema or 'public'}.{bare}", known, n=1, cutoff=0.5)
        raise Refused(
            f"There is no table {name!r} in this database.",
            needed="The table that the file names as [source] table.",
            do=f"Did you mean {near[0]!r}?" if near else "Check the store's URL and the table's schema.",
        )
    row = rows[0]
    ids = {"oid": row[0]}
    published = tx.execute(_SQL["publications"], ids)
    heap, indexes, total, toast = tx.execute(_SQL["sizes"], ids)[0]
    return Table(
        oid=row[0],
        relation=Relation(row[1], row[2]),
        kind=_text(row[3]),
        persistence=_text(row[4]),
        partition=row[5],
        inherited=row[10],
        estimated_rows=max(0, int(row[6])),
        row_security=row[7],
        forced_row_security=row[8],
        owner=row[9],
        owned=row[11],
        options=tuple(row[12] or ()),
        columns=tuple(_column(each) for each in tx.execute(_SQL["columns"], ids)),
        unique_keys=tuple(tuple(columns) for _, columns in tx.execute(_SQL["unique_keys"], ids)),
        indexes=tuple(_index(each) for each in tx.execute(_SQL["indexes"], ids)),
        triggers=tuple(_trigger(each) for each in tx.execute(_SQL["triggers"], ids)),
        publications=tuple(name for name, _ in published),
        published_whole=tuple(name for name, whole in published if whole),
        inbound_keys=tuple(each[0] for each in tx.execute(_SQL["inbound"], ids)),
        grants=tuple(Grant(*each) for each in tx.execute(_SQL["table_grants"], ids)),
        partitions=partitions(tx, row[0]),
        heap_bytes=heap,
        index_bytes=indexes,
        total_bytes=total,
        toast_bytes=toast,
        server=server(tx),
    )


def server(tx: Tx) -> Server:
    """What the server and the role allow.

    Raises:
        Refused: the server is older than limosa can work with.
    """
    version = int(tx.execute("SHOW server_version_num")[0][0])
    if version < OLDEST:
        raise Refused(
            f"The server is Postgres {version // 10000}.",
            needed="Postgres 15 or newer: views that run with their caller's rights (security_invoker).",
            do="Upgrade the server.",
        )
    names = [
        "version",
        "user",
        "extension",
        "extension_schema",
        "may_create",
        "may_replicate",
        "may_set_deadlock_timeout",
        "sees_all_rows",
        "recovering",
        "maintenance_work_mem",
        "parallel_workers",
        "database",
    ]
    values: dict[str, Any] = dict(zip(names, tx.execute(_SQL["server"])[0], strict=True))
    return Server(**values)


def dependents(tx: Tx, table: Table, column: Column) -> list[Dependent]:
    """What names the column: by the dependency catalogue, and as words, or by its size, in function bodies."""
    found = [Dependent(*row) for row in tx.execute(_SQL["dependents"], {"oid": table.oid, "attnum": column.number})]
    words = {
        "column": as_word(column.name),
        "table": as_word(table.relation.name, *(each.relation.name for each in table.partitions)),
        "size": sized(column.dimensions or 0),
    }
    found += [Dependent("body", *row) for row in tx.execute(_SQL["bodies"], words)]
    return found


def sized(dimensions: int) -> str:
    """A pattern, for Postgres and for ``re``, of a vector type of this size."""
    return rf'(?:vector|halfvec)"?\s*\(\s*{dimensions}\s*\)'


def functions(tx: Tx, name: str) -> list[Function]:
    """Every function of this name, all signatures."""
    schema, bare = parse_relation(name)
    rows = tx.execute(_SQL["functions"], {"schema": schema, "name": bare})
    return [
        Function(signature=row[0], arguments=row[1], result=row[2], definition=row[3], identity=row[4], owned=row[6])
        for row in rows
        if _text(row[5]) == "f"
    ]


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _column(row: tuple[Any, ...]) -> Column:
    number, name, kind, modifier, base, not_null, generated, _, storage, options, *rest = row
    compression, not_null_name, made_of = rest
    vector = base in {"vector", "halfvec"}
    return Column(
        number=number,
        name=name,
        type=kind,
        dimensions=modifier if vector and modifier > 0 else None,
        base=base,
        not_null=not_null,
        generated=generated,
        storage=storage,
        options=tuple(options),
        compression=compression,
        not_null_name=not_null_name,
        made_of=tuple(made_of),
    )


def _index(row: tuple[Any, ...]) -> IndexFacts:
    name, method, made, valid, size, unique, columns = row
    return IndexFacts(
        name=name,
        method=method,
        made=tuple(made),
        valid=valid,
        size_bytes=size,
        unique=unique,
        columns=tuple(columns),
    )


def _trigger(row: tuple[Any, ...]) -> Trigger:
    name, definition, enabled, kind, function = row
    return Trigger(name=name, definition=definition, enabled=enabled, type=kind, function=function)
