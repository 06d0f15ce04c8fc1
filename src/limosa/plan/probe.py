"""Probe calls: whether a model answers, in which size, how fast, and whether stored vectors are its own."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

import numpy as np

from limosa.errors import LimosaError, RowRefused
from limosa.model.batch import Vectors
from limosa.model.vectors import faults, require_shape
from limosa.ports.embedder import HERE, Embedder

__all__ = ["AGREES", "NEUTRAL", "Probe", "cosines", "probe"]

NEUTRAL = "limosa asks whether this model answers"
"""Sent where the table has no text to send."""

_ALONE = 8
"""Texts that are asked for one at a time, to see how much their tokens vary."""

AGREES = 0.95
"""Cosine from which on two embeddings of one text are of one space: quantised models and half precision stay above
0.97 from run to run, another model of the same size lies near 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What a model answered.

    Attributes:
        embedder: None where not even opening it succeeded.
        error: why it does not answer; None where it does.
        characters_per_token: None where the provider does not count.
        per_token_error: relative error of that, twice the standard error; None where it is not known.
        rows_per_s: of one request after another; None where nothing was timed.
        refused: texts of the sample that it refuses, and spoiled: whose vector must not be stored.
        reason: of the first of them.
    """

    embedder: Embedder | None
    error: LimosaError | None = None
    characters_per_token: float | None = None
    per_token_error: float | None = None
    rows_per_s: float | None = None
    sampled: int = 0
    refused: int = 0
    reason: str = ""


def probe(opened: Callable[[], Embedder], texts: Sequence[str], *, most: int) -> Probe:
    """Calls a model twice: once for the connection, once timed with up to ``most`` of the texts."""
    try:
        embedder = opened()
    except LimosaError as error:
        return Probe(embedder=None, error=error)
    chosen = list(texts[: min(most, embedder.limits.batch)]) or [NEUTRAL]
    try:
        _ask(embedder, [NEUTRAL])
        found = _timed(embedder, chosen)
        # What this machine makes costs nothing, however many tokens it is.
        paid = embedder.destination != HERE and found.characters_per_token is not None
        return replace(found, per_token_error=_spread(embedder, chosen)) if paid else found
    except RowRefused:
        return _one_by_one(embedder, chosen)
    except LimosaError as error:
        return Probe(embedder=embedder, error=error)


def _ask(embedder: Embedder, texts: list[str]) -> tuple[Vectors, int | None]:
    answer = embedder.embed(texts, "document")
    return require_shape(answer, n=len(texts), d=embedder.space.dimensions), answer.tokens


def _timed(embedder: Embedder, texts: list[str]) -> Probe:
    started_s = time.perf_counter()
    vectors, tokens = _ask(embedder, texts)
    seconds = time.perf_counter() - started_s
    bad = faults(vectors)
    return Probe(
        embedder=embedder,
        characters_per_token=sum(map(len, texts)) / tokens if tokens else None,
        rows_per_s=len(texts) / max(seconds, 1e-6),
        sampled=len(texts),
        refused=len(bad),
        reason=next(iter(bad.values()), ""),
    )


def _spread(embedder: Embedder, texts: list[str]) -> float | None:
    """Twice the standard error of characters a token, relative, over the texts; from a few of them alone."""
    ratios: list[float] = []
    for text in texts[:_ALONE]:
        _, tokens = _ask(embedder, [text])
        if tokens:
            ratios.append(len(text) / tokens)
    if len(ratios) < 2:
        return None
    return 2 * stdev(ratios) / fmean(ratios) / math.sqrt(len(texts))


def _one_by_one(embedder: Embedder, texts: list[str]) -> Probe:
    """A text of the batch was refused: which ones is only seen one at a time."""
    reasons: list[RowRefused] = []
    characters, counted = 0, 0
    started_s = time.perf_counter()
    for text in texts:
        try:
            _, tokens = _ask(embedder, [text])
            characters, counted = characters + len(text), counted + (tokens or 0)
        except RowRefused as error:
            reasons.append(error)
        except LimosaError as error:
            return Probe(embedder=embedder, error=error)
    if len(reasons) == len(texts):
        return Probe(embedder=embedder, error=reasons[0], sampled=len(texts), refused=len(reasons))
    return Probe(
        embedder=embedder,
        characters_per_token=characters / counted if counted else None,
        rows_per_s=len(texts) / max(time.perf_counter() - started_s, 1e-6),
        sampled=len(texts),
        refused=len(reasons),
        reason=reasons[0].what,
    )


def cosines(embedder: Embedder, texts: Sequence[str], stored: Vectors) -> list[float]:
    """Cosine of every stored vector with what the model answers for its text now; refused texts are left out.

    Args:
        stored: shape (n, d), in the order of the texts.

    Raises:
        LimosaError: the model does not answer.
    """
    found: list[float] = []
    for start in range(0, len(texts), embedder.limits.batch):
        part = list(texts[start : start + embedder.limits.batch])
        try:
            made, _ = _ask(embedder, part)
        except RowRefused:
            continue
        found += _cosines(made, stored[start : start + len(part)])
    return found


def _cosines(made: Vectors, stored: Vectors) -> list[float]:
    ours, theirs = made.astype(np.float64), stored.astype(np.float64)
    norms = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    dots = np.einsum("nd,nd->n", ours, theirs)
    # A zero vector, stored or made, says nothing about the space.
    return [float(dot / norm) for dot, norm in zip(dots, norms, strict=True) if norm > 0]
