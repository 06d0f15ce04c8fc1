"""The application's own query: what a store can say of how it is answered, for verify to judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from limosa.model.batch import Vectors
from limosa.model.checking import Role
from limosa.ports.evidence import Answered

__all__ = ["Application", "AsRole", "IndexScans", "Standing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexScans:
    """How often an index was searched while the application's query ran, counted for this session alone.

    Attributes:
        calls: how often the query ran.
        scans: of these, how often the index was searched; forced: the same where every other way was forbidden.
        nested: the plan of the query, or of the function's body, names the index; None where the body is not
            limosa's own and nobody can see into it.
    """

    calls: int
    scans: int
    forced: int
    nested: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Whether a role can be asked as, and proves something.

    Attributes:
        exempt: why asking as this role proves nothing; empty where it proves something.
        refused: why limosa cannot ask as this role; empty where it can. do: the statement that lets it.
    """

    role: Role
    exempt: str = ""
    refused: str = ""
    do: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AsRole:
    """What a role was answered.

    Attributes:
        answers: for each query what the application's query answered, and an exact search as the same role.
        setting: what decides whether a filtered search goes on, e.g. ``hnsw.iterative_scan = off``.
    """

    answers: tuple[tuple[Answered, Answered], ...]
    setting: str


class Application(Protocol):
    """The application's own query for the rows nearest to a vector, on one side; changes nothing."""

    @property
    def title(self) -> str:
        """The match function of the file, or what is asked in its place, for a person."""
        ...

    @property
    def function(self) -> bool:
        """The query goes through a match function."""
        ...

    def elapsed_ms(self, vectors: Sequence[Vectors], k: int) -> list[float]:
        """How long each query took in one session, in order, the way to the database and back included.

        Raises:
            Refused: the query is refused, for example as its function is not there.
        """
        ...

    def scans(self, index: str, vectors: Sequence[Vectors], k: int) -> IndexScans:
        """How often the index was searched for these queries; Refused as above."""
        ...

    def roles(self, named: Sequence[Role]) -> list[Standing] | None:
        """The roles as which the application asks: those named, else those that may read the table.

        None where none is named and no policy decides which rows a role sees.
        """
        ...

    def as_role(self, role: Role, vectors: Sequence[Vectors], k: int) -> AsRole:
        """What the role is answered, in a session of its own and a transaction that is rolled back.

        Raises:
            Refused: the role may not ask, or a policy fails.
        """
        ...

    def by_hand(self, index: str | None, roles: Sequence[Role]) -> Mapping[str, str]:
        """The SQL that repeats the proofs ``latency``, ``index use`` and ``roles``, complete and runnable."""
        ...
