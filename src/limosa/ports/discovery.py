"""Discovery: what a database holds that could be migrated, before any file says what to look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

__all__ = ["Candidate", "Discover", "Discovery", "Hint", "MatchSeen", "TextColumn", "VectorIndex"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorIndex:
    """The nearest-neighbour index that stands on a vector column.

    Attributes:
        kind: the access method.
        metric: what it measures, in the file's words; empty where limosa builds no such index.
        element: the type that it compares, which a cast in the index can make another than the column's.
        options: its build parameters that differ from the defaults.
    """

    name: str
    kind: str
    metric: Literal["cosine", "l2", "ip", ""]
    element: str
    options: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextColumn:
    """A column of texts; ``width_bytes``: of a value on average, None where that is not known."""

    name: str
    type: str
    width_bytes: float | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """What the database itself says of the model.

    Attributes:
        said: the value or the comment, as it stands there.
        where: where it stands, for a person.
        plain: that place can mean nothing but the model of the vectors; else it may speak of something else, as a
            column ``model`` of chat messages does.
        others: other values of the same column, each with its share of the rows.
    """

    said: str
    where: str
    plain: bool = False
    others: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchSeen:
    """A function that searches the table by a vector.

    Attributes:
        function: its name, as the file writes it.
        why: why limosa cannot stand in for it; empty where it can.
    """

    function: str
    signature: str
    returns: tuple[str, ...]
    filter: str | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One vector column, with everything that a file would say of its place.

    Attributes:
        table: the name as the file writes it.
        type: of the column, with its modifiers; element: ``vector`` or ``halfvec``, else what it is.
        dimensions: d of its vectors; None where neither the type nor a vector says it.
        rows: how many the table has; ``exact`` where they were counted.
        null_share: of the rows that hold no vector, 0 to 1; None where it is not known.
        keys: sets of columns that identify a row, best first.
        texts: what is proposed to embed, in the order of the table; ``also``: what might be meant instead.
        columns: every column of the table that a text could be made of.
        index: None where the column has none.
        hints: what the database may say of the model, the most telling first; empty where it says nothing.
        refused: why plan would refuse it, each with what to do; empty where nothing is known against it.
    """

    table: str
    vector: str
    type: str
    element: str
    dimensions: int | None = None
    rows: int = 0
    exact: bool = False
    null_share: float | None = None
    keys: tuple[tuple[str, ...], ...] = ()
    texts: tuple[TextColumn, ...] = ()
    also: tuple[TextColumn, ...] = ()
    columns: tuple[str, ...] = ()
    index: VectorIndex | None = None
    hints: tuple[Hint, ...] = ()
    functions: tuple[MatchSeen, ...] = ()
    refused: tuple[str, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether nothing is known that plan would refuse."""
        return not self.refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """What was found in one database.

    Attributes:
        database: its title, without any secret.
        candidates: best first; those that plan would refuse come last.
        tables: how many tables were looked at; schemas: in which.
        unseen: vector columns beyond those that were looked at closely, which are not listed.
        remarks: what else a person should know, for example that the extension is missing.
        index_limits: element type to the most dimensions that an index takes.
    """

    database: str
    candidates: tuple[Candidate, ...]
    tables: int
    schemas: tuple[str, ...]
    unseen: int
    remarks: tuple[str, ...]
    index_limits: Mapping[str, int]


class Discover(Protocol):
    """What an entry point in the group ``limosa.discovery`` is, by the scheme of the URLs that it takes."""

    def __call__(self, url: str, *, table: str | None = None) -> Discovery:
        """Looks at a database; changes nothing and ends in bounded time.

        Args:
            table: only this table, as a file names it.
        """
        ...
