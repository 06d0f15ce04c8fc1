"""The subject of an examination: one vector column, its texts, and the columns beside it that tell of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import psycopg

from limosa.ports.examination import Scrutiny
from limosa.ports.named import named_sql
from limosa.stores.postgres.catalogue import Column, Table, look
from limosa.stores.postgres.counts import query_checks
from limosa.stores.postgres.database import Database
from limosa.stores.postgres.grants import row_security_checks
from limosa.stores.postgres.names import quoted
from limosa.stores.postgres.scope import Scope
from limosa.stores.postgres.seat import Seat
from limosa.stores.postgres.texts import text_columns

__all__ = ["SQL", "Beside", "Subject", "reason", "subject_of"]

SQL = named_sql("limosa.stores.postgres", "doctor")

_TEXTS = quoted("limosa text")

_MODEL = re.compile(r"(embed\w*_|vector_)?model(_name|_id)?")
_STATUS = re.compile(r"(\w*(embed|vector|index)\w*_)?(status|state)")
_DONE_FLAG = re.compile(r"(is_|has_)?(embedded|vectori[sz]ed|embedding_done)")
_CHANGED = re.compile(r"((text|content|body|row|record)_)?(updated|modified|changed)(_at|_on)?|last_(modified|updated)")
_EMBEDDED = re.compile(r"(embedded|vectori[sz]ed)(_at|_on)?|(embedding|vector)s?_(updated|created|made|generated)?_?at")
"""Names that columns of these kinds commonly have; the whole name has to match."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Columns beside the vector that tell of it; None where there is none that this role may read.

    Attributes:
        model: names each vector's model; stated: the user said so, or the name says so by itself.
        status: says whether a row is done; flag: it is a boolean.
        changed, embedded: when the row was changed, and its vector made; both of one type.
    """

    model: str | None = None
    stated: bool = False
    status: str | None = None
    flag: bool = False
    changed: str | None = None
    embedded: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is examined, and what stands in the way of it.

    Attributes:
        table: whose rows the vectors belong to; holder: the table that has their column, often the same one.
        scope: of the migration, with the texts of the side that is examined.
        column: the vector column; seat: where it stands, seen from the rows.
        unseen: why no row can be looked at; empty where they can.
        unread: why no vector can be looked at, though rows can.
        silent: why no text can be looked at.
    """

    database: Database
    table: Table
    holder: Table
    scope: Scope
    seat: Seat
    column: Column
    scrutiny: Scrutiny
    beside: Beside
    unseen: str = ""
    unread: str = ""
    silent: str = ""

    @property
    def vector(self) -> str:
        """The vector of the row ``t``."""
        return self.seat.value

    @property
    def norm(self) -> str:
        """Its L2 norm, in double precision."""
        return self.norm_of(self.vector)

    @property
    def size(self) -> str:
        """Its dimensions; those of a column that declares them need not be read."""
        return self.size_of(self.vector)

    def norm_of(self, vector: str) -> str:
        """The norm of an expression of the column's type."""
        function = "l2_norm" if self.column.base == "halfvec" else "vector_norm"
        return f"{self.scope.operators}.{function}({vector})"

    def size_of(self, vector: str) -> str:
        """The dimensions of an expression of the column's type."""
        if self.column.dimensions is not None:
            return str(self.column.dimensions)
        return f"{self.scope.operators}.vector_dims({vector})"

    @property
    def rows(self) -> str:
        """The table ``t``, with the texts beside it where a query gives them."""
        return self.joined("")

    def joined(self, pages: str) -> str:
        """``rows`` of some pages of the table only; the query's texts are put together once for each key."""
        scope = self.scope
        table = f"{scope.relation.sql} AS t{pages}{self.seat.joined()}"
        if scope.text.query is None or self.silent:
            return table
        keys = ", ".join(f"q.{quoted(column.name)}" for column in scope.key)
        same = " AND ".join(f"{_TEXTS}.{quoted(c.name)} = t.{quoted(c.name)}" for c in scope.key)
        body = scope.text.query.rstrip().rstrip(";")
        return (
            f'{table} LEFT JOIN (SELECT {keys}, min(q."text"::text) AS "text"'
            f" FROM ({body}) AS q GROUP BY {keys}) AS {_TEXTS} ON {same}"
        )

    @property
    def text(self) -> str:
        """The text of the row ``t``; NULL where it cannot be read."""
        return "NULL::text" if self.silent else self.scope.text_of("t")

    def chosen(self, share: int) -> str:
        """Whether the row ``t`` is the one in so many whose vector is read; the same rows at every call."""
        return "true" if share == 1 else f"hashtextextended({self.scope.key_array('t')}::text, 0) % {share} = 0"

    def listed(self, condition: str) -> str:
        """A query that lists the keys of all rows of which a condition holds."""
        kept = f"{self.scope.where()} AND " if self.scope.filter is not None else ""
        return f"SELECT {self.scope.keys('t')} FROM {self.rows} WHERE {kept}{condition};"


