"""Cutting a text that is too long: its beginning, or pieces that end where sentences do."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

__all__ = ["Count", "beginning", "pieces"]

Count = Callable[[Sequence[str]], list[int]]
"""Tokens of each text."""

# Possessive, and begun only where a run of marks begins: a page of dots is passed once and not once for each dot.
_SENTENCE = re.compile(r".+?(?:(?<![.!?…])[.!?…]++[\"')\]»”’]*+\s++|[。！？]++|\n++|\Z)", re.DOTALL)

_CHARACTERS = 4
"""A token's in English prose: where the search for an end begins."""


def beginning(text: str, most: int, count: Count) -> str:
    """The longest beginning of at most so many tokens, at least one character; cut after a word where there is one.

    What lies far behind the cut is not counted: the work grows with the beginning and not with the text.
    """
    low, high = 1, max(2, _CHARACTERS * most)
    while high < len(text) and count([text[:high]])[0] <= most:
        low, high = high, 2 * high
    high = min(high, len(text))
    while low < high:
        middle = (low + high + 1) // 2
        if count([text[:middle]])[0] <= most:
            low = middle
        else:
            high = middle - 1
    cut = text[:low]
    if low >= len(text) or text[low].isspace():
        return cut
    word = re.search(r"\s(?=\S*\Z)", cut)
    return cut[: word.start()] if word and word.start() and cut[: word.start()].strip() else cut


def pieces(text: str, most: int, count: Count) -> list[str]:
    """The text in pieces of at most so many tokens; joined they are the text again.

    Pieces end where sentences do; a sentence that is too long by itself is cut after a word.
    """
    sentences = _SENTENCE.findall(text)
    sizes = count(sentences) if sentences else []
    out: list[str] = []
    held, weight = "", 0
    for sentence, size in zip(sentences, sizes, strict=True):
        if held and weight + size > most:
            out.append(held)
            held, weight = "", 0
        if size > most:
            *whole, rest = _cut(sentence, most, count)
            out += whole
            held, weight = rest, count([rest])[0]
        else:
            held, weight = held + sentence, weight + size
    return [*out, held] if held else out


def _cut(sentence: str, most: int, count: Count) -> list[str]:
    parts: list[str] = []
    start = 0
    while start < len(sentence):
        # The search looks at no more than it would in the whole rest, and the rest is not copied for each piece.
        part = _beginning_at(sentence, start, most, count)
        parts.append(part)
        start += len(part)
    return parts


def _beginning_at(text: str, start: int, most: int, count: Count) -> str:
    window = 4 * _CHARACTERS * max(1, most)
    while True:
        part = text[start : start + window]
        found = beginning(part, most, count)
        if len(found) < len(part) or start + window >= len(text):
            return found
        window *= 4
