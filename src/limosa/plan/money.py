"""Tokens and money: what embedding the rows will cost, and whether the budget holds it."""

from __future__ import annotations

from dataclasses import dataclass, field

from limosa.model.migration import Migration
from limosa.model.plan import Check
from limosa.ports.embedder import Price

__all__ = ["CHARACTERS_PER_TOKEN", "Bill", "Savings", "bill", "budget_checks"]

CHARACTERS_PER_TOKEN = 4.0
"""Where the provider does not count: English prose. Source: https://platform.openai.com/tokenizer (seen 2026-05-01)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Savings:
    """What need not be asked for.

    Attributes:
        repeated: rows whose text another row has too.
        shortened: rows whose new vector is the beginning of the old one.
        kept_share: part of the other texts whose vectors are kept on this machine, by a sample.
    """

    repeated: int = 0
    shortened: int = 0
    kept_share: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What will be paid for.

    Attributes:
        texts: how many will be asked for.
        tokens: their input tokens.
        basis: how they were counted, for a person.
        cost_usd: None where the price is not known.
        saved_usd: what each of the savings is worth, by name; without those that are nothing.
        sum: the arithmetic, for a person.
    """

    texts: int
    tokens: int
    basis: str
    cost_usd: float | None
    price: Price | None
    saved_usd: dict[str, float] = field(default_factory=dict)
    sum: str = ""


def bill(
    *,
    rows: int,
    characters: float,
    per_token: float | None,
    price: Price | None,
    error: float | None = None,
    savings: Savings | None = None,
) -> Bill:
    """Tokens and dollars for so many rows.

    Args:
        characters: of an average text.
        per_token: characters a token, as the probe calls found; None where the provider did not count.
        error: relative, of that; None where it is not known.
    """
    savings = savings or Savings()
    each = characters / (per_token or CHARACTERS_PER_TOKEN)
    asked = rows - min(rows, savings.shortened)
    asked -= min(asked, savings.repeated)
    kept = asked * savings.kept_share
    tokens = round((asked - kept) * each)
    usd = price.usd_per_million_tokens / 1e6 if price is not None else 0.0
    saved = {"shortened": savings.shortened * each, "repeated": savings.repeated * each, "kept": kept * each}
    return Bill(
        texts=round(asked - kept),
        tokens=tokens,
        basis=_basis(per_token, error),
        cost_usd=None if price is None else tokens * usd,
        price=price,
        saved_usd={name: count * usd for name, count in saved.items() if count and price is not None},
        sum=_sum(asked - kept, each, tokens, price),
    )


def _basis(per_token: float | None, error: float | None) -> str:
    if not per_token:
        return f"{CHARACTERS_PER_TOKEN:g} characters a token, assumed"
    about = f" (± {error:.0%})" if error is not None else ""
    return f"{per_token:.2f} characters a token{about}, as the probe calls counted"


def _sum(texts: float, each: float, tokens: int, price: Price | None) -> str:
    said = f"{texts:,.0f} texts x {each:,.1f} tokens = {tokens:,} tokens"
    if price is None:
        return said
    per_million = price.usd_per_million_tokens
    return f"{said} x ${per_million:g} a million = ${tokens * per_million / 1e6:,.4f}"


def budget_checks(migration: Migration, bill: Bill) -> list[Check]:
    """Whether the price is known and the budget holds the estimate."""
    budget, cost = migration.backfill.budget_usd, bill.cost_usd
    if cost is None:
        said = f"The price of {migration.target.space.title} is not known."
        do = "Set usd_per_million_tokens in [target.space]."
        if budget is None:
            return [Check(name="price", verdict="note", said=said, do=do)]
        needed = "A price: without one the budget cannot stop anything."
        return [Check(name="price", verdict="refused", said=said, needed=needed, do=do)]
    if budget is not None and cost > budget:
        return [
            Check(
                name="budget",
                verdict="refused",
                said=f"About {bill.tokens:,} tokens will cost ${cost:,.2f}; the budget is ${budget:,.2f}.",
                needed="A budget of at least the estimate.",
                do=f"Set budget_usd = {cost * 1.1:.2f} in [backfill]; or narrow where in [source].",
            )
        ]
    return []