def subject_of(database: Database, table_name: str, scope: Scope, scrutiny: Scrutiny) -> Subject:
    """The subject, as the catalogue has it now.

    Raises:
        Refused: the column that was named for the models is not there.
    """
    # In place the application reads the column itself; where its old vectors are kept is limosa's own affair.
    seat = scope.old(0) if scrutiny.side == "source" and not scope.in_place else scope.new(1)
    with database.begin(snapshot=True) as tx:
        table = look(tx, table_name)
        holder = look(tx, seat.relation.sql) if seat.beside else table
        columns = tx.execute(SQL["columns"], {"oid": table.oid})
        apart = tx.execute(SQL["columns"], {"oid": holder.oid}) if seat.beside else ()
        usable = bool(tx.raw("SELECT has_schema_privilege($1, 'USAGE')", scope.relation.schema)[0][0])
    column = holder.require(scope.vector, "the vector column")
    kinds = {name: kind for name, kind, may in columns if may}
    readable = set(kinds)
    scope = replace(scope, text=scrutiny.text)
    found = Subject(
        database=database,
        table=table,
        holder=holder,
        scope=scope,
        seat=seat,
        column=column,
        scrutiny=scrutiny,
        beside=Beside(),
    )
    return replace(
        found,
        beside=_beside(table, scope, scrutiny, kinds),
        unseen=_unseen(table, scope, readable, usable),
        unread=_unread(column, readable | {name for name, _, may in apart if may}, table.server.user),
        silent=_silent(found, readable),
    )


def reason(error: psycopg.Error) -> str:
    """Why something could not be asked, in words that hold no value out of a row."""
    state = error.sqlstate or ""
    # What is not there or not allowed (42), and what was cut short (57), is told by names alone.
    said = error.diag.message_primary if state[:2] in {"42", "57"} else None
    return f"Postgres refuses: {said or f'error {state}'}"


def _unseen(table: Table, scope: Scope, readable: set[str], usable: bool) -> str:
    user = table.server.user
    if table.kind not in {"r", "p", "m"}:
        return f"{scope.relation} is no table"
    hidden = row_security_checks(table)
    if hidden:
        return f"{hidden[0].said} {hidden[0].do}"
    missing = [column.name for column in scope.key if column.name not in readable]
    if missing or not usable:
        what = f"the key ({', '.join(missing)})" if usable else f"the schema {scope.relation.schema}"
        return f"{user} may not read {what}: GRANT SELECT ON {scope.relation.sql} TO {quoted(user)} is missing"
    return ""


def _unread(column: Column, readable: set[str], user: str) -> str:
    if column.name not in readable:
        return f"{user} may not read {column.name}"
    if column.base not in {"vector", "halfvec"}:
        return f"{column.name} is of type {column.type}, and no vector or halfvec"
    return ""


def _silent(subject: Subject, readable: set[str]) -> str:
    table, text = subject.table, subject.scope.text
    missing = [name for name in text_columns(text) if name not in readable]
    if missing:
        gone = [name for name in missing if table.column(name) is None]
        why = f"{subject.scope.relation} has no column" if gone else f"{table.server.user} may not read"
        return f"{why} {', '.join(gone or missing)}"
    refused = [check.said for check in query_checks(subject.database, subject.scope) if check.verdict == "refused"]
    return "the text query cannot be used" if refused else ""


def _beside(table: Table, scope: Scope, scrutiny: Scrutiny, kinds: Mapping[str, str]) -> Beside:
    """The columns by their names and types; those that texts are made of tell of nothing else."""
    own = {scope.vector, *(column.name for column in scope.key), *text_columns(scope.text)}
    words, flags, zoned, local = (
        [name for name, kind in kinds.items() if kind == wanted and name not in own]
        for wanted in ("word", "flag", "timestamptz", "timestamp")
    )
    named = scrutiny.model_column
    if named is not None:
        table.require(named, "the column of the models")
    model = named if named in kinds else _longest(_MODEL, words) if named is None else None
    status = _longest(_STATUS, words)
    flag = _longest(_DONE_FLAG, flags)
    changed, embedded = _pair(zoned) or _pair(local) or (None, None)
    return Beside(
        model=model,
        stated=named is not None or (model or "").startswith(("embed", "vector")),
        status=status or flag,
        flag=status is None,
        changed=changed,
        embedded=embedded,
    )


def _pair(moments: list[str]) -> tuple[str, str] | None:
    """The columns that say when a row was changed and embedded, of columns of one type: others cannot be compared."""
    changed, embedded = _longest(_CHANGED, moments), _longest(_EMBEDDED, moments)
    return (changed, embedded) if changed and embedded else None


def _longest(pattern: re.Pattern[str], names: list[str]) -> str | None:
    """The most telling name: the longest that the pattern matches as a whole, whatever its case."""
    return max((name for name in names if pattern.fullmatch(name.lower())), key=len, default=None)
