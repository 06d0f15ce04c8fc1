"""Tokens and money of a plan: counted or assumed, priced or not, within the budget or refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from limosa.config import load
from limosa.embedders.hashing import HashingEmbedder
from limosa.model.migration import Migration
from limosa.model.space import Space
from limosa.plan.lengths import length_checks
from limosa.plan.money import CHARACTERS_PER_TOKEN, Savings, bill, budget_checks
from limosa.ports.embedder import Limits, Price
from limosa.ports.store import Longest

PRICE = Price(usd_per_million_tokens=0.5, source="a page", seen=date(2026, 1, 2))


def migration(budget_usd: float | None = None) -> Migration:
    loaded = load(
        {
            "name": "m",
            "source": {
                "store": "env:DB",
                "table": "t",
                "key": "id",
                "text": "title",
                "vector": "v",
                "space": {"provider": "hashing", "model": "words-1", "dimensions": 8},
            },
            "target": {"space": {"provider": "openai", "model": "new", "dimensions": 16}},
        }
    )
    return replace(loaded, backfill=replace(loaded.backfill, budget_usd=budget_usd))


def test_tokens_are_those_that_the_probe_call_counted() -> None:
    found = bill(rows=1000, characters=90.0, per_token=3.0, price=PRICE)
    assert found.tokens == 30_000
    assert found.cost_usd == pytest.approx(0.015)
    assert "3.00 characters a token, as the probe calls counted" in found.basis


def test_without_a_count_tokens_are_assumed_and_it_says_so() -> None:
    found = bill(rows=10, characters=40.0, per_token=None, price=None)
    assert found.tokens == 400 / CHARACTERS_PER_TOKEN
    assert found.cost_usd is None
    assert "assumed" in found.basis


@pytest.mark.parametrize(
    ("budget_usd", "price", "verdict"),
    [
        (None, PRICE, None),
        (0.5, PRICE, None),
        (0.49, PRICE, "refused"),
        (0.0, replace(PRICE, usd_per_million_tokens=0.0), None),
        (None, None, "note"),
        (0.49, None, "refused"),
    ],
)
def test_the_budget_holds_the_estimate_or_the_plan_refuses(
    budget_usd: float | None, price: Price | None, verdict: str | None
) -> None:
    cost = bill(rows=1_000_000, characters=4.0, per_token=4.0, price=price)
    found = budget_checks(migration(budget_usd), cost)
    assert [check.verdict for check in found] == ([] if verdict is None else [verdict])


def test_a_budget_that_is_too_small_is_told_with_one_that_holds() -> None:
    (check,) = budget_checks(migration(0.1), bill(rows=1_000_000, characters=4.0, per_token=4.0, price=PRICE))
    assert check.said == "About 1,000,000 tokens will cost $0.50; the budget is $0.10."
    assert "budget_usd = 0.55" in check.do


def test_the_arithmetic_of_a_thousand_texts_is_shown() -> None:
    price = Price(usd_per_million_tokens=0.15, source="a page", seen=date(2026, 4, 25))
    found = bill(rows=1000, characters=200.0, per_token=4.0, price=price, error=0.03)
    assert found.sum == "1,000 texts x 50.0 tokens = 50,000 tokens x $0.15 a million = $0.0075"
    assert found.cost_usd == pytest.approx(0.0075)
    assert found.basis == "4.00 characters a token (± 3%), as the probe calls counted"


def test_what_need_not_be_asked_for_is_not_paid_and_its_worth_is_told() -> None:
    savings = Savings(repeated=200, kept_share=0.25)
    found = bill(rows=1000, characters=200.0, per_token=4.0, price=PRICE, savings=savings)
    assert found.tokens == 800 * 0.75 * 50
    assert found.saved_usd == {"repeated": pytest.approx(200 * 50 * 0.5e-6), "kept": pytest.approx(200 * 50 * 0.5e-6)}
    whole = bill(rows=1000, characters=200.0, per_token=4.0, price=PRICE)
    assert found.cost_usd is not None
    assert whole.cost_usd == pytest.approx(found.cost_usd + sum(found.saved_usd.values()))


def test_shortened_rows_cost_nothing() -> None:
    found = bill(rows=1000, characters=200.0, per_token=4.0, price=PRICE, savings=Savings(shortened=1000))
    assert (found.tokens, found.cost_usd) == (0, 0.0)


@pytest.mark.parametrize(("oversize", "verdict"), [("refuse", "refused"), ("truncate", "note"), ("skip", "note")])
def test_texts_over_the_limit_are_found_before_money_is_spent(oversize: str, verdict: str) -> None:
    loaded = migration()
    target = replace(loaded.target, space=replace(loaded.target.space, oversize=oversize))
    embedder = Short(Space(provider="hashing", model="words-1", dimensions=16))
    longest = [Longest(("7",), "a word " * 40, 280), Longest(("8",), "a word", 6)]
    (check,) = length_checks(replace(loaded, target=target), embedder, longest)
    assert check.verdict == verdict
    assert "1 text is longer than new takes: up to about 80 tokens, it takes 50 (key 7)" in check.said
    assert not length_checks(loaded, embedder, longest[1:])


class Short(HashingEmbedder):
    """A model that takes 50 words."""

    @property
    def limits(self) -> Limits:
        return replace(super().limits, tokens=50)
