"""Carried: what a store can say of rows that were carried to tables of their own, for verify to judge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from limosa.model.batch import Key, Vectors
from limosa.model.point import Scalar
from limosa.ports.search import Neighbour

__all__ = ["Asked", "Beside", "BuiltIndex", "Carried", "Compared", "Looked", "Nearest", "Routed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Source rows held against their targets, value by value and bit by bit.

    Attributes:
        rows: source rows of the filter; of them ``waiting`` are covered by a change or not read yet,
            ``excepted`` are listed as dead or skipped.
        equal: vector and payload are the source's own.
        vectors, payloads: the vector, or only the payload, is another.
        missing: no target holds the row.
        examples: at most three keys of the last three kinds.
        rule: by which vectors are equal, in words.
        what: what is compared, in a word.
    """

    rows: int = 0
    waiting: int = 0
    excepted: int = 0
    equal: int = 0
    vectors: int = 0
    payloads: int = 0
    missing: int = 0
    examples: tuple[Key, ...] = ()
    rule: str = "bit for bit"
    what: str = "rows"

    @property
    def bad(self) -> int:
        """Rows that are not what they were."""
        return self.vectors + self.payloads + self.missing

    def __add__(self, other: Compared) -> Compared:
        names = ("rows", "waiting", "excepted", "equal", "vectors", "payloads", "missing")
        sums = {name: getattr(self, name) + getattr(other, name) for name in names}
        examples = (*self.examples, *other.examples)[:3]
        return Compared(**sums, examples=examples, rule=other.rule, what=other.what)


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """What the target tables hold.

    Attributes:
        tables: rows by table; models: rows by table and model.
        twice: keys that stand in two tables; astray: rows whose vector has another length than their
            table; strangers: rows without a source row, for which no change waits.
        empty: rows without a vector.
    """

    tables: dict[str, int]
    models: dict[str, dict[str, int]]
    twice: Sequence[Key] = ()
    astray: Sequence[Key] = ()
    strangers: Sequence[Key] = ()
    empty: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What a look at both sides found, or a part of it.

    Attributes:
        again: keys that have to be read again.
        compared: what is to be said of the rows of this part; None where none were compared.
        routed: what the target holds, where it was looked through.
    """

    again: Sequence[Key] = ()
    compared: Compared | None = None
    routed: Routed | None = None


@dataclass(frozen=True, slots=True)
class BuiltIndex:
    """One index that was asked for: how many vectors it holds, and how many it should; None for an ordinary one."""

    name: str
    stands: bool
    holds: int | None = None
    wanted: int | None = None


@dataclass(frozen=True, slots=True)
class Nearest:
    """What a table answered: rows, nearest first, and how they were found: by index, a function, or numpy."""

    table: str
    how: str
    rows: list[Neighbour]


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """One query, asked on both sides.

    Attributes:
        old, new: keys as each side gives them, nearest first.
        exact: what an exact search of the new side gives.
        ties: keys of the new side that are as near as the last of ``new``, and may stand for it.
        elapsed_ms: what the new side took.
        where: fields and their values, by which both sides were told to filter; empty for none.
    """

    old: tuple[Key, ...]
    new: tuple[Key, ...]
    exact: tuple[Key, ...]
    ties: frozenset[Key]
    elapsed_ms: float
    where: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Queries that were asked on both sides.

    Attributes:
        plain: without a filter.
        filtered: with one, each by a field that the source has an index of.
        passed: the other such fields, and why they were not asked by.
        alone: why the old side was not asked; empty where it was.
    """

    plain: Sequence[Beside]
    filtered: Sequence[Beside] = ()
    passed: Mapping[str, str] = field(default_factory=dict)
    alone: str = ""


class Carried(Protocol):
    """What can be said of carried rows; changes nothing."""

    def compared(self, limit: int) -> Iterator[Compared]:
        """All source rows in their order, each held against its target; a page of them in one snapshot."""
        ...

    def nearest(self, vector: Vectors, k: int, *, exact: bool = False) -> Nearest:
        """At most k rows of the table for the vector's length, nearest first; equally near ones by key.

        Args:
            vector: shape (d,), float32.
            exact: every row is compared and no index asked.
        """
        ...

    def beside(self, queries: int, k: int) -> Asked | None:
        """Stored vectors as queries on both sides, each for k rows; None where there are not two sides to ask."""
        ...

    def routed(self) -> Routed:
        """The target tables, in one snapshot."""
        ...

    def indexes(self) -> list[BuiltIndex]:
        """Every index that was asked for."""
        ...

    def viewed(self, limit: int) -> Iterator[Compared] | None:
        """All rows of the old table, held against what the view answers, page by page; None while there is no view."""
        ...
