"""Tokens and money: what embedding the rows will cost, and whether the budget holds it."""

from __future__ import annotations

from dataclasses import dataclass

from limosa.model.migration import Migration
from limosa.model.plan import Check
from limosa.ports.embedder import Price

__all__ = ["CHARACTERS_PER_TOKEN", "Bill", "bill", "budget_checks"]

CHARACTERS_PER_TOKEN = 4.0
"""Where the provider does not count: English prose. Source: https://platform.openai.com/tokenizer (seen 2026-05-01)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What will be paid for.

    Attributes:
        tokens: input tokens of all rows to embed.
        basis: how they were counted, for a person.
        cost_usd: None where the price is not known.
    """

    tokens: int
    basis: str
    cost_usd: float | None
    price: Price | None


def bill(*, rows: int, characters: float, per_token: float | None, price: Price | None) -> Bill:
    """Tokens and dollars for so many rows.

    Args:
        characters: of an average text.
        per_token: characters a token, as the probe call found; None where the provider did not count.
    """
    tokens = round(rows * characters / (per_token or CHARACTERS_PER_TOKEN))
    basis = (
        f"{per_token:.2f} characters a token, as the probe call counted"
        if per_token
        else f"{CHARACTERS_PER_TOKEN:g} characters a token, assumed"
    )
    cost = None if price is None else tokens / 1e6 * price.usd_per_million_tokens
    return Bill(tokens=tokens, basis=basis, cost_usd=cost, price=price)


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
