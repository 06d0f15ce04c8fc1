"""How many tokens a text has: counted by the model's own tokenizer, else by a ratio that answers calibrate."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence

from limosa.ports.embedder import Embedder

__all__ = ["Counter"]

_BYTES_PER_TOKEN = 4.0
"""Before the first answer: English prose. Source: https://platform.openai.com/tokenizer (seen 2026-05-01)."""

_UNKNOWN = 0.5
"""Relative error before the first answers: texts of other languages and of code lie within it."""

_LEAST_ERROR = 0.1
"""Texts that were alike say nothing of the next one, and an error of 0 is a tokenizer's."""

_LEAST = 8
"""Answers from which on their spread says something."""


class Counter:
    """Counts tokens for one embedder; safe to use from several threads.

    Bytes of UTF-8, not characters: their ratio to tokens differs far less between scripts.
    """

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._guard = threading.Lock()
        self._bytes = self._tokens = self._answers = 0
        self._squares = 0.0

    @property
    def bytes_per_token(self) -> float:
        """What the provider's answers came to until now."""
        with self._guard:
            return self._ratio()

    @property
    def error(self) -> float:
        """Twice the relative standard deviation of a single text's count; 0 where a tokenizer counts."""
        if self._embedder.count([""]) is not None:
            return 0.0
        if self._answers < _LEAST:
            return _UNKNOWN
        with self._guard:
            return max(_LEAST_ERROR, 2 * math.sqrt(self._squares / (self._answers - 1)))

    def _ratio(self) -> float:
        return self._bytes / self._tokens if self._tokens else _BYTES_PER_TOKEN

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, at least 1."""
        exact = self._embedder.count(texts)
        if exact is not None:
            return exact
        ratio = self.bytes_per_token
        return [max(1, math.ceil(_size(text) / ratio)) for text in texts]

    def learn(self, texts: Sequence[str], tokens: int | None) -> None:
        """Notes what the provider counted for texts that it was sent as they are."""
        if not tokens or not texts:
            return
        size = sum(map(_size, texts))
        with self._guard:
            # The mean of n texts varies by 1/sqrt(n) of what one text does.
            off = (size / tokens) / self._ratio() - 1 if self._tokens else 0.0
            self._squares += len(texts) * off * off
            self._answers += 1
            self._bytes += size
            self._tokens += tokens


def _size(text: str) -> int:
    """Bytes of UTF-8."""
    return len(text) if text.isascii() else len(text.encode(errors="replace"))
