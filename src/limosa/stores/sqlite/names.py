"""Names and texts written into SQL; everything else goes as a parameter."""

from __future__ import annotations

import re

__all__ = ["literal", "mentions", "quoted"]


def quoted(name: str) -> str:
    """A name that stands for itself, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL."""
    return "'" + text.replace("'", "''") + "'"


def mentions(sql: str, name: str) -> bool:
    """Whether a statement names something, quoted or not; SQLite compares names without case."""
    return re.search(rf"(?<![\w$]){re.escape(name)}(?![\w$])", sql, re.IGNORECASE) is not None
