"""The ledger's statements in the database's own dialect: its tables, and what is said to them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from limosa.model.batch import Key
from limosa.ports.named import named_sql
from limosa.ports.tx import Dialect, Tx

__all__ = ["as_json", "as_key", "run", "schema", "statements"]


@cache
def schema(dialect: Dialect) -> tuple[str, ...]:
    """The statements that make the ledger's tables, in order; all of them may be run again."""
    text = (files(__package__) / "sql" / dialect / "schema.sql").read_text(encoding="utf-8")
    bare = re.sub(r"^--.*$", "", text, flags=re.MULTILINE)
    return tuple(part.strip() for part in bare.split(";") if part.strip())


def statements(dialect: Dialect, stem: str) -> Mapping[str, str]:
    """The statements of a file, ``chunks`` or ``migrations``, by name: the same names in every dialect."""
    return named_sql("limosa.control", f"{dialect}/{stem}")


def run(tx: Tx, stem: str, name: str, params: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """The rows that a statement of the ledger answers."""
    return tx.execute(statements(tx.dialect, stem)[name], params)


def as_key(value: list[str] | str | None) -> Key | None:
    """A key as the database keeps it: an array where it knows arrays, else JSON."""
    if value is None:
        return None
    return tuple(json.loads(value) if isinstance(value, str) else value)


def as_json(value: object) -> str:
    """A parameter as JSON, written as SQLite writes it: a key is compared with what its triggers noted."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
