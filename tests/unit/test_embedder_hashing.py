"""Hashing: any size, the same everywhere, and honest about texts without words."""

from __future__ import annotations

import numpy as np
import pytest

from limosa.embedders.hashing import HashingEmbedder, open_embedder
from limosa.errors import Refused, RowRefused
from limosa.model.space import Endpoint, Space
from limosa.model.vectors import faults


def _open(model: str = "words-2", *, d: int = 64, **space: str) -> HashingEmbedder:
    return open_embedder(Space(provider="hashing", model=model, dimensions=d, **space), Endpoint())  # type: ignore[arg-type]


@pytest.mark.parametrize("d", [1, 2, 7, 384, 3072])
def test_any_size(d: int) -> None:
    answer = _open("words-1", d=d).embed(["alpha", "beta"], "document")
    assert answer.vectors.shape == (2, d)
    assert answer.vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(answer.vectors, axis=1), 1, rtol=1e-6)


def test_the_buckets_are_the_same_on_every_machine() -> None:
    vector = _open("words-1", d=16).embed(["godwit stork"], "document").vectors[0]
    found = {int(i): round(float(vector[i]), 4) for i in np.flatnonzero(vector)}
    assert found == {7: -0.7071, 13: 0.7071}


def test_words_are_compared_without_case_and_letters_count_as_words() -> None:
    vectors = _open("words-1").embed(["Use C", "use c"], "document").vectors
    np.testing.assert_array_equal(vectors[0], vectors[1])
    assert not faults(_open("words-1").embed(["C"], "document").vectors)


def test_the_model_says_what_is_counted() -> None:
    texts = ["one two", "two one"]
    alone = _open("words-1", d=512).embed(texts, "document").vectors
    pairs = _open("words-2", d=512).embed(texts, "document").vectors
    np.testing.assert_array_equal(alone[0], alone[1])
    assert not np.array_equal(pairs[0], pairs[1])
    parts = _open("chars-3", d=512).embed(["embedding", "embeddings", "kestrel"], "document").vectors
    assert parts[0] @ parts[1] > 0.8
    assert parts[0] @ parts[2] < 0.2


@pytest.mark.parametrize("model", ["", "words", "words-0", "words-10", "Words-1", "text-embedding-3-small"])
def test_an_unknown_model_is_refused(model: str) -> None:
    with pytest.raises(Refused, match="has no model") as caught:
        _open(model)
    assert "words-N" in caught.value.needed


def test_a_size_below_one_is_refused() -> None:
    with pytest.raises(Refused, match="0 dimensions"):
        _open(d=0)


def test_a_text_without_words_is_the_zero_vector_alone() -> None:
    vectors = _open("words-1").embed(["good", "?!...", "good"], "document").vectors
    assert list(faults(vectors)) == [1]


def test_words_are_counted_as_tokens() -> None:
    assert _open(prefix="passage: ").embed(["one two", "three"], "document").tokens == 5


def test_prefixes_belong_to_their_kind() -> None:
    embedder = _open("words-1", prefix="passage", query_prefix="query ")
    plain = _open("words-1")
    np.testing.assert_array_equal(embedder.embed(["a"], "query").vectors, plain.embed(["query a"], "document").vectors)


def test_a_text_that_is_not_unicode_is_that_rows_fault() -> None:
    with pytest.raises(RowRefused, match="surrogate"):
        _open().embed(["fine", "not \ud800 fine"], "document")


def test_it_costs_nothing_and_sends_nothing() -> None:
    embedder = _open()
    assert embedder.price.usd_per_million_tokens == 0
    assert embedder.destination == "this machine"
    assert embedder.retired is None
