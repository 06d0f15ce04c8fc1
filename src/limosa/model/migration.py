"""A migration: one job, as its file describes it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Literal

from limosa.model.checking import Checking
from limosa.model.identity import Identity
from limosa.model.job import LaneName
from limosa.model.place import Place
from limosa.model.space import Endpoint, Space
from limosa.model.strain import Limits

__all__ = [
    "CARRIED",
    "Backfill",
    "Copy",
    "Form",
    "Index",
    "Match",
    "Migration",
    "OnStart",
    "Shape",
    "Side",
    "Split",
    "UsageTable",
]

Shape = Literal["upgrade", "fill", "split", "copy"]

OnStart = Literal["migrate", "warn", "refuse"]

CARRIED = Space(provider="", model="as stored", dimensions=0)
"""The space of vectors that are carried as they are: each row knows its own, and nothing is embedded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One end of a migration: a place, the space of its vectors, and who embeds for it.

    Attributes:
        token: a reference to the secret that the store asks for; None where it asks for none.
    """

    place: Place
    space: Space
    endpoint: Endpoint
    token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """The approximate nearest-neighbour index to build.

    Attributes:
        kind: ``hnsw`` or ``ivfflat``.
        metric: ``cosine``, ``l2``, ``ip`` (inner product) or ``l1``.
        type: element type of the vector column: ``vector`` (float32) or ``halfvec``.
        m, ef_construction: HNSW build parameters (pgvector's defaults: 16 and 64).
        lists: IVFFlat lists; None takes rows / 1000, at least 10 (pgvector's advice).
    """

    kind: Literal["hnsw", "ivfflat"] = "hnsw"
    metric: Literal["cosine", "l2", "ip", "l1"] = "cosine"
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


@dataclass(frozen=True, slots=True)
class UsageTable:
    """A table of the user's for what was paid.

    Attributes:
        name: optionally ``schema.name``.
        columns: each with what goes into it: ``migration``, ``provider``, ``model``, ``texts``, ``tokens``
            or ``cost_usd``.
    """

    name: str
    columns: tuple[tuple[str, str], ...]

    @property
    def sql(self) -> str:
        """The name, quoted."""
        return ".".join('"' + part.replace('"', '""') + '"' for part in self.name.split(".", 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """How the rows are filled.

    Attributes:
        batch_rows: rows that are read and sent to the provider together.
        budget_usd: hard stop for money; None for no limit.
        requests_per_minute, tokens_per_minute: most that goes to a provider; None for what it allows.
        cache_mb: bound of the vectors that are kept on this machine against paying twice; 0 keeps none.
        lane: how texts travel to the provider: ``direct``, or ``batch`` as jobs at a lower price, within a day.
        usage: where payments are noted; None for nowhere.
        max_pending: changes that may be outstanding when cutover switches after its last try.
        limits: the strain at which a run waits.
        pause_file: while this file is there, a run on this machine waits; None for no such file.
    """

    batch_rows: int = 128
    budget_usd: float | None = None
    max_pending: int = 100
    cache_mb: int = 4096
    usage: UsageTable | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    limits: Limits = field(default_factory=Limits)
    pause_file: str | None = None

    @property
    def pace(self) -> dict[str, float]:
        """The limits of the file by name; without those that it does not name."""
        named = {"requests_per_minute": self.requests_per_minute, "tokens_per_minute": self.tokens_per_minute}
        return {name: value for name, value in named.items() if value is not None}

    lane: LaneName = "direct"


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """One table whose rows go to one table for each dimension.

    Attributes:
        table: the targets' name, with ``{dimension}`` in it; ``{dimension}`` is ``other`` for the rest.
        dimensions: those that get a table of their own, ascending; their vectors' lengths are checked.
        vectors: columns of the source that hold a vector, as a float32 blob or as JSON text; where
            several stand in a row they must agree.
        vector: column of the targets that holds the float32 blob.
        dimension: column of the source that says the length; None where there is none.
        model: column that is counted by; None where there is none.
        payload: columns that travel along; None for every other column.
        keep: the source's vector columns travel along too, verbatim.
        indexes: columns of ordinary indexes on every target.
        index: options of the native vector index, such as ``metric=cosine``; None for no index.
    """

    table: str
    dimensions: tuple[int, ...]
    vectors: tuple[str, ...]
    vector: str
    dimension: str | None = None
    model: str | None = None
    payload: tuple[str, ...] | None = None
    keep: bool = True
    indexes: tuple[tuple[str, ...], ...] = ()
    index: tuple[str, ...] | None = None

    def target(self, dimension: int | None) -> str:
        """Name of the table for a dimension; None for all others."""
        known = dimension if dimension in self.dimensions else "other"
        return self.table.replace("{dimension}", str(known))

    @property
    def targets(self) -> tuple[tuple[str, int | None], ...]:
        """Every target table with its dimension; the one without comes last."""
        return (*((self.target(d), d) for d in self.dimensions), (self.target(None), None))


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How points lie in a table.

    Attributes:
        key: the column for the ids.
        vectors: name of a vector, empty for the one without a name, and its column.
        columns: columns with the payload's field that goes there, a dot leads into a nested one; None for every other
            column under its own name.
        rest: the jsonb column for everything else in the payload; None where nothing else is.
        made: how new ids are made; ``key`` holds the old ones then. None where ids are carried.
    """

    key: str
    vectors: tuple[tuple[str, str], ...]
    columns: tuple[tuple[str, str], ...] | None = ()
    rest: str | None = None
    made: Identity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """Points that go to a place of another store; both are named in the migration's sides.

    Attributes:
        source, target: how points lie there; None for a collection, which knows it by itself.
        build: whether an index is built; which one, the migration says, or the source's own graph.
        made: how new ids are made for a collection; of a table its form says it.
        space: what made the vectors that are carried; None where the file does not say.
    """

    source: Form | None = None
    target: Form | None = None
    build: bool = True
    made: Identity | None = None
    space: Space | None = None

    @property
    def identity(self) -> Identity | None:
        """How new ids are made; None where ids are carried."""
        return self.target.made if self.target is not None else self.made


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One job: source, target, and how to get there.

    Attributes:
        soak_days: days between cutover and finish; no part of the digest.
        view: a view through which the application reads, over whichever vectors are in use; None for none.
        split: set for a split only; then ``source`` and ``target`` are the same side.
        copy: set for a copy to another store only.
        backup: ``none``, ``table``, ``database``, or empty for what the store does best.
        on_start: what ``limosa.ensure`` does where there is something to do.
        checking: what verify is asked; no part of the digest.
    """

    name: str
    source: Side
    target: Side
    layout: str
    index: Index | None
    match: Match | None
    backfill: Backfill
    soak_days: int = 7
    split: Split | None = None
    copy: Copy | None = None
    view: str | None = None
    backup: str = ""
    on_start: OnStart = "warn"
    checking: Checking = field(default_factory=Checking)

    @property
    def shape(self) -> Shape:
        """What the file asks for.

        ``split``: a table becomes several. ``copy``: another store. ``fill``: the space stays and missing vectors
        are made.
        """
        if self.split is not None or self.copy is not None:
            return "split" if self.split is not None else "copy"
        return "fill" if self.source.space.fingerprint == self.target.space.fingerprint else "upgrade"

    @property
    def carries(self) -> bool:
        """Vectors travel as they are, and nothing is embedded."""
        return self.split is not None or (self.copy is not None and self.target.space == CARRIED)

    @property
    def asks_old(self) -> bool:
        """The model that made the old vectors is asked too: whether it did, and for texts that change after cutover."""
        return self.shape in {"upgrade", "copy"} and not self.carries and self.source.space != CARRIED

    @property
    def shortens(self) -> bool:
        """The target's space is the source's with fewer dimensions, and nothing else is another."""
        old, new = self.source.space, self.target.space
        alike = replace(old, dimensions=new.dimensions, normalise=new.normalise, oversize=new.oversize)
        return self.copy is None and not self.carries and new.dimensions < old.dimensions and alike == new

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits over what is to be done: not over pace, money, or who answers where."""
        sides = [(side.place, side.space.fingerprint) for side in (self.source, self.target)]
        text = repr((self.name, sides, self.layout, self.index, self.match))
        text += "".join(repr(each) for each in (self.split, self.copy) if each is not None)
        # Named only where they are given: a migration that began without them is still the same one.
        text += "".join(
            f"{name}={value}"
            for name, value in (
                ("from", self.source.place.vector_table),
                ("to", self.target.place.vector_table),
                ("view", self.view),
            )
            if value is not None
        )
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def id(self) -> str:
        """Eight hexadecimal digits that stay the same for this job on this table.

        Every object limosa makes in a database carries it, so that scripts can be written before
        the ledger exists. The store's URL is left out: the ledger lies in that store.
        """
        place = self.target.place
        aim = self.split.table if self.split is not None else self.target.space.fingerprint
        text = "\x1f".join([self.name, place.table, place.vector, aim])
        return hashlib.sha256(text.encode()).hexdigest()[:8]
