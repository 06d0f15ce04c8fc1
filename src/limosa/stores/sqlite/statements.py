"""SQL text taken apart: its statements, the word a statement begins with, the places of its values."""

from __future__ import annotations

import re
import sqlite3
from functools import lru_cache

__all__ = ["parts", "statements", "verb"]

_GAP = re.compile(r"(?:[\s;]+|--[^\n]*|/\*.*?(?:\*/|\Z))*", re.DOTALL)
_WORD = re.compile(r"\w*")
# What may hide a question mark or a semicolon, and the question mark itself.
_TOKEN = re.compile(r"""'[^']*'|"[^"]*"|`[^`]*`|\[[^\]]*\]|--[^\n]*|/\*.*?(?:\*/|\Z)|\?""", re.DOTALL)


def statements(script: str) -> list[str]:
    """The statements of a script, in order; a trigger's body stays in one piece, lone comments go."""
    found: list[str] = []
    rest = ""
    for piece in re.split(r"(?<=;)", script):
        rest += piece
        # SQLite's own judgement: it knows strings, comments and the END of a trigger.
        if sqlite3.complete_statement(rest):
            found.append(rest.strip())
            rest = ""
    return [each for each in (*found, rest.strip()) if verb(each)]


def verb(sql: str) -> str:
    """The first word in capitals, past spaces and comments; empty where there is none."""
    start = _GAP.match(sql)
    word = _WORD.match(sql, start.end() if start else 0)
    return word[0].upper() if word else ""


@lru_cache(maxsize=256)  # a store sends a few dozen texts, again and again
def parts(sql: str) -> tuple[str, ...]:
    """The text before, between and after the placeholders ``?``: one part more than there are placeholders."""
    cuts = [found.start() for found in _TOKEN.finditer(sql) if found[0] == "?"]
    return tuple(sql[start:end] for start, end in zip([0, *(cut + 1 for cut in cuts)], [*cuts, len(sql)], strict=True))
