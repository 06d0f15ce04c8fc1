"""Prices and retirements: data with a source, overridden by the file."""

from __future__ import annotations

from datetime import date

import pytest

from limosa.embedders.matryoshka import MATRYOSHKA, is_prefix
from limosa.embedders.prices import PRICES, RETIRED, price_of, retired_on
from limosa.model.space import Endpoint


@pytest.mark.parametrize("model", sorted(PRICES))
def test_every_price_has_a_page_and_a_day(model: str) -> None:
    price = PRICES[model]
    assert price.source.startswith("https://")
    assert date(2026, 1, 1) <= price.seen <= date.today()
    assert 0 < price.usd_per_million_tokens < 1
    batch = price.batch_usd_per_million_tokens
    assert batch is None or 0 < batch < price.usd_per_million_tokens


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


def test_a_day_to_come_does_not_retire_a_model_yet() -> None:
    to_come = {model for model, day in RETIRED.items() if day > date.today()}
    assert all(retired_on(model) is None for model in to_come)
    assert all(PRICES[model].seen < RETIRED[model] for model in set(RETIRED) & set(PRICES))


def test_batches_cost_half_at_openai_and_google() -> None:
    for model in ("text-embedding-3-small", "text-embedding-3-large", "gemini-embedding-001", "gemini-embedding-2"):
        price = PRICES[model]
        assert price.batch_usd_per_million_tokens == pytest.approx(price.usd_per_million_tokens / 2)


class TestMatryoshka:
    @pytest.mark.parametrize("model", sorted(MATRYOSHKA))
    def test_every_model_has_a_page_and_sizes_in_order(self, model: str) -> None:
        nested = MATRYOSHKA[model]
        assert nested.source.startswith("https://")
        assert nested.seen <= date.today()
        assert list(nested.sizes) == sorted(nested.sizes)
        assert not nested.sizes or (nested.sizes[0], nested.sizes[-1]) == (nested.shortest, nested.longest)

    @pytest.mark.parametrize(
        ("model", "longer", "shorter", "so"),
        [
            ("gemini-embedding-001", 3072, 1536, True),
            ("models/gemini-embedding-001", 1536, 768, True),
            ("text-embedding-3-large", 3072, 256, True),
            ("text-embedding-3-small", 3072, 256, False),
            ("voyage-4", 2048, 1024, True),
            ("voyage-4", 2048, 1000, False),
            ("embed-v4.0", 1536, 512, True),
            ("gemini-embedding-001", 768, 1536, False),
            ("text-embedding-ada-002", 1536, 768, False),
            ("nomic-embed-text-v1.5", 768, 256, False),
        ],
    )
    def test_which_sizes_are_beginnings(self, model: str, longer: int, shorter: int, so: bool) -> None:
        assert is_prefix(model, longer=longer, shorter=shorter) is so
