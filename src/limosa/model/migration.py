"""A migration: one job, as its file describes it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from limosa.model.place import Place
from limosa.model.space import Endpoint, Space

__all__ = ["Backfill", "Index", "Match", "Migration", "Shape", "Side"]

Shape = Literal["upgrade", "fill"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One end of a migration: a place, the space of its vectors, and who embeds for it."""

    place: Place
    space: Space
    endpoint: Endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """The approximate nearest-neighbour index to build.

    Attributes:
        kind: ``hnsw`` or ``ivfflat``.
        metric: ``cosine``, ``l2`` or ``ip`` (inner product).
        type: element type of the vector column: ``vector`` (float32) or ``halfvec``.
        m, ef_construction: HNSW build parameters (pgvector's defaults: 16 and 64).
        lists: IVFFlat lists; None takes rows / 1000, at least 10 (pgvector's advice).
    """

    kind: Literal["hnsw", "ivfflat"] = "hnsw"
    metric: Literal["cosine", "l2", "ip"] = "cosine"
    type: Literal["vector", "halfvec"] = "vector"
    m: int = 16
    ef_construction: int = 64
    lists: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The match function that the application calls.

    Attributes:
        function: its name, optionally ``schema.name``.
        returns: columns that it returns beside ``similarity``.
        filter: a jsonb column to which the argument ``filter`` is compared by ``@>``; None for none.
    """

    function: str
    returns: tuple[str, ...]
    filter: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """How the rows are filled.

    Attributes:
        batch_rows: rows in one request to the provider and in one write transaction.
        budget_usd: hard stop for money; None for no limit.
        max_pending: changes that may be outstanding when cutover switches after its last try.
    """

    batch_rows: int = 128
    budget_usd: float | None = None
    max_pending: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One job: source, target, and how to get there."""

    name: str
    source: Side
    target: Side
    layout: str
    index: Index | None
    match: Match | None
    backfill: Backfill
    soak_days: int = 7

    @property
    def shape(self) -> Shape:
        """``fill`` where the space stays and only missing vectors are made, else ``upgrade``."""
        return "fill" if self.source.space.fingerprint == self.target.space.fingerprint else "upgrade"

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits over what is to be done: not over pace, money, or who answers where."""
        sides = [(side.place, side.space.fingerprint) for side in (self.source, self.target)]
        text = repr((self.name, sides, self.layout, self.index, self.match))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def id(self) -> str:
        """Eight hexadecimal digits that stay the same for this job on this table.

        Every object limosa makes in a database carries it, so that scripts can be written before
        the ledger exists. The store's URL is left out: the ledger lies in that store.
        """
        place = self.target.place
        text = "\x1f".join([self.name, place.table, place.vector, self.target.space.fingerprint])
        return hashlib.sha256(text.encode()).hexdigest()[:8]
