"""Cutting a text that is too long: its beginning, or pieces that end where sentences do."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

__all__ = ["Count", "beginning", "pieces"]

Count = Callable[[Sequence[str]], list[int]]
"""Tokens of each text."""

_SENTENCE = re.compile(r".+?(?:[.!?…]+[\"')\]»”’]*\s+|[。！？]+|\n+|\Z)", re.DOTALL)


def beginning(text: str, most: int, count: Count) -> str:
    """The longest beginning of at most so many tokens, at least one character; cut after a word where there is one."""
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if count([text[:middle]])[0] <= most:
            low = middle
        else:
            high = middle - 1
    cut = text[:low]
    if low == len(text) or text[low].isspace():
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
    while count([sentence])[0] > most and len(sentence) > 1:
        part = beginning(sentence, most, count)
        parts.append(part)
        sentence = sentence[len(part) :]
    return [*parts, sentence]
