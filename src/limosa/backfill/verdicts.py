"""What is to become of rows before they are written: embedded, or carried with the vector that they have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from limosa.backfill.embedding import Answer, embed_rows
from limosa.errors import Refused
from limosa.model.batch import UNPAID, Key, Paid, Row, VectorRows, Vectors
from limosa.model.vectors import faults, normalised
from limosa.ports.embedder import Embedder

__all__ = ["Embedding", "Judge", "Returning", "Verdicts", "blank", "carry", "joined", "wants"]


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What is known of the rows of a batch.

    Attributes:
        vectors: one array of shape (n, d), or n arrays of shape (d,) where rows differ in length.
        places: for each row that is to be written, where its vector lies in ``vectors``.
        skipped, dead: for each other row that needs an outcome, the reason.
        marks: rows whose text was not embedded as it is, with what was done.
        paid: what is to be written down for them.
        after: to be called when what they cost is committed.
    """

    vectors: Vectors | list[Vectors]
    places: dict[Key, int]
    skipped: dict[Key, str]
    dead: dict[Key, str]
    marks: dict[Key, str] = field(default_factory=dict)
    paid: Paid = UNPAID
    after: tuple[Callable[[], None], ...] = ()

    def committed(self) -> None:
        """Says that what they cost is committed."""
        for each in self.after:
            each()

    def writes(self, rows: Sequence[Row]) -> list[tuple[list[int], VectorRows]]:
        """Positions of rows whose vectors are of one length, with those vectors."""
        places = [self.places[row.key] for row in rows]
        if isinstance(self.vectors, np.ndarray):
            return [(list(range(len(rows))), self.vectors[places])] if rows else []
        lengths: dict[int, list[int]] = {}
        for i, place in enumerate(places):
            lengths.setdefault(len(self.vectors[place]), []).append(i)
        return [(at, [self.vectors[places[i]] for i in at]) for at in lengths.values()]


def joined(parts: Sequence[Verdicts]) -> Verdicts:
    """Verdicts over several batches, as one; where there are several, vectors must be of one length."""
    if len(parts) == 1:
        return parts[0]
    places: dict[Key, int] = {}
    start = 0
    for part in parts:
        places.update((key, start + place) for key, place in part.places.items())
        start += len(part.vectors)
    return Verdicts(
        vectors=np.concatenate([np.asarray(part.vectors) for part in parts]),
        places=places,
        skipped={key: why for part in parts for key, why in part.skipped.items()},
        dead={key: why for part in parts for key, why in part.dead.items()},
        marks={key: mark for part in parts for key, mark in part.marks.items()},
        paid=sum((part.paid for part in parts), UNPAID),
        after=tuple(each for part in parts for each in part.after),
    )


class Judge(Protocol):
    """Says what is to become of rows; outside any transaction, as it may take long."""

    def __call__(self, rows: Sequence[Row]) -> Verdicts:
        """The verdicts.

        Raises:
            Refused: the work as such cannot go on, for example the budget is used up.
            Transient: the provider failed again and again.
        """
        ...


def blank(text: str | None) -> str | None:
    """Why a text cannot be embedded; None where it can."""
    if text is None:
        return "the text is NULL"
    return None if text.strip() else "the text is blank"


def wants(row: Row, *, fill: bool) -> bool:
    """Whether a row is to be embedded.

    A vector that stands is fresh: the guard trigger clears it when the text outruns it. Not so in a fill.
    """
    return blank(row.text) is None and (fill or not row.filled)


def carry(rows: Sequence[Row]) -> Verdicts:
    """Rows keep the vector that they have; a row without one is skipped, one that cannot be carried is dead."""
    vectors: list[Vectors] = []
    places: dict[Key, int] = {}
    for row in rows:
        if row.vector is not None:
            places[row.key] = len(vectors)
            vectors.append(row.vector)
    return Verdicts(
        vectors=vectors,
        places=places,
        skipped={row.key: "no vector" for row in rows if row.vector is None and not row.fault},
        dead={row.key: row.fault for row in rows if row.fault},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding:
    """Rows are embedded; where the model's vectors are nested, the beginning of the old vector is enough.

    Attributes:
        fill: rows that hold a vector are embedded again where they are listed at all.
    """

    embedder: Embedder
    fill: bool

    def __call__(self, rows: Sequence[Row]) -> Verdicts:
        """What the provider answers; rows without a text are skipped, texts that it refuses are dead."""
        skipped = {row.key: why for row in rows if (why := blank(row.text)) is not None}
        wanted = [row for row in rows if wants(row, fill=self.fill)]
        kept, short = self._shortened(wanted)
        asked = [row for row in wanted if row.key not in kept]
        answer = embed_rows(self.embedder, asked) if asked else Answer(good=[], vectors=short[:0])
        return Verdicts(
            vectors=np.concatenate([short, answer.vectors]) if kept else answer.vectors,
            places=kept | {asked[i].key: len(kept) + place for place, i in enumerate(answer.good)},
            skipped=skipped | {asked[i].key: why for i, why in answer.skipped.items()},
            dead={asked[i].key: why for i, why in answer.dead.items()},
            marks={asked[i].key: mark for i, mark in answer.marks.items()},
            paid=answer.paid,
            after=answer.committed,
        )

    def _shortened(self, rows: Sequence[Row]) -> tuple[dict[Key, int], Vectors]:
        """Rows whose new vector is the beginning of the old one, with its place, and those vectors, L2-normalised."""
        d = self.embedder.space.dimensions
        old = [row for row in rows if row.vector is not None and len(row.vector) > d]
        if not (old and self.embedder.limits.nested):
            return {}, np.zeros((0, d), dtype=np.float32)
        short = normalised(np.stack([row.vector[:d] for row in old if row.vector is not None]))
        # A vector that must not be stored was none before either: the provider is asked.
        bad = faults(short)
        good = [i for i in range(len(old)) if i not in bad]
        return {old[i].key: place for place, i in enumerate(good)}, short[good]


@dataclass(frozen=True, slots=True, kw_only=True)
class Returning:
    """Rows flow back: those whose old vector still fits their text keep it, the others get one of the old model.

    Attributes:
        embedder: of the old model; None where nobody says which it is.
    """

    embedder: Callable[[], Embedder] | None

    def __call__(self, rows: Sequence[Row]) -> Verdicts:
        """What the old model answers; where it no longer does, its rows are dead, and the others go on."""
        fit = [row for row in rows if row.filled]
        others = [row for row in rows if not row.filled]
        made = self._made(others)
        # A vector that stays is not sent: it stands already.
        kept: Vectors = np.zeros(0, dtype=np.float32)
        return replace(
            made,
            vectors=[kept, *made.vectors],
            places={row.key: 0 for row in fit} | {key: place + 1 for key, place in made.places.items()},
        )

    def _made(self, rows: Sequence[Row]) -> Verdicts:
        nothing = Verdicts(vectors=[], places={}, skipped={}, dead={})
        if not rows:
            return nothing
        if self.embedder is None:
            return replace(nothing, dead={row.key: _UNKNOWN for row in rows})
        try:
            return Embedding(embedder=self.embedder(), fill=True)(rows)
        except Refused as error:
            return replace(nothing, dead={row.key: f"the old model no longer answers: {error.what}" for row in rows})


_UNKNOWN = "its text is another now, and no [source.space] says which model the old store's vectors are of"
