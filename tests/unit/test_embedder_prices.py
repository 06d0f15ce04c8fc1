"""Prices and retirements: data with a source, overridden by the file."""

from __future__ import annotations

from datetime import date

import pytest

from limosa.embedders.prices import PRICES, RETIRED, price_of, retired_on
from limosa.model.space import Endpoint


@pytest.mark.parametrize("model", sorted(PRICES))
def test_every_price_has_a_page_and_a_day(model: str) -> None:
    price = PRICES[model]
    assert price.source.startswith("https://")
    assert date(2026, 1, 1) <= price.seen <= date.today()
    assert 0 < price.usd_per_million_tokens < 1


@pytest.mark.parametrize(
    "model", ["gemini-embedding-001", "models/gemini-embedding-001", "google/gemini-embedding-001"]
)
def test_a_price_goes_by_the_models_own_name(model: str) -> None:
    price = price_of(model, Endpoint())
    assert price is not None
    assert price.usd_per_million_tokens == 0.15


def test_an_unknown_models_price_is_unknown() -> None:
    assert price_of("all-minilm", Endpoint()) is None


@pytest.mark.parametrize("usd", [0.0, 0.5])
@pytest.mark.parametrize("model", ["text-embedding-3-small", "all-minilm"])
def test_the_file_overrides_the_table(model: str, usd: float) -> None:
    price = price_of(model, Endpoint(usd_per_million_tokens=usd))
    assert price is not None
    assert price.usd_per_million_tokens == usd
    assert "file" in price.source


def test_a_retired_model_says_since_when() -> None:
    assert retired_on("models/text-embedding-004") == date(2026, 1, 14)
    assert retired_on("text-embedding-3-small") is None
    assert not set(RETIRED) & set(PRICES)
