"""Evidence: what a store can say of the vectors of one side, for verify to judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from limosa.model.batch import Key, Vectors
from limosa.ports.search import Neighbour
from limosa.ports.tx import Tx

__all__ = ["Answered", "Evidence", "IndexUse", "Matched", "Measured", "Norms"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Vectors of a key range, counted over the whole column, with or without the filter.

    Attributes:
        vectors: rows that hold one.
        outside: of these, rows that do not satisfy the filter.
        excepted: of these, rows that the ledger lists as dead or skipped and no change covers.
        wrong_size, not_finite, zero: of these, vectors that no search can use.
        examples: at most three keys of the last three kinds.
    """

    vectors: int = 0
    outside: int = 0
    excepted: int = 0
    wrong_size: int = 0
    not_finite: int = 0
    zero: int = 0
    examples: tuple[Key, ...] = ()

    @property
    def bad(self) -> int:
        """Vectors that no search can use."""
        return self.wrong_size + self.not_finite + self.zero

    def __add__(self, other: Measured) -> Measured:
        names = ("vectors", "outside", "excepted", "wrong_size", "not_finite", "zero")
        sums = {name: getattr(self, name) + getattr(other, name) for name in names}
        return Measured(**sums, examples=(*self.examples, *other.examples)[:3])


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexUse:
    """An approximate index and whether nearest-neighbour queries go through it.

    Attributes:
        kind: as the store calls it, e.g. ``hnsw``.
        used: ``planned`` (the planner takes it by itself), ``forced`` (only when other ways are
            forbidden, as in tables that are read faster as a whole), ``never``.
        setting: what decides how far it searches, e.g. ``hnsw.ef_search = 40``.
    """

    name: str
    kind: str
    valid: bool
    used: Literal["planned", "forced", "never"]
    setting: str


@dataclass(frozen=True, slots=True)
class Answered:
    """Rows that a search answered, nearest first: returned columns as text, and the similarity."""

    rows: tuple[tuple[str | None, ...], ...]
    similarities: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """What a match function answered, and two direct searches for the same vector: of every row, through the index."""

    answered: Answered
    exact: Answered
    by_index: Answered


@dataclass(frozen=True, slots=True, kw_only=True)
class Norms:
    """L2 norms of vectors of the filter: of all of them, or of a sample.

    Attributes:
        rows: how many were looked at; whole: these were all.
        minimum, median, maximum: None where there was none.
        unit: of these, of length 1 by the store's rule; rule: it in words.
    """

    rows: int
    whole: bool
    minimum: float | None
    median: float | None
    maximum: float | None
    unit: int
    rule: str


class Evidence(Protocol):
    """What can be said of the vectors of one side; changes nothing."""

    def measure(self, after: Key | None, upper: Key | None, tx: Tx) -> Measured:
        """The vectors of rows in (after, upper]; a None edge is no edge."""
        ...

    def index(self) -> IndexUse | None:
        """The approximate index on these vectors; None where none stands."""
        ...

    def compare(self, vector: Vectors, k: int) -> tuple[list[Neighbour], list[Neighbour]]:
        """At most k neighbours through the index, and by comparing every row, in one snapshot."""
        ...

    def match(self, vector: Vectors, k: int, *, named: bool) -> Matched:
        """What the match function answers, and direct searches of these vectors, in one snapshot.

        Args:
            named: the side's name is given as the function's argument ``space``.

        Raises:
            Refused: the function is not there, or refuses to answer.
        """
        ...

    def norms(self) -> Norms:
        """The L2 norms of the vectors, computed by the store; of a bounded sample where there are many."""
        ...

    def by_hand(self) -> Mapping[str, str]:
        """Name of a proof to the SQL that repeats it, complete and runnable; stored vectors are its queries."""
        ...
