"""A draft of ``limosa.toml``: values, each with a comment, written so that the file reads back as the same values."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["Draft", "quoted", "write"]

WIDTH = 98
"""Columns of a comment: a file is read beside a terminal."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Draft:
    """What a file will say.

    Attributes:
        values: as ``limosa.config.load`` takes them: texts, numbers, lists of texts, and tables of these.
        comments: paragraphs by the dotted path of the section or key that they stand before; the empty path
            stands for the top of the file.
        closing: paragraphs at the end.
    """

    values: Mapping[str, object]
    comments: Mapping[str, Sequence[str]] = field(default_factory=dict)
    closing: Sequence[str] = ()


def write(draft: Draft) -> str:
    """The file's text."""
    lines = [*_comment(draft.comments.get("", ())), "", *_section(draft.values, "", draft.comments)]
    lines += _comment(draft.closing)
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """A TOML basic string: JSON escapes the same signs, but for DEL, which TOML does not take as it stands."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _section(values: Mapping[str, object], path: str, comments: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for name, value in values.items():
        if not isinstance(value, Mapping):
            yield from _comment(comments.get(_joined(path, name), ()))
            yield f"{_key(name)} = {_value(value)}"
    for name, value in values.items():
        if isinstance(value, Mapping):
            inner = _joined(path, name)
            said = comments.get(inner, ())
            if said or not all(isinstance(each, Mapping) for each in value.values()):
                yield from ("", *_comment(said), f"[{inner}]")
            yield from _section(value, inner, comments)


def _joined(path: str, name: str) -> str:
    return f"{path}.{_key(name)}" if path else _key(name)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else quoted(name)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, list):
        return "[" + ", ".join(quoted(each) for each in value) + "]"
    return repr(value)


def _comment(paragraphs: Sequence[str]) -> Iterator[str]:
    """Lines that a reader of TOML passes over, whatever stands in them: names come from somebody's database.

    A paragraph that begins with a blank is code, and is not wrapped; an empty one is an empty line.
    """
    for paragraph in paragraphs:
        safe = "".join(letter if letter.isprintable() else " " for letter in paragraph)
        if not safe or safe.startswith(" "):
            yield f"#{safe}" if safe else ""
            continue
        for line in textwrap.wrap(safe, WIDTH, break_long_words=False, break_on_hyphens=False):
            yield f"# {line}"
