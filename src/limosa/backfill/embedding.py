"""Texts to vectors across the border: retried where it helps, bisected where one text spoils a batch."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from limosa.errors import Refused, RowRefused, Transient
from limosa.model.batch import Embedded, Kind, Row, Vectors
from limosa.model.vectors import WrongShape, faults, require_shape
from limosa.ports.embedder import Embedder

__all__ = ["Answer", "Patience", "embed_rows"]


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long a Transient of a provider is waited out.

    Attributes:
        tries: attempts of one batch in all.
        longest_s: the longest pause between two of them.
        stop: set when the run ends; wakes a pause.
    """

    tries: int = 6
    longest_s: float = 30.0
    stop: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for a batch.

    Attributes:
        good: positions whose vector may be stored; vectors: shape (len(good), d), in that order.
        dead: position and reason.
        tokens: input tokens the provider counted; estimated at four characters a token where it does not say.
    """

    good: list[int]
    vectors: Vectors
    dead: list[tuple[int, str]]
    tokens: int


def embed_rows(embedder: Embedder, rows: Sequence[Row], patience: Patience, kind: Kind = "document") -> Answer:
    """Vectors for rows that all have a text.

    A text that the provider refuses, or a vector that must not be stored, makes that row dead. If
    every row of a batch of more than one is refused in the same breath, the provider is at fault.

    Raises:
        Refused: the provider refuses the work as such.
        Transient: it failed again and again.
    """
    answer = _split(embedder, list(range(len(rows))), rows, patience, kind)
    if len(rows) > 1 and not answer.good:
        raise Refused(
            f"{embedder.destination} refused every one of {len(rows)} texts: {answer.dead[0][1]}.",
            needed="A provider that takes the texts of this table.",
            do="Check model, dimensions and oversize in the file; nothing of this batch was marked dead.",
        )
    return answer


def _split(embedder: Embedder, places: list[int], rows: Sequence[Row], patience: Patience, kind: Kind) -> Answer:
    d = embedder.space.dimensions
    texts = [rows[i].text or "" for i in places]
    try:
        answer = _patiently(embedder, texts, patience, kind)
        vectors = require_shape(answer, n=len(texts), d=d)
    except (RowRefused, WrongShape) as error:
        if len(places) == 1:
            if isinstance(error, WrongShape):
                raise
            return Answer([], np.zeros((0, d), dtype=np.float32), [(places[0], error.what)], 0)
        half = len(places) // 2
        parts = [_split(embedder, part, rows, patience, kind) for part in (places[:half], places[half:])]
        return Answer(
            parts[0].good + parts[1].good,
            np.concatenate([part.vectors for part in parts]),
            parts[0].dead + parts[1].dead,
            sum(part.tokens for part in parts),
        )
    tokens = answer.tokens if answer.tokens is not None else sum(len(text) for text in texts) // 4
    bad = faults(vectors)
    if not bad:
        return Answer(places, vectors, [], tokens)
    kept = [i for i in range(len(places)) if i not in bad]
    return Answer([places[i] for i in kept], vectors[kept], [(places[i], why) for i, why in bad.items()], tokens)


def _patiently(embedder: Embedder, texts: list[str], patience: Patience, kind: Kind) -> Embedded:
    pause_s = 0.5
    for attempt in range(1, patience.tries + 1):
        try:
            return embedder.embed(texts, kind)
        except Transient as error:
            if attempt == patience.tries or patience.stop.is_set():
                raise
            asked_s = float(getattr(error, "retry_after_s", 0.0) or 0.0)
            wait_s = min(patience.longest_s, max(asked_s, pause_s * random.uniform(0.5, 1.5)))  # noqa: S311
            patience.stop.wait(wait_s)
            pause_s *= 2
    raise AssertionError("unreachable")
