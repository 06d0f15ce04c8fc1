"""Store: one database or service, opened for one migration; the parts that the flow works with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from limosa.model.batch import Key, Vectors
from limosa.model.migration import Migration
from limosa.model.operation import Operation, Step
from limosa.model.plan import Check
from limosa.model.strain import Limits
from limosa.ports.application import Application
from limosa.ports.capture import Capture
from limosa.ports.carried import Carried
from limosa.ports.evidence import Evidence
from limosa.ports.examination import Examination, Scrutiny
from limosa.ports.search import OldOrNew, Search
from limosa.ports.source import Source
from limosa.ports.target import Target
from limosa.ports.tx import Begin, Tx

__all__ = ["Capabilities", "Ends", "Facts", "Longest", "OpenStore", "Progress", "Runner", "Store", "Turn", "Witness"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a store can do, as data; steps ask this and never the store's type.

    Attributes:
        lease_s: how long a worker may give no sign of life where nothing else tells that it died.
        searched: applications search what is written; False for files that are only kept, where nothing is switched.
    """

    transactions: bool
    capture: bool
    rename: bool
    index_kinds: tuple[str, ...]
    max_index_dimensions: dict[str, int]
    lease_s: int
    searched: bool = True


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a long operation is: done of total units, and the phase's name."""

    phase: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Longest:
    """One of the longest texts: its key, its beginning, and the size of the whole in bytes of UTF-8."""

    key: Key
    beginning: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a store says of a place before anything is touched.

    Attributes:
        checks: what it looked at; refusals among them stop the migration.
        counts: ``rows`` of the filter, of them ``with_vector``, ``without_vector`` and ``without_text``;
            ``outside`` (rows outside the filter that hold an old vector), ``with_target`` (a vector of the
            target space stands), ``to_embed`` (has a text, but no vector of the target space) and
            ``repeated_texts`` (of these, rows whose text another of them has too, all but one). Empty where
            this role cannot see the rows.
        sizes: bytes before and after, memory, write-ahead log, rates and seconds; every unit rides in the key.
        texts: a sample of texts, for tokens and for probe calls; the same at every call on an unchanged place.
        characters: average length, in characters, of the texts that are to be embedded.
        operations: the whole way from expand to finish.
        longest: the longest texts that are to be embedded, by size.
        stored_texts: texts of rows that hold an old vector, as the source makes them.
        stored_vectors: those vectors, shape (n, d) float32, in the order of ``stored_texts``.
        thorough: makes checks that read every row and refuse nothing: asked for where a person wants a plan, and not
            once more by the run that begins with it.
    """

    checks: tuple[Check, ...]
    counts: dict[str, int]
    sizes: dict[str, object]
    texts: tuple[str, ...]
    characters: float
    operations: tuple[Operation, ...]
    longest: tuple[Longest, ...] = ()
    stored_texts: tuple[str, ...] = ()
    stored_vectors: Vectors | None = None
    thorough: Callable[[], Sequence[Check]] = tuple


Turn = Literal["operations", "start"]
"""What one process at a time does: change the schema, or bring a program's database up to date as it starts."""


class Runner(Protocol):
    """Carries out operations."""

    def apply(
        self, operation: Operation, note: Callable[[Tx], None], *, undo: bool = False, again: bool = False
    ) -> None:
        """Does or undoes one operation and notes it, in one transaction where the operation allows.

        Waits for locks in short, growing attempts.

        Args:
            again: the ledger knows of an attempt that died; what that left half made is ours, and goes first.

        Raises:
            Refused: what the operation makes is there already, half made, and by somebody else.
            Transient: the lock was not to be had; nothing was changed.
        """
        ...

    def locked(
        self,
        statements: tuple[str, ...],
        note: Callable[[Tx], None],
        *,
        first: Callable[[Tx], None] | None = None,
        proceed: Callable[[Tx], bool] | None = None,
    ) -> bool:
        """Runs statements in one transaction; ``proceed`` is asked after the first of them, the lock.

        Returns:
            Whether the transaction was committed: False where ``proceed`` said no.
        """
        ...

    def alone(self, what: Turn = "operations") -> AbstractContextManager[None]:
        """Keeps every other process from doing the same with this migration meanwhile; waits its turn."""
        ...

    def stands(self, operation: Operation) -> bool:
        """Whether the operation's change is there."""
        ...

    def progress(self) -> Progress | None:
        """How far the operation that runs now is; None where nothing is known."""
        ...


@dataclass(frozen=True, slots=True)
class Ends:
    """Where rows are read and where their vectors are written, under the names of one epoch."""

    source: Source
    target: Target


class Witness(Protocol):
    """What a store can say of a migration's vectors, under the names of one epoch; changes nothing."""

    def classify(self, after: Key | None, upper: Key | None, tx: Tx) -> dict[str, int]:
        """Rows of the filter in (after, upper] by class, as the snapshot of ``tx`` has it.

        The classes are done, skipped, dead, pending and lost.
        """
        ...

    def search(self, side: OldOrNew) -> Search | None:
        """Searches the vectors of a side; None where their column is not there, or sides are not searched alone."""
        ...

    def evidence(self, side: OldOrNew) -> Evidence | None:
        """What can be said of the vectors of a side; None as above."""
        ...

    def application(self, side: OldOrNew) -> Application | None:
        """The application's own query on a side; None as above."""
        ...

    def carried(self) -> Carried | None:
        """What can be said of rows that were carried; None where vectors were made."""
        ...

    def examination(self, scrutiny: Scrutiny) -> Examination | None:
        """Examines the application's vectors for ills; None where this store has no such examination.

        Raises:
            Refused: a column that the scrutiny names is not there.
        """
        ...


class Store(Protocol):
    """One store opened for one migration."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        ...

    @property
    def place(self) -> str:
        """Names the vectors that a migration claims, the same from every machine."""
        ...

    @property
    def begin(self) -> Begin:
        """Opens transactions."""
        ...

    @property
    def capture(self) -> Capture:
        """The change table."""
        ...

    @property
    def runner(self) -> Runner:
        """Carries out operations."""
        ...

    def inspect(self) -> Facts:
        """What can be said of the place before anything is touched; changes nothing."""
        ...

    def amends(self, step: Step, epoch: int) -> Sequence[Operation]:
        """What a step has to do beside the locked operations, as the place has other parts now than at plan.

        Each may be done again; none is noted. Empty where nothing came or went.
        """
        ...

    def ends(self, epoch: int, *, back: bool = False) -> Ends:
        """Source and target under the names that hold in an epoch; with ``back`` the old side is the target."""
        ...

    def witness(self, epoch: int) -> Witness:
        """What can be said of the vectors under the names of an epoch."""
        ...

    def strain(self, limits: Limits) -> str:
        """Why a run has to wait for the database now, in words; empty where it need not.

        Answers within about a second, changes nothing, and may be asked every second: what it needs to
        have seen before, it remembers. ``wait_while`` that fails is a reason to wait.

        Raises:
            Transient: the database does not answer.
        """
        ...

    def alive(self) -> int:
        """Registers this process as a worker; the number stays taken until the process ends."""
        ...

    def close(self) -> None:
        """Gives every connection back; safe to call again."""
        ...


class OpenStore(Protocol):
    """What an entry point of the group ``limosa.stores`` points at."""

    def __call__(self, url: str, migration: Migration) -> Store:
        """The store at this URL for this migration; connects, changes nothing."""
        ...
