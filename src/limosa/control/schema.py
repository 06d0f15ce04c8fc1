"""The ledger's statements in the database's own dialect: its tables, and what is said to them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

from limosa.errors import LimosaError
from limosa.model.batch import Key
from limosa.ports.named import named_sql
from limosa.ports.tx import Begin, Dialect, Tx

__all__ = ["SWEPT", "as_json", "as_key", "at", "prepare", "run", "schema", "send", "statements", "tables"]

SWEPT = ("jobs", "chunks", "exceptions", "traces", "marks", "changes", "touched", "wishes", "operations")
"""What is only needed while a migration lives; for each there is a statement ``sweep_<name>``."""

_TABLE = re.compile(r"CREATE TABLE IF NOT EXISTS (\S+)")


@cache
def schema(dialect: Dialect) -> tuple[str, ...]:
    """The statements that make the ledger's tables, in order; all of them may be run again."""
    text = (files(__package__) / "sql" / dialect / "schema.sql").read_text(encoding="utf-8")
    bare = re.sub(r"^--.*$", "", text, flags=re.MULTILINE)
    return tuple(part.strip() for part in bare.split(";") if part.strip())


def tables(dialect: Dialect) -> frozenset[str]:
    """Names of the ledger's tables, as its statements write them."""
    return frozenset(found[1] for statement in schema(dialect) if (found := _TABLE.match(statement)))


def prepare(begin: Begin) -> None:
    """Makes the ledger's tables where they are missing, also those that an older version did not know; idempotent."""
    with begin(snapshot=True) as tx:
        if tables(tx.dialect) <= {name for (name,) in run(tx, "migrations", "tables", {})}:
            return
    with begin() as tx:
        # Two processes that start at once would both try to make the schema.
        run(tx, "migrations", "one_at_a_time", {})
        for statement in schema(tx.dialect):
            tx.execute(statement)


def statements(dialect: Dialect, stem: str) -> Mapping[str, str]:
    """The statements of a file, such as ``chunks`` or ``migrations``, by name: the same names in every dialect."""
    return named_sql("limosa.control", f"{dialect}/{stem}")


def run(tx: Tx, stem: str, name: str, params: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """The rows that a statement of the ledger answers."""
    return tx.execute(statements(tx.dialect, stem)[name], params)


def send(tx: Tx, stem: str, name: str, params: Mapping[str, Any], *, otherwise: LimosaError | None = None) -> None:
    """Sends a statement of the ledger whose answer nobody waits for; see ``Tx.send``."""
    tx.send(statements(tx.dialect, stem)[name], params, otherwise=otherwise)


def as_key(value: list[str] | str | None) -> Key | None:
    """A key as the database keeps it: an array where it knows arrays, else JSON."""
    if value is None:
        return None
    return tuple(json.loads(value) if isinstance(value, str) else value)


def as_json(value: object) -> str:
    """A parameter as JSON, written as SQLite writes it: a key is compared with what its triggers noted."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def at(value: datetime | float) -> datetime:
    """A time as the database keeps it: its own type, or seconds since 1970."""
    return value if isinstance(value, datetime) else datetime.fromtimestamp(value, tz=UTC)
