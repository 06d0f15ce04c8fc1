"""The ledger's tables as statements that may be run again."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

__all__ = ["schema"]


@cache
def schema() -> tuple[str, ...]:
    """The statements that make the ledger's tables, in order."""
    text = (files(__package__) / "sql" / "schema.sql").read_text(encoding="utf-8")
    bare = re.sub(r"^--.*$", "", text, flags=re.MULTILINE)
    return tuple(part.strip() for part in bare.split(";") if part.strip())
