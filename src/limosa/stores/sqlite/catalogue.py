"""What the catalogue says of a table: columns, unique keys, indexes, triggers, and who refers to it."""

from __future__ import annotations

from dataclasses import dataclass

from limosa.errors import Refused
from limosa.stores.sqlite.database import SqliteTx
from limosa.stores.sqlite.names import mentions

__all__ = ["Column", "Dependent", "Index", "Table", "look", "names_of", "table_columns"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column; ``type`` and ``default`` as declared, ``generated`` where SQLite computes it."""

    name: str
    type: str
    not_null: bool
    generated: bool
    default: str = ""

    @property
    def integer(self) -> bool:
        """Values that look like integers are kept as such (https://sqlite.org/datatype3.html, 3.1)."""
        return "INT" in self.type.upper()


@dataclass(frozen=True, slots=True)
class Index:
    """One index; ``sql`` is empty for those that a constraint made."""

    name: str
    unique: bool
    partial: bool
    columns: tuple[str, ...]
    sql: str


@dataclass(frozen=True, slots=True)
class Dependent:
    """A view, or a trigger of another table, whose text names the table."""

    kind: str
    name: str
    sql: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One table.

    Attributes:
        triggers: name and text of the table's own triggers.
        inbound: tables with a foreign key that points here.
        sql: how it was made.
    """

    name: str
    columns: tuple[Column, ...]
    primary: tuple[str, ...]
    indexes: tuple[Index, ...]
    triggers: tuple[Dependent, ...]
    dependents: tuple[Dependent, ...]
    inbound: tuple[str, ...]
    sql: str

    def require(self, name: str, what: str) -> Column:
        """The column of this name; SQLite compares names without case.

        Raises:
            Refused: there is none.
        """
        for column in self.columns:
            if column.name.lower() == name.lower():
                return column
        raise Refused(
            f"{self.name} has no column {name}.",
            needed=f"{what[0].upper()}{what[1:]}.",
            do="Its columns are: " + ", ".join(column.name for column in self.columns) + ".",
        )


def names_of(tx: SqliteTx) -> set[str]:
    """Everything that has a name in the database, in lower case."""
    return {str(name).lower() for (name,) in tx.raw("SELECT name FROM sqlite_master")}


def table_columns(tx: SqliteTx, table: str) -> tuple[Column, ...]:
    """The columns of a table; empty where there is none of this name."""
    rows = tx.raw('SELECT name, type, "notnull", hidden, dflt_value FROM pragma_table_xinfo(?) ORDER BY cid', table)
    return tuple(
        Column(str(name), str(kind), bool(strict), hidden in {2, 3}, str(default or ""))
        for name, kind, strict, hidden, default in rows
    )


def look(tx: SqliteTx, name: str) -> Table:
    """The table of this name.

    Raises:
        Refused: there is none, or it is a view or a virtual table.
    """
    found = tx.raw("SELECT type, name, sql FROM sqlite_master WHERE lower(name) = lower(?) AND type <> 'index'", name)
    if not found:
        tables = [str(n) for (n,) in tx.raw("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        raise Refused(
            f"There is no table {name}.",
            needed="The table that is named in [source].",
            do=f"Tables: {', '.join(t for t in tables if not t.startswith(('sqlite_', 'limosa_')))}.",
        )
    kind, real, sql = (str(part) for part in found[0])
    if kind != "table" or sql.upper().startswith("CREATE VIRTUAL"):
        raise Refused(f"{name} is a {'view' if kind == 'view' else 'virtual table'}.", needed="An ordinary table.")
    everything = [
        Dependent(str(t), str(n), str(s)) if str(owner).lower() != real.lower() else None
        for t, n, owner, s in tx.raw(
            "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE type IN ('view', 'trigger') ORDER BY rowid"
        )
    ]
    own = tx.raw("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND lower(tbl_name) = lower(?)", real)
    return Table(
        name=real,
        columns=table_columns(tx, real),
        primary=tuple(str(n) for (n,) in tx.raw("SELECT name FROM pragma_table_info(?) WHERE pk ORDER BY pk", real)),
        indexes=_indexes(tx, real),
        triggers=tuple(Dependent("trigger", str(n), str(s)) for n, s in own if not str(n).startswith("limosa_")),
        dependents=tuple(each for each in everything if each is not None and mentions(each.sql, real)),
        inbound=_inbound(tx, real),
        sql=sql,
    )


def _indexes(tx: SqliteTx, table: str) -> tuple[Index, ...]:
    found: list[Index] = []
    for name, unique, partial in tx.raw('SELECT name, "unique", partial FROM pragma_index_list(?)', table):
        columns = tuple(str(c) for (c,) in tx.raw("SELECT name FROM pragma_index_info(?) ORDER BY seqno", name))
        sql = tx.raw("SELECT coalesce(sql, '') FROM sqlite_master WHERE type = 'index' AND name = ?", name)
        found.append(Index(str(name), bool(unique), bool(partial), columns, str(sql[0][0]) if sql else ""))
    return tuple(found)


def _inbound(tx: SqliteTx, table: str) -> tuple[str, ...]:
    rows = tx.raw(
        "SELECT DISTINCT m.name FROM sqlite_master AS m, pragma_foreign_key_list(m.name) AS f"
        " WHERE m.type = 'table' AND lower(f.\"table\") = lower(?)",
        table,
    )
    return tuple(str(name) for (name,) in rows)
