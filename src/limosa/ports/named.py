"""SQL kept in ``.sql`` files: each ``-- name: x`` in a file is one statement."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

__all__ = ["named_sql"]

_NAMED = re.compile(r"^-- name: (\w+)\n(.*?)(?=^-- name: |\Z)", re.MULTILINE | re.DOTALL)


@cache
def named_sql(package: str, stem: str) -> Mapping[str, str]:
    """The statements of ``sql/<stem>.sql`` in a package, by name, without their closing semicolon."""
    text = (files(package) / "sql" / f"{stem}.sql").read_text(encoding="utf-8")
    return {name: body.strip().rstrip(";") for name, body in _NAMED.findall(text)}
