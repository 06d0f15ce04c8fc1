"""What stands around another embedder and, where it does not say otherwise, is that embedder."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import cached_property

from limosa.model.batch import Embedded, Kind
from limosa.model.space import Space
from limosa.ports.batches import Batches, batches_of
from limosa.ports.embedder import Embedder, Limits, Price

__all__ = ["Around"]


class Around:
    """Hands everything on to the embedder inside; each of its heirs changes one thing of it."""

    def __init__(self, inner: Embedder) -> None:
        self._inner = inner

    @cached_property
    def space(self) -> Space:
        """The space of its vectors."""
        return self._inner.space

    @cached_property
    def limits(self) -> Limits:
        """What it takes at once."""
        return self._inner.limits

    @property
    def price(self) -> Price | None:
        """Its price."""
        return self._inner.price

    @property
    def retired(self) -> date | None:
        """The day from which the model no longer answers."""
        return self._inner.retired

    @property
    def destination(self) -> str:
        """Where texts are sent."""
        return self._inner.destination

    @property
    def batches(self) -> Batches | None:
        """Its way of handing in jobs; None where it has none."""
        return batches_of(self._inner)

    def count(self, texts: Sequence[str]) -> list[int] | None:
        """Input tokens of each text."""
        return self._inner.count(texts)

    def embed(self, texts: Sequence[str], kind: Kind) -> Embedded:
        """Vectors of the texts, in their order."""
        return self._inner.embed(texts, kind)
