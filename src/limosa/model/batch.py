"""A batch: the rows in flight between a source and a target."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from limosa.errors import RowRefused

__all__ = ["UNPAID", "Allowance", "Embedded", "Key", "Kind", "Paid", "Row", "VectorRows", "Vectors", "Written"]

Key = tuple[str, ...]
"""The key columns of a row as the store prints them, in key order."""

Vectors = NDArray[np.float32]
"""Shape (n, d), float32, C order."""

VectorRows = Vectors | list[Vectors]
"""n vectors of one length: an array of shape (n, d), or n arrays of shape (d,) where one would be a copy."""

Kind = Literal["document", "query"]


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One row as it was read.

    Attributes:
        key: identifies the row.
        text: what is to be embedded; None where the row has none.
        version: what the store needs to see that the row is still the one that was read.
        filled: a vector of the target space stands already.
        vector: the row's own vector, shape (d,), where vectors are carried or shortened; None where it has none.
        fault: why that vector cannot be carried; empty where it can.
        raw: what the store read it from; for the store alone.
    """

    key: Key
    text: str | None
    version: tuple[str, ...]
    filled: bool = False
    vector: Vectors | None = None
    fault: str = ""
    raw: tuple[object, ...] = ()

    @property
    def trace(self) -> str:
        """Tells this reading of the row from another, for a store that finds changes by looking; empty elsewhere."""
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What a provider still allows, as an answer's headers say.

    Attributes:
        unit: what is counted.
        left: how many more are allowed before the allowance is renewed.
        reset_s: seconds until it is whole again.
    """

    unit: Literal["requests", "tokens"]
    left: float
    reset_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """What a provider is paid for.

    Attributes:
        texts: how many were sent to it.
        tokens: input tokens, as the provider counted them, estimated where it does not say.
        usd: what they cost.
    """

    texts: int = 0
    tokens: int = 0
    usd: float = 0.0

    def __add__(self, other: Paid) -> Paid:
        return Paid(texts=self.texts + other.texts, tokens=self.tokens + other.tokens, usd=self.usd + other.usd)


UNPAID = Paid()
"""Nothing was paid."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """What an embedder answered.

    Attributes:
        vectors: shape (n, d) float32, in the order of the texts.
        tokens: input tokens as the provider counted them; None where it does not say.
        model: the model's name as the provider returned it.
        allowances: what the provider still allows, where it says so.
        marks: positions of texts that were not embedded as they are, with what was done: ``truncated``, ``pooled``.
        refused: positions of texts that cannot be embedded, with the reason; their vectors mean nothing.
        asked: texts that were paid for and are in no ledger yet.
        cost_usd: what is to be written down for them, at the price of the way they came.
        committed: to be called when what they cost is in a ledger; until then they are kept, and owed.
    """

    vectors: Vectors
    tokens: int | None
    model: str
    allowances: tuple[Allowance, ...] = ()
    marks: Mapping[int, str] = field(default_factory=dict)
    refused: Mapping[int, RowRefused] = field(default_factory=dict)
    cost_usd: float = 0.0
    asked: int = 0
    committed: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Written:
    """What became of the rows of one write, as positions in the batch.

    Attributes:
        landed: the vector stands.
        moved: the row changed, or was locked, since it was read; it must be read again.
        gone: the row is no longer there or left the filter.
        rejected: position and the store's reason; the row itself cannot take the vector.
        stood: another vector of the same text was written meanwhile, and stands.
    """

    landed: Sequence[int]
    moved: Sequence[int] = ()
    gone: Sequence[int] = ()
    rejected: Sequence[tuple[int, str]] = ()
    stood: Sequence[int] = ()
