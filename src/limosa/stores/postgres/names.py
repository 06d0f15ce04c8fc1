"""Identifiers of Postgres: read as a person writes them, written so that any name is safe."""

from __future__ import annotations

import re
from dataclasses import dataclass
from zlib import crc32

from limosa.errors import Refused

__all__ = [
    "MAX_BYTES",
    "Relation",
    "as_word",
    "distinct",
    "dollar_quoted",
    "literal",
    "parse_relation",
    "quoted",
    "shortened",
]

_PART = re.compile(r'"((?:[^"]|"")+)"|([^".\s]+)')

MAX_BYTES = 63
"""Postgres cuts identifiers at NAMEDATALEN - 1 bytes, silently."""


def quoted(name: str) -> str:
    """A name as an SQL identifier: always in quotes, so that case and keywords survive."""
    if "\x00" in name:
        raise Refused("A name holds a NUL character.", needed="Postgres has no such names.")
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as an SQL string literal, whatever standard_conforming_strings says."""
    escaped = text.replace("'", "''")
    return f" E'{escaped.replace(chr(92), chr(92) * 2)}'" if "\\" in text else f"'{escaped}'"


def as_word(*names: str) -> str:
    """A pattern for Postgres of any of these names where code says it: as a word of its own, or in quotes."""
    listed = "|".join(re.sub(r"(\W)", r"\\\1", name) for name in names)
    return rf"(\m|\")({listed})(\M|\")"


def dollar_quoted(body: str) -> str:
    """A body of code as an SQL string, readable as it stands."""
    # A body that itself holds the tag would end early; names may hold any sign.
    tag = "$limosa$"
    while tag in body:
        tag = tag[:-1] + "_$"
    return f"{tag}{body}{tag}"


def shortened(name: str, suffix: str) -> str:
    """``name + suffix`` within 63 bytes, cut at a character; the suffix always survives."""
    room = MAX_BYTES - len(suffix.encode())
    return name.encode()[:room].decode(errors="ignore") + suffix


def distinct(name: str, suffix: str) -> str:
    """The same for names that may be alike but for their end, which a cut would take: a checksum stands for it."""
    if len((name + suffix).encode()) <= MAX_BYTES:
        return name + suffix
    return shortened(name, f"_{crc32(name.encode()):08x}{suffix}")


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or function by schema and name, as the catalogue has them."""

    schema: str
    name: str

    @property
    def sql(self) -> str:
        """The qualified, quoted identifier."""
        return f"{quoted(self.schema)}.{quoted(self.name)}"

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


def parse_relation(text: str) -> tuple[str | None, str]:
    """Schema (None where left out) and name of ``table``, ``schema.table`` or their quoted forms.

    A name without quotes is taken as it stands, so that ``"Questions"`` and ``Questions`` are the
    same table in a file; Postgres's folding to lower case is not imitated.

    Raises:
        Refused: the text is not one or two names.
    """
    parts: list[str] = []
    at = 0
    while at < len(text):
        found = _PART.match(text, at)
        if found is None:
            break
        parts.append(found[1].replace('""', '"') if found[1] is not None else found[2])
        at = found.end()
        if at < len(text) and text[at] == ".":
            at += 1
            continue
        break
    if at != len(text) or not 1 <= len(parts) <= 2 or text.endswith("."):
        raise Refused(
            f"{text!r} is not a name of a table.",
            needed="table, schema.table, or each part in double quotes.",
            do='Write for example table = "public.questions".',
        )
    return (None, parts[0]) if len(parts) == 1 else (parts[0], parts[1])
