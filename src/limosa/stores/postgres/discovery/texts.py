"""Which columns of a table are the text that its vectors stand for: a ranking by name and by width."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from limosa.ports.discovery import TextColumn

__all__ = ["Plain", "choose_texts", "is_model", "speaks_of_vectors"]

_BODY = re.compile(
    r"(^|_)(content|contents|body|text|chunk|passage|paragraph|document|description|answer|message|transcript|article"
    r"|abstract|summary|review|comment|notes?|bio|excerpt|caption|fulltext)($|_)"
)
_TITLE = re.compile(r"(^|_)(title|headline|heading|subject|name|question)($|_)")
_NEVER = re.compile(
    r"(^|_)(id|ids|uuid|guid|key|url|uri|link|href|path|file|filename|hash|sha\d*|md5|checksum|etag|digest|slug|status"
    r"|state|type|kind|lang|language|locale|email|phone|ip|token|secret|password|code|source|mime|currency|country"
    r"|model|embedder|provider|version|color|role|tags?|user|username|tenant|by|at)($|_)"
)
"""What names a thing, or says in what state it is, is not what was embedded."""

_MODEL = re.compile(r"(^|_)(model|embedder)(_?(name|id|version))?$")

_VECTORS = re.compile(r"(^|_)(embed\w*|vectors?|vec|emb)($|_)")

PROSE = 20.0
"""Bytes on average from which a column may hold prose; words such as a status or a colour are shorter."""

_CODE = 16
"""A varchar with less room than this holds a code."""


@dataclass(frozen=True, slots=True)
class Plain:
    """A column of a text type: its type with modifiers, and the room that a modifier leaves it."""

    name: str
    type: str
    room: int | None


def is_model(name: str) -> bool:
    """Whether a column of this name says which model something of a row comes from: its vector, as a rule."""
    return _MODEL.search(_words(name)) is not None


def speaks_of_vectors(name: str) -> bool:
    """Whether a column of this name has to do with embeddings."""
    return _VECTORS.search(_words(name)) is not None


def choose_texts(
    columns: Iterable[Plain], widths: Mapping[str, float], *, without: Iterable[str] = ()
) -> tuple[tuple[TextColumn, ...], tuple[TextColumn, ...]]:
    """At most a title and a body, in the order of the table, and what else might be meant, the widest first.

    Args:
        columns: in the order of the table.
        widths: bytes of a value on average, by column; columns may be missing.
        without: key columns.
    """
    left_out = set(without)
    possible = [each for each in columns if each.name not in left_out and _possible(each)]
    body = _best(possible, widths, _BODY)
    title = _best([each for each in possible if each is not body], widths, _TITLE)
    chosen = [each for each in (title, body) if each is not None]
    if not chosen:
        wide = [each for each in possible if widths.get(each.name, 0.0) >= PROSE]
        chosen = sorted(wide, key=lambda each: -widths[each.name])[:1]
    texts = tuple(_told(each, widths) for each in possible if each in chosen)
    rest = sorted((each for each in possible if each not in chosen), key=lambda each: -widths.get(each.name, 0.0))
    return texts, tuple(_told(each, widths) for each in rest)


def _possible(column: Plain) -> bool:
    if column.room is not None and column.room < _CODE:
        return False
    return _NEVER.search(_words(column.name)) is None


def _best(columns: list[Plain], widths: Mapping[str, float], names: re.Pattern[str]) -> Plain | None:
    """The widest of those that are called so."""
    fit = [each for each in columns if names.search(_words(each.name))]
    return max(fit, key=lambda each: widths.get(each.name, 0.0), default=None)


def _told(column: Plain, widths: Mapping[str, float]) -> TextColumn:
    width = widths.get(column.name)
    words = _words(column.name)
    named = "named as a text is" if _BODY.search(words) else "named as a title is" if _TITLE.search(words) else ""
    wide = f"{width:,.0f} bytes on average" if width is not None else ""
    why = ", ".join(part for part in (column.type, wide, named) if part)
    return TextColumn(name=column.name, type=column.type, width_bytes=width, why=why)


def _words(name: str) -> str:
    """A name in lower case with underscores between its words, also where it was written in humps."""
    return re.sub(r"\W+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)).lower()
