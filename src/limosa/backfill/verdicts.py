"""What is to become of rows before they are written: embedded, or carried with the vector that they have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from limosa.backfill.embedding import Answer, Patience, embed_rows
from limosa.errors import Refused
from limosa.model.batch import Key, Row, VectorRows, Vectors
from limosa.ports.embedder import Embedder
from limosa.ports.ledger import Ledger

__all__ = ["Embedding", "Judge", "Verdicts", "blank", "carry"]


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What is known of the rows of a batch.

    Attributes:
        vectors: one array of shape (n, d), or n arrays of shape (d,) where rows differ in length.
        places: for each row that is to be written, where its vector lies in ``vectors``.
        skipped, dead: for each other row that needs an outcome, the reason.
        tokens: what the provider counted.
    """

    vectors: Vectors | list[Vectors]
    places: dict[Key, int]
    skipped: dict[Key, str]
    dead: dict[Key, str]
    tokens: int = 0

    def writes(self, rows: Sequence[Row]) -> list[tuple[list[int], VectorRows]]:
        """Positions of rows whose vectors are of one length, with those vectors."""
        places = [self.places[row.key] for row in rows]
        if isinstance(self.vectors, np.ndarray):
            return [(list(range(len(rows))), self.vectors[places])] if rows else []
        lengths: dict[int, list[int]] = {}
        for i, place in enumerate(places):
            lengths.setdefault(len(self.vectors[place]), []).append(i)
        return [(at, [self.vectors[places[i]] for i in at]) for at in lengths.values()]


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
    """Rows are embedded, within the budget.

    Attributes:
        fill: rows that hold a vector are embedded again where they are listed at all.
        budget_usd: hard stop; None for no limit.
        usd_per_token: price; zero where it is free or not known.
    """

    embedder: Embedder
    ledger: Ledger
    fill: bool
    budget_usd: float | None = None
    usd_per_token: float = 0.0
    patience: Patience = field(default_factory=Patience)

    def __call__(self, rows: Sequence[Row]) -> Verdicts:
        """What the provider answers; rows without a text are skipped, texts that it refuses are dead."""
        skipped = {row.key: why for row in rows if (why := blank(row.text)) is not None}
        # A vector that stands is fresh: the guard trigger clears it when the text outruns it. Not so in a fill.
        wanted = [row for row in rows if row.key not in skipped and (self.fill or not row.filled)]
        answer = self._embed(wanted)
        return Verdicts(
            vectors=answer.vectors,
            places={wanted[i].key: place for place, i in enumerate(answer.good)},
            skipped=skipped,
            dead={wanted[i].key: why for i, why in answer.dead},
            tokens=answer.tokens,
        )

    def _embed(self, rows: Sequence[Row]) -> Answer:
        if not rows:
            return Answer([], np.zeros((0, self.embedder.space.dimensions), dtype=np.float32), [], 0)
        self._afford(rows)
        return embed_rows(self.embedder, rows, self.patience)

    def _afford(self, rows: Sequence[Row]) -> None:
        """Asks the ledger before money is spent, so that all workers together stay within the budget."""
        if self.budget_usd is None or not self.usd_per_token:
            return
        # Three characters a token is more than most texts need: the stop comes early rather than late.
        ahead = sum(len(row.text or "") for row in rows) / 3 * self.usd_per_token * self.embedder.limits.workers
        spent = self.ledger.spent_usd()
        if spent + ahead > self.budget_usd:
            raise Refused(
                f"The budget of ${self.budget_usd:.2f} is used up: ${spent:.4f} are spent.",
                needed=f"About ${ahead:.4f} for the next requests.",
                do="Raise budget_usd in [backfill] and run again; everything done stands.",
            )
