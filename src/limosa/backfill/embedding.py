"""Texts to vectors across the border: bisected where one text spoils a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from limosa.errors import LimosaError, Refused, RowRefused, Stubborn, TooLong, Unanswered
from limosa.model.batch import UNPAID, Embedded, Kind, Paid, Row, Vectors
from limosa.model.vectors import WrongShape, faults, require_shape
from limosa.ports.embedder import Embedder

__all__ = ["Answer", "embed_rows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back for a batch.

    Attributes:
        good: positions whose vector may be stored; vectors: shape (len(good), d), in that order.
        skipped, dead: position and reason of the others.
        marks: positions whose text was not embedded as it is, with what was done.
        paid: what is to be written down for it.
        committed: to be called when what they cost is in a ledger.
    """

    good: list[int]
    vectors: Vectors
    skipped: dict[int, str] = field(default_factory=dict)
    dead: dict[int, str] = field(default_factory=dict)
    marks: Mapping[int, str] = field(default_factory=dict)
    paid: Paid = UNPAID
    committed: tuple[Callable[[], None], ...] = ()


def embed_rows(embedder: Embedder, rows: Sequence[Row], kind: Kind = "document") -> Answer:
    """Vectors for rows that all have a text.

    A text that the provider refuses, or a vector that must not be stored, makes that row dead; one that is
    too long is skipped where the space says so. If every text of a batch of more than one is refused for
    another reason than its length, the provider is at fault.

    Raises:
        Refused: the provider refuses the work as such.
        Unanswered: it failed again and again.
    """
    parts = list(_answers(embedder, list(range(len(rows))), rows, kind))
    answer = Answer(
        good=[place for part in parts for place in part.good],
        vectors=np.concatenate([part.vectors for part in parts]),
        skipped={place: why for part in parts for place, why in part.skipped.items()},
        dead={place: why for part in parts for place, why in part.dead.items()},
        marks={place: mark for part in parts for place, mark in part.marks.items()},
        paid=sum((part.paid for part in parts), UNPAID),
        committed=tuple(each for part in parts for each in part.committed),
    )
    if len(rows) > 1 and len(answer.dead) == len(rows) and not any(_LONG in why for why in answer.dead.values()):
        raise Refused(
            f"{embedder.destination} refused every one of {len(rows)} texts: {answer.dead[0]}",
            needed="A provider that takes the texts of this table.",
            do="Check model, dimensions and oversize in the file; nothing of this batch was marked dead.",
        )
    return answer


_LONG = "too long: "


def _answers(embedder: Embedder, places: list[int], rows: Sequence[Row], kind: Kind) -> Iterator[Answer]:
    """The batch in as many parts as it takes to leave what cannot be embedded alone."""
    texts = [rows[i].text or "" for i in places]
    try:
        answer = embedder.embed(texts, kind)
        vectors = require_shape(answer, n=len(texts), d=embedder.space.dimensions)
    except (RowRefused, WrongShape, Unanswered) as error:
        if not _may_be_one_text(error) or (len(places) == 1 and isinstance(error, WrongShape)):
            raise
        if len(places) == 1:
            yield _without(embedder, {places[0]: error})
            return
        half = len(places) // 2
        for part in (places[:half], places[half:]):
            yield from _answers(embedder, part, rows, kind)
        return
    yield from _kept(embedder, places, texts, (answer, vectors))


def _may_be_one_text(error: Exception) -> bool:
    """A provider that fails on these texts while it answers others may fail on one of them."""
    return not isinstance(error, Unanswered) or isinstance(error, Stubborn)


def _kept(embedder: Embedder, places: list[int], texts: list[str], found: tuple[Embedded, Vectors]) -> Iterator[Answer]:
    answer, vectors = found
    if answer.refused:
        yield _without(embedder, {places[i]: error for i, error in answer.refused.items()})
    bad = {i: why for i, why in faults(vectors).items() if i not in answer.refused}
    kept = [i for i in range(len(places)) if i not in bad and i not in answer.refused]
    tokens = answer.tokens if answer.tokens is not None else sum(embedder.count(texts) or map(_about, texts))
    yield Answer(
        good=[places[i] for i in kept],
        vectors=vectors if len(kept) == len(places) else vectors[kept],
        dead={places[i]: why for i, why in bad.items()},
        marks={places[i]: mark for i, mark in answer.marks.items()},
        paid=Paid(texts=answer.asked, tokens=tokens, usd=answer.cost_usd),
        committed=(answer.committed,),
    )


def _about(text: str) -> int:
    return len(text) // 4


def _without(embedder: Embedder, errors: Mapping[int, LimosaError]) -> Answer:
    skips = embedder.space.oversize == "skip"
    reasons = {i: (_LONG if isinstance(error, TooLong) else "") + error.what for i, error in errors.items()}
    skipped = {i for i, error in errors.items() if skips and isinstance(error, TooLong)}
    return Answer(
        good=[],
        vectors=np.zeros((0, embedder.space.dimensions), dtype=np.float32),
        skipped={i: why for i, why in reasons.items() if i in skipped},
        dead={i: why for i, why in reasons.items() if i not in skipped},
    )
