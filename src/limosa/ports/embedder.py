"""Embedder: texts in, vectors out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from limosa.model.batch import Embedded, Kind
from limosa.model.space import Endpoint, Space

__all__ = ["Embedder", "Limits", "OpenEmbedder", "Price"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the provider takes at once.

    Attributes:
        batch: most texts in one request.
        tokens: most tokens in one text; None where there is no limit.
        concurrency: most requests worth having in flight from one process; how many are, is found by trying.
        request_tokens: most tokens in one request, all texts together; None where there is no limit.
    """

    batch: int
    tokens: int | None
    concurrency: int
    request_tokens: int | None = None

    @property
    def workers(self) -> int:
        """Requests in flight where each of them keeps a session of the database: at most 8.

        A Postgres lets in 100 sessions as it comes, the application's included; requests that share a
        session are not bound by this.
        """
        return min(self.concurrency, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a million input tokens cost.

    Attributes:
        usd_per_million_tokens: zero for what runs on the user's own machine.
        source: the page or file that says so.
        seen: the day on which it said so.
        batch_usd_per_million_tokens: what they cost through the provider's batch endpoint; None where it has
            none or its price is not known.
    """

    usd_per_million_tokens: float
    source: str
    seen: date
    batch_usd_per_million_tokens: float | None = None


class Embedder(Protocol):
    """One model of one provider; safe to call from several threads."""

    @property
    def space(self) -> Space:
        """The space of its vectors."""
        ...

    @property
    def limits(self) -> Limits:
        """What it takes at once."""
        ...

    @property
    def price(self) -> Price | None:
        """Its price; None where it is not known."""
        ...

    @property
    def retired(self) -> date | None:
        """The day from which the model no longer answers; None while it does."""
        ...

    @property
    def destination(self) -> str:
        """Where texts are sent, for a person: a host, or ``this machine``. Never a key."""
        ...

    def count(self, texts: Sequence[str]) -> list[int] | None:
        """Input tokens of each text, by the model's own tokenizer; None where that is not at hand. No request."""
        ...

    def embed(self, texts: Sequence[str], kind: Kind) -> Embedded:
        """Vectors of the texts, in their order, as the provider gave them: one request, never repeated here.

        Args:
            texts: at most ``limits.batch`` texts, none of them blank or over ``limits.tokens``, together
                at most ``limits.request_tokens``. Prefixes of the space are added here.
            kind: ``document`` or ``query``.

        Raises:
            RowRefused: the provider refuses a text of this batch and not the batch as such.
            Refused: authentication, quota, unknown or retired model: repeating will not help.
            Unanswered: time-out, rate limit, 5xx, a lost connection: repeating may help.
        """
        ...


class OpenEmbedder(Protocol):
    """What an entry point of the group ``limosa.embedders`` points at."""

    def __call__(self, space: Space, endpoint: Endpoint) -> Embedder:
        """An embedder for this space; does not call the provider."""
        ...
