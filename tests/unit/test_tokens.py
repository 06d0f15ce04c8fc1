"""Counting by a ratio: it follows what the provider counts, and knows how far off it may be."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from limosa.embedders.hashing import HashingEmbedder
from limosa.embedders.openai import open_embedder
from limosa.lane.tokens import Counter
from limosa.model.space import Endpoint, Space

OPENAI = Space(provider="openai", model="m", dimensions=8)


def ratio() -> Counter:
    return Counter(open_embedder(OPENAI, Endpoint(base_url="http://127.0.0.1:9/v1")))


def test_a_tokenizer_counts_without_error() -> None:
    counter = Counter(HashingEmbedder(Space(provider="hashing", model="words-1", dimensions=8)))
    counter.learn(["a b c"], 77)
    assert counter.count(["a b c", ""]) == [3, 0]
    assert counter.error == 0


def test_before_the_first_answer_it_is_english_prose() -> None:
    counter = ratio()
    assert counter.count(["", "a", "word " * 4, "é" * 4, "\udfff"]) == [1, 1, 5, 2, 1]
    assert counter.error == 0.5
    counter.learn([], 5)
    counter.learn(["a"], None)
    counter.learn(["a"], 0)
    assert counter.bytes_per_token == 4.0


@pytest.mark.parametrize("texts", [1, 32])
@pytest.mark.parametrize("spread", [0.05, 0.2])
def test_the_ratio_converges_and_its_error_covers_nineteen_of_twenty(texts: int, spread: float) -> None:
    rng = np.random.default_rng(7)
    counter = ratio()

    def one() -> tuple[str, float]:
        # Lengths of questions and abstracts are log-normal; what a token is differs from text to text.
        size = max(20, int(rng.lognormal(6, 0.6)))
        return "x" * size, size / 3.1 * max(0.2, 1 + spread * rng.standard_normal())

    for _ in range(400):
        batch = [one() for _ in range(texts)]
        counter.learn([text for text, _ in batch], round(sum(tokens for _, tokens in batch)))
    assert counter.bytes_per_token == pytest.approx(3.1, rel=0.05)
    within = [
        abs(counter.count([text])[0] / tokens - 1) <= counter.error for text, tokens in (one() for _ in range(2000))
    ]
    assert np.mean(within) > 0.93
    assert counter.error < 4 * spread + 0.1


def test_texts_that_are_alike_do_not_make_it_sure() -> None:
    counter = ratio()
    for _ in range(50):
        counter.learn(["the same text"], 4)
    assert counter.error >= 0.1


def test_threads_lose_nothing() -> None:
    counter = ratio()

    def learn(i: int) -> None:
        counter.learn(["x" * (100 + i % 7)], 25)
        assert math.isfinite(counter.error)
        assert counter.count(["x" * 100])[0] > 0

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(learn, range(2000)))
    assert counter.bytes_per_token == pytest.approx(sum(100 + i % 7 for i in range(2000)) / (25 * 2000))
