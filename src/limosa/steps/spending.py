"""What was estimated, what was paid, and why the two differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from limosa.control.records import Record
from limosa.control.reports import Tally
from limosa.model.batch import Paid

__all__ = ["Spending", "spending"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """The bill beside the estimate.

    Attributes:
        estimated_usd, estimated_tokens, estimated_texts: as the locked plan has them.
        paid_usd, paid_tokens, paid_texts: until now, by all workers.
        by_texts_usd: of the difference, what more or fewer texts make.
        by_length_usd: what more or fewer tokens a text make.
        by_price_usd: what another price a token makes, as batch jobs have.
    """

    estimated_usd: float
    estimated_tokens: int
    estimated_texts: int
    paid_usd: float
    paid_tokens: int
    paid_texts: int
    by_texts_usd: float
    by_length_usd: float
    by_price_usd: float


def spending(record: Record, tally: Tally) -> Spending | None:
    """None where nothing costs anything, or no price is known."""
    known: Mapping[str, object] = record.estimates
    usd, tokens, texts = (known.get(name) for name in ("cost_usd", "tokens", "texts_to_pay"))
    if not isinstance(usd, int | float) or not isinstance(tokens, int) or not isinstance(texts, int):
        return None
    if not usd and not tally.cost_usd:
        return None
    paid = Paid(texts=tally.asked, tokens=tally.tokens, usd=tally.cost_usd)
    return _compared(Paid(texts=texts, tokens=tokens, usd=float(usd)), paid)


def _compared(estimated: Paid, paid: Paid) -> Spending:
    each = estimated.tokens / estimated.texts if estimated.texts else 0.0
    usd = estimated.usd / estimated.tokens if estimated.tokens else paid.usd / max(1, paid.tokens)
    return Spending(
        estimated_usd=estimated.usd,
        estimated_tokens=estimated.tokens,
        estimated_texts=estimated.texts,
        paid_usd=paid.usd,
        paid_tokens=paid.tokens,
        paid_texts=paid.texts,
        by_texts_usd=(paid.texts - estimated.texts) * each * usd,
        by_length_usd=(paid.tokens - paid.texts * each) * usd,
        by_price_usd=paid.usd - paid.tokens * usd,
    )
