"""An embedder that takes texts of any length: cut, pooled or refused by the file's policy, never silently."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from limosa.errors import RowRefused, TooLong
from limosa.lane.around import Around
from limosa.lane.pieces import beginning, pieces
from limosa.lane.tokens import Counter
from limosa.model.batch import Embedded, Kind, Vectors
from limosa.model.vectors import normalised, require_shape
from limosa.ports.embedder import Embedder

__all__ = ["Fitted"]

_TIGHTER = (1.0, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.02)
"""Where only a ratio counts the tokens and the provider still says too long: tries at a shorter text.

A script of one byte a token is counted four times too short by the ratio of English; what is refused costs nothing.
"""

_ROOM = 0.9
"""Part of a request's tokens that is filled where they are estimated."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of text number ``owner`` that goes to the provider as one text."""

    owner: int
    text: str
    tokens: int


@dataclass(frozen=True, slots=True)
class _Cut:
    """Texts as they are sent, positions of those that are not sent as they are, and of those that are not sent."""

    parts: list[_Piece]
    marks: dict[int, str]
    refused: dict[int, RowRefused]


class Fitted(Around):
    """Applies ``oversize`` of the space, and sends texts in requests that the provider takes.

    ``truncate`` embeds the beginning; ``pool`` embeds pieces that end where sentences do and takes the mean of
    their vectors, weighted by tokens and L2-normalised; ``refuse`` and ``skip`` leave the text without a vector.
    What was cut or pooled is marked in the answer.
    """

    def __init__(self, inner: Embedder, counter: Counter) -> None:
        super().__init__(inner)
        self.counter = counter

    def count(self, texts: Sequence[str]) -> list[int]:
        """Input tokens of each text, estimated where no tokenizer is at hand."""
        return self.counter.count(texts)

    def _longest(self) -> float:
        """Tokens, as counted here, above which a text is longer than the model takes."""
        most, error = self.limits.tokens, self.counter.error
        if most is None:
            return math.inf
        # A provider that cuts without a word must not get the chance; another one says itself where the end is.
        return most / (1 + error) if self.limits.cuts else most * (1 + error)

    def embed(self, texts: Sequence[str], kind: Kind) -> Embedded:
        """Vectors of the texts, in their order.

        Raises:
            RowRefused: the provider refuses a text of this batch.
            LimosaError: whatever else the provider raises.
        """
        if len(texts) != 1 or self.space.oversize not in {"truncate", "pool"} or not self.counter.error:
            return self._embed(texts, kind, tightness=None)
        try:
            return self._embed(texts, kind, tightness=None)
        except TooLong:
            return self._tightened(texts, kind)

    def _tightened(self, texts: Sequence[str], kind: Kind) -> Embedded:
        """The provider counts more tokens than the ratio does."""
        sent = self.parts(texts)
        for tightness in _TIGHTER[:-1]:
            parts = [piece.text for piece in self._cut(texts, tightness).parts]
            if parts == sent:
                continue
            sent = parts
            try:
                return self._embed(texts, kind, tightness=tightness)
            except TooLong:
                continue
        return self._embed(texts, kind, tightness=_TIGHTER[-1])

    def _embed(self, texts: Sequence[str], kind: Kind, *, tightness: float | None) -> Embedded:
        """With a tightness every text is cut or pooled, to that part of the model's limit."""
        if not texts:
            return self._inner.embed(texts, kind)
        if tightness is None and self._fits(texts):
            return self._inner.embed(texts, kind)
        cut = self._cut(texts, tightness)
        answers: list[tuple[list[_Piece], Embedded]] = []
        try:
            for part in self._requests(cut.parts):
                answers.append((part, self._inner.embed([piece.text for piece in part], kind)))
        except BaseException:
            # Dropped before anybody asks again: their price is told with the answer that is kept.
            answers.clear()
            raise
        return self._joined(len(texts), answers, cut)

    def _fits(self, texts: Sequence[str]) -> bool:
        """Whether the texts go as they are, in one request."""
        counts = self.count(texts)
        return len(texts) <= self.limits.batch and max(counts) <= self._longest() and sum(counts) <= self._room()

    def _room(self) -> float:
        """Tokens of one request."""
        most = self.limits.request_tokens
        return math.inf if most is None else most * (_ROOM if self.counter.error else 1.0)

    def parts(self, texts: Sequence[str]) -> list[str]:
        """The texts as they would be sent: whole, cut or in pieces; without those that would be refused."""
        return [piece.text for piece in self._cut(texts, None).parts]

    def _cut(self, texts: Sequence[str], tightness: float | None) -> _Cut:
        counts = self.count(texts)
        longest = self._longest() if tightness is None else 0.0
        cut = _Cut([], {}, {})
        for i, text in enumerate(texts):
            if counts[i] <= longest:
                cut.parts.append(_Piece(i, text, counts[i]))
            elif self.space.oversize in {"truncate", "pool"}:
                most = self._most(1.0) if tightness is None else self._most(tightness, counts[i])
                cut.parts.extend(self._fit(i, text, most))
                cut.marks[i] = "pooled" if self.space.oversize == "pool" else "truncated"
            else:
                cut.refused[i] = self._too_long(counts[i])
        return cut

    def _most(self, tightness: float, tokens: int | None = None) -> int:
        """Tokens of the longest part; of a text that is too long although it counts as fewer, part of those."""
        if self.limits.tokens is None:
            return max(1, int((tokens or 1) * tightness))
        most = self.limits.tokens / (1 + self.counter.error)
        return max(1, int((most if tokens is None else min(most, tokens)) * tightness))

    def _fit(self, owner: int, text: str, most: int) -> Iterator[_Piece]:
        if self.space.oversize == "truncate":
            # A beginning of nothing but white space is no text.
            parts = [beginning(text.lstrip(), most, self.count)]
        else:
            parts = [part for part in pieces(text, most, self.count) if part.strip()]
        for part, tokens in zip(parts, self.count(parts), strict=True):
            yield _Piece(owner, part, tokens)

    def _too_long(self, tokens: int) -> TooLong:
        about = "about " if self.counter.error else ""
        return TooLong(
            f"the text has {about}{tokens:,} tokens, {self.space.model} takes {self.limits.tokens:,}",
            do='Shorten the text, or set oversize = "truncate" or "pool" in [backfill].',
        )

    def _requests(self, parts: Sequence[_Piece]) -> Iterator[list[_Piece]]:
        """The pieces in requests of at most as many texts and tokens as the provider takes."""
        texts, room = self.limits.batch, self._room()
        request: list[_Piece] = []
        weight = 0
        for piece in parts:
            full = len(request) == texts or weight + piece.tokens > room
            if request and full:
                yield request
                request, weight = [], 0
            request.append(piece)
            weight += piece.tokens
        if request:
            yield request

    def _joined(self, n: int, answers: list[tuple[list[_Piece], Embedded]], cut: _Cut) -> Embedded:
        marks, refused = cut.marks, dict(cut.refused)
        d = self.space.dimensions
        sums = np.zeros((n, d), dtype=np.float32)
        for request, answer in answers:
            vectors = require_shape(answer, n=len(request), d=d)
            refused |= {request[i].owner: error for i, error in answer.refused.items()}
            _add(sums, request, vectors, marks)
        pooled = [i for i, mark in marks.items() if mark == "pooled"]
        if pooled:
            sums[pooled] = normalised(sums[pooled])
        counted = [answer.tokens for _, answer in answers if answer.tokens is not None]
        last = answers[-1][1] if answers else None
        return Embedded(
            sums,
            sum(counted) if len(counted) == len(answers) else None,
            last.model if last else self.space.model,
            last.allowances if last else (),
            marks,
            refused,
            sum(answer.cost_usd for _, answer in answers),
            sum(answer.asked for _, answer in answers),
            committed=partial(_commit, [answer for _, answer in answers]),
        )


def _commit(answers: Sequence[Embedded]) -> None:
    for answer in answers:
        answer.committed()


def _add(sums: Vectors, request: Sequence[_Piece], vectors: Vectors, marks: dict[int, str]) -> None:
    whole = [(i, piece.owner) for i, piece in enumerate(request) if marks.get(piece.owner) != "pooled"]
    if len(whole) == len(request):
        sums[[owner for _, owner in whole]] = vectors
        return
    for i, piece in enumerate(request):
        if marks.get(piece.owner) == "pooled":
            sums[piece.owner] += np.float32(piece.tokens) * vectors[i]
        else:
            sums[piece.owner] = vectors[i]
