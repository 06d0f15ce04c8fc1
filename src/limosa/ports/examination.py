"""Examination: what a store can say of a place that may be ill, as findings; reads only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from limosa.model.finding import Finding
from limosa.model.place import Text
from limosa.model.space import Space
from limosa.ports.search import Search, Stored

__all__ = ["Examination", "Examined", "Scrutiny"]

_WEEK_S = 7 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrutiny:
    """What a place is held against.

    Attributes:
        side: of the migration, whose space, text and embedder these are.
        space: the space whose vectors the column should hold.
        text: where the texts of these vectors come from.
        metric: by which searches go, ``cosine``, ``l2`` or ``ip``; None where nobody has said.
        model_column: the column that names each vector's model; None to look for one by its name.
        whole_rows: up to about so many rows every vector is read; of more rows, so many by a hash of the key.
            A million vectors of 1,536 dimensions are 6 GB that the server unpacks.
        unused_s: an index that nobody used is an ill once the statistics are as old as this: jobs that run
            once a week have come by then.
    """

    side: Literal["source", "target"]
    space: Space
    text: Text
    metric: str | None = None
    model_column: str | None = None
    whole_rows: int = 1_000_000
    unused_s: float = _WEEK_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What an examination came to.

    Attributes:
        place: names the vectors.
        counts: ``rows`` of the filter, of them ``vectors`` and ``texts``, and ``measured``, the vectors that were
            read; without those that could not be counted.
        findings: every ill that was looked for, in no order.
    """

    place: str
    counts: dict[str, int]
    findings: tuple[Finding, ...]


class Examination(Protocol):
    """One place under examination; changes nothing."""

    @property
    def search(self) -> Search:
        """Reads rows back, with their texts as the scrutiny says."""
        ...

    def examine(self) -> Examined:
        """Looks for every ill that the store knows of; what this role cannot see is unchecked, with the reason."""
        ...

    def sample(self, n: int) -> list[Stored]:
        """At most n rows with a text and a vector that a search can use, drawn at random; others at each call.

        Of a large table they are drawn from a part of it, unless too few such rows are there.

        Raises:
            Refused: this role cannot read them.
        """
        ...
